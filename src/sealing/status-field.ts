// The field that says a message was sealed here, and how.
import type { LineEnding } from '../message/header.ts';
import type { SealOptions } from './seal-options.ts';

/** `Sealpost-Status: sealed; key=<fingerprint>; by=<host>; id=<queue ID>; date=<RFC 3339>`; several keys between commas. */
export function statusField({ keys, hideKeyIds, status }: SealOptions, eol: LineEnding): string {
  const fingerprints = keys.map(({ fingerprint }) => harmless(fingerprint));
  const queueId = harmless(status.queueId);
  const items = [
    'Sealpost-Status: sealed',
    ...(hideKeyIds ? [] : [`key=${fingerprints.join(`,${eol}\t`)}`]),
    `by=${harmless(status.host)}`,
    ...(queueId === '' ? [] : [`id=${queueId}`]),
    `date=${status.date.toISOString().replace(/\.\d{3}Z$/, 'Z')}`,
  ];
  return items.join('; ');
}

/** A queue ID comes from outside: nothing in it may end the field or look like another item. */
function harmless(text: string): string {
  return text.replace(/[^A-Za-z0-9._:[\]-]/g, '');
}

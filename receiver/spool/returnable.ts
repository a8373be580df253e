// Whether a message that cannot be queued may be returned to its sender, and what of it (RFC 3464, RFC 3834). Pure.
import { fieldValue, type HeaderField, splitMessage } from '../../src/message/header.ts';
import { countReceived } from '../../src/message/received.ts';
import type { RawPath } from '../../src/smtp/types.ts';
import type { Addressee } from './addressee.ts';

export type Returnable =
  | { readonly ok: true; readonly to: RawPath; readonly header: Buffer }
  /** `because`: one line for the .reason file. */
  | { readonly ok: false; readonly because: string };

/**
 * Nothing is returned to nobody, to a list, or to a machine: the answer would come back, or reach people who sent nothing.
 * @param maxReceived more Received fields are a loop
 */
export function returnable(
  message: Buffer,
  addressee: Pick<Addressee, 'sender'>,
  maxReceived: number,
): Returnable {
  const { fields } = splitMessage(message);
  const { sender } = addressee;
  if (sender === null) return no('its sender is not known (no Return-Path)');
  if (sender === '') return no('it came from the null sender');
  const machine = fields.find(isAutomatic);
  if (machine !== undefined) return no(`it was sent by a machine or a list (${machine.name})`);
  if (countReceived(message) > maxReceived) return no('it is in a loop (Received)');
  return { ok: true, to: sender, header: returnableHeader(fields) };
}

function no(because: string): Returnable {
  return { ok: false, because };
}

function isAutomatic(field: HeaderField): boolean {
  switch (field.name) {
    // RFC 3834, section 5; a comment may follow the keyword.
    case 'auto-submitted':
      return !/^no\b/i.test(fieldValue(field));
    case 'precedence':
      return /^(?:bulk|list|junk)\b/i.test(fieldValue(field));
    default:
      // RFC 2369 and RFC 2919.
      return field.name.startsWith('list-');
  }
}

/** An id address, which is nobody's business outside. */
const INTERNAL = /(?:^|[^\w.-])id_\d+@/i;
const WRITTEN_ON_DELIVERY = new Set(['return-path', 'delivered-to', 'x-original-to']);

/** The header as the sender may see it again, lines ending in CRLF: without delivery fields and without the internal id. */
function returnableHeader(fields: readonly HeaderField[]): Buffer {
  const kept = fields.filter(
    (field) => !WRITTEN_ON_DELIVERY.has(field.name) && !INTERNAL.test(field.raw.toString('latin1')),
  );
  const text = kept.map((field) => field.raw.toString('latin1')).join('');
  return Buffer.from(text.replace(/\r\n|\r|\n/g, '\r\n'), 'latin1');
}

// What `explain` prints for people. Pure.
import { ruleLine } from './explain-rules.ts';
import type { Explanation, ReaderView } from './explain-view.ts';

/** One fact a line; what counts for one of several readers alone comes after what counts for the copy. */
export function formatExplanation(explanation: Explanation): string {
  const { resolution, decision, message, readers } = explanation;
  const who = readers
    .map((reader) =>
      reader.kind === 'user'
        ? `user ${reader.id} <${reader.address}>, ${reader.status}`
        : `${reader.kind} <${reader.address}>`,
    )
    .join('; ');
  return [
    `address   ${explanation.address}`,
    ...explanation.readOn.slice(1).map(({ address, restsOn }) => `read as   ${address} (${restsOn})`),
    `is        ${resolution.kind}${who === '' ? '' : `: ${who}`}${resolution.via.length > 0 ? ` via ${resolution.via.join(', ')}` : ''}`,
    `domain    ${domainInWords(explanation)}`,
    ...Object.entries(explanation.settings).map(([name, { value, from }]) =>
      value === null
        ? `setting   ${name}: the readers differ`
        : `setting   ${name} = ${String(value)} (${from === 'readers' ? 'of the readers together' : from})`,
    ),
    ...((decision.header_outside ?? []).length === 0
      ? []
      : [`outside   ${decision.header_outside?.join(', ')} (header_outside, global)`]),
    ...(readers.length > 1 ? readers.flatMap((reader) => ownLines(reader, explanation)) : []),
    ...explanation.rules.map(ruleLine),
    ...(explanation.keys.length === 0 ? ['key       none known'] : []),
    ...explanation.keys.map(
      (key) =>
        `key       ${key.fingerprint} (${key.source}): ${key.state}, ${key.because}${key.used && key.state === 'expired' ? ', used all the same' : ''}`,
    ),
    ...(message === null ? [] : messageLines(message)),
    `decision  ${decision.action}: ${decision.reason}`,
    ...(decision.read_for_keys === true
      ? ['keys      the address is portal.key_address, too: the letter is read for keys before it goes on']
      : []),
    ...(decision.reply === undefined
      ? []
      : [`reply     ${decision.reply.code} ${decision.reply.enhanced} ${decision.reply.text}`]),
  ].join('\n');
}

function domainInWords({ domain, unknown_here: unknownHere }: Explanation): string {
  if (domain !== null) return `${domain.name} (${domain.class})`;
  return unknownHere
    ? 'a name of this machine, and no domain of ours has this user or alias; Postfix may have an account or an alias of that name, whose mail is not sealed here'
    : 'not ours';
}

/** A reader's own settings where the copy has others, and whether a key is known. */
function ownLines(reader: ReaderView, { settings }: Explanation): readonly string[] {
  const copy: Readonly<Record<string, { readonly value: unknown }>> = settings;
  return [
    `reader    ${reader.address}: ${reader.keys.length === 0 ? 'no key is known' : reader.keys.map(({ fingerprint }) => fingerprint).join(', ')}`,
    ...Object.entries(reader.settings)
      .filter(([name, { value }]) => value !== copy[name]?.value)
      .map(([name, { value, from }]) => `reader    ${reader.address}: ${name} = ${String(value)} (${from})`),
  ];
}

function messageLines({
  detection,
  mediaType,
  size,
  recipients,
  readable,
}: NonNullable<Explanation['message']>): readonly string[] {
  const what = `${mediaType ?? 'of no clear type'}, ${size} bytes`;
  if (!detection.encrypted) return [`message   ${what}; not encrypted: ${detection.because}`];
  const ids = [
    ...detection.keyIds,
    ...recipients.map((name) =>
      'keyIdentifier' in name ? `key ${name.keyIdentifier}` : `serial number ${name.serialNumber}`,
    ),
  ];
  return [
    `message   ${what}; encrypted (${detection.how}): ${detection.because}`,
    `key IDs   ${ids.join(', ') || 'none'}: ${readableText(readable)}`,
  ];
}

function readableText(readable: boolean | null): string {
  if (readable === null) return 'whether this recipient can read it cannot be told';
  return readable ? 'this recipient can read it' : 'none of them is this recipient’s';
}

// Writes the README's section about what a sealed message looks like, from a letter that the filter's own code seals; only the
// ciphertext is left out. A test compares the section with the README, and with what `sealpost encrypt` makes:
//
//   npx tsx docs/sealed-mail.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { simpleParser } from 'mailparser';
import { type SealDecision, sealCopy } from '../src/delivery/seal-copy.ts';
import { fieldsNamed, fieldValue, splitMessage } from '../src/message/header.ts';
import { type Seal, wholePlaintext } from '../src/openpgp/types.ts';
import type { Sealer } from '../src/sealing/pool.ts';
import { sealInline } from '../src/sealing/seal-inline.ts';

export const README = fileURLToPath(new URL('../README.md', import.meta.url));

const BEGIN = '<!-- written by docs/sealed-mail.ts -->';
const END = '<!-- end of what docs/sealed-mail.ts wrote -->';

/** Bob's key, and what his server is called. */
export const FINGERPRINT = 'B0B0C0DE'.repeat(5);
export const HOST = 'mx1.example.net';
export const DATE = '2024-02-05T09:00:01Z';
const CIPHERTEXT = 'wV4D... (ciphertext)';

/** A letter with everything that the section tells of. */
export const LETTER = Buffer.from(
  [
    'Received: from mail.example.org by mx1.example.net; Mon, 5 Feb 2024 10:00:00 +0100',
    'From: Alice Liddell <alice@example.org>',
    'To: Bob Dodgson <bob@example.net>',
    'Subject: The map',
    'Thread-Topic: The map',
    'Date: Mon, 5 Feb 2024 10:00:00 +0100',
    'Message-ID: <map@example.org>',
    'Comments: for you alone',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="b1"',
    '',
    '--b1',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'Meet me at the caf=C3=A9 at noon.',
    '--b1',
    'Content-Type: image/png; name="map.png"',
    'Content-Disposition: inline; filename="map.png"',
    'Content-Transfer-Encoding: base64',
    '',
    'iVBORw0KGgo=',
    '--b1',
    'Content-Type: message/rfc822',
    '',
    'From: Carol <carol@example.com>',
    'Subject: Directions',
    '',
    'Left at the oak.',
    '--b1--',
    '',
  ].join('\r\n'),
);

type Settings = Partial<Pick<SealDecision, 'style' | 'subject' | 'headerPolicy'>>;

interface Sealed {
  readonly outside: string;
  /** What was encrypted, in order. */
  readonly inside: readonly Buffer[];
}

/** Seals the letter as the filter does, with {@link CIPHERTEXT} in the place of ciphertext. */
async function sealLetter(settings: Settings): Promise<Sealed> {
  const inside: Buffer[] = [];
  const seal: Seal = (job) => {
    if (!('fd' in job.plaintext) && !('port' in job.plaintext))
      inside.push(Buffer.from(wholePlaintext(job.plaintext)));
    const headers = 'armorHeaders' in job ? (job.armorHeaders ?? []) : [];
    const lines = headers.map(({ name, value }) => `${name}: ${value}\r\n`).join('');
    return Promise.resolve(
      Buffer.from(
        `-----BEGIN PGP MESSAGE-----\r\n${lines}\r\n${CIPHERTEXT}\r\n-----END PGP MESSAGE-----\r\n`,
      ),
    );
  };
  const decision: SealDecision = {
    action: 'seal',
    because: 'usable key',
    reason: '',
    leftOut: [],
    keys: [{ fingerprint: FINGERPRINT, certificate: new Uint8Array(), at: 0 }],
    kind: 'openpgp',
    smimeCipher: 'cbc-pkcs1',
    style: 'mime',
    subject: 'keep',
    headerPolicy: 'no_confidentiality',
    headerOutside: [],
    hideKeyIds: false,
    ...settings,
  };
  const status = { host: HOST, queueId: '', date: new Date(DATE) };
  const inline: Sealer['sealInline'] = (message, options) => sealInline(message, options, seal);
  return {
    outside: withoutChance(
      Buffer.concat(await sealCopy(LETTER, decision, status, { encrypt: seal, sealInline: inline })).toString(
        'latin1',
      ),
    ),
    inside,
  };
}

/** A sealed message with what differs each time left out: ciphertext and boundary. */
export function withoutChance(sealed: string): string {
  return sealed
    .replaceAll('\r\n', '\n')
    .replace(/\n\n[A-Za-z0-9+/=\n]+\n-----END PGP/g, `\n\n${CIPHERTEXT}\n-----END PGP`)
    .replace(/sealpost-[0-9a-f]{36}/g, 'sealpost-5ea1ed');
}

/** The section, without its heading, as it stands in the README. */
export async function sealedMailSection(): Promise<string> {
  const mime = await sealLetter({});
  const hidden = await sealLetter({ subject: 'hide' });
  const inline = await sealLetter({ style: 'inline' });
  return [
    'Alice writes to Bob, who has given his key to the server. This is what arrives with `subject=hide`, on the disk, in the backup,',
    'and in a mail program that has no key:',
    '',
    ...block(hidden.outside),
    '',
    "Bob's mail program has the key. It decrypts, takes the header fields from inside (RFC 9788), and shows the letter as Alice wrote it:",
    '',
    ...block(await shown(hidden.inside[0] ?? Buffer.alloc(0))),
    '',
    'With `style=inline`, for mail programs that know nothing of PGP/MIME, each part is sealed where it stands. A text is decrypted in',
    'its place, in UTF-8 whatever its charset was, if no letter gets lost by that; an attachment is saved as `map.png.pgp` and decrypted to',
    '`map.png`. HTML stays HTML: such a mail program should prefer plain text. A message of many small parts, which would become much larger, is',
    'sealed as PGP/MIME all the same. (From `MIME-Version` on:)',
    '',
    ...block(inline.outside.slice(inline.outside.indexOf('MIME-Version'))),
    '',
    'What stays visible to somebody without the key, for each setting (of a user, a domain, or all):',
    '',
    ...(await visibleTable(mime, hidden, inline)),
    '',
    'The stricter of `subject` and `header_policy` counts. The policies are those of RFC 9788: `baseline` also removes Keywords, `shy` also',
    'takes the names out of Cc. What is changed or missing outside stands inside, with `HP-Outer` fields that say what was outside.',
    'Fields that quote the body (X-Spam-Report, X-...-Preview) are sealed under every policy. With a hidden Subject, so is every field that',
    'repeats it (Thread-Topic, X-Original-Subject, a DKIM-Signature with copied fields, or any text that contains it), but for those that',
    'trace and routing need (Received, From, To, List-Id, X-Spam-Status and their kind); `shy` leaves no others outside, but for those that',
    '`header_outside` in sealpost.toml names (`header_outside = ["X-Ticket"]`). The header of a',
    '`multipart/signed` message stays outside, but for what quotes the body, since mail programs read none inside. In the inline style',
    'nothing can carry header fields, so that `subject` and `header_policy` do nothing there; those that quote the body, also in messages',
    'inside, become an encrypted file `header-fields.txt.pgp` beside the message. There, a signature does not survive',
    '(`multipart/signed` becomes `multipart/mixed`), and a message of more than 500 parts is sealed as PGP/MIME. An S/MIME message',
    'shows what a PGP/MIME message shows.',
  ].join('\n');
}

function block(text: string): readonly string[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? '' : `    ${line}`));
}

/** A message as a mail program shows it; read by a MIME parser that is not ours. */
async function shown(message: Buffer): Promise<string> {
  const { from, to, subject, date, text = '', attachments } = await simpleParser(message);
  const addresses = Array.isArray(to) ? to : [to];
  return [
    `From:     ${from?.text ?? ''}`,
    `To:       ${addresses.map((each) => each?.text ?? '').join(', ')}`,
    `Subject:  ${subject ?? ''}`,
    `Date:     ${date?.toISOString() ?? ''}`,
    'Security: encrypted',
    '',
    text.trim(),
    '',
    ...attachments.map(({ filename, contentType }) => `[attached: ${filename ?? contentType}]`),
  ].join('\n');
}

async function visibleTable(mime: Sealed, hidden: Sealed, inline: Sealed): Promise<readonly string[]> {
  const columns: readonly (readonly [string, Sealed])[] = [
    ['default', mime],
    ['`subject=hide`', hidden],
    ['`header_policy=baseline`', await sealLetter({ headerPolicy: 'baseline' })],
    ['`header_policy=shy`', await sealLetter({ headerPolicy: 'shy' })],
    ['`style=inline`', inline],
  ];
  const row = (label: string, cell: (sealed: Sealed) => string) =>
    `| ${[label, ...columns.map(([, sealed]) => cell(sealed))].join(' | ')} |`;
  const fields = ['From', 'To', 'Subject', 'Thread-Topic', 'Date', 'Comments', 'Message-ID', 'Received'];
  const has = (text: string) => (sealed: Sealed) => (sealed.outside.includes(text) ? 'visible' : 'sealed');
  return [
    `| | ${columns.map(([name]) => name).join(' | ')} |`,
    `|${'---|'.repeat(columns.length + 1)}`,
    ...fields.map((name) => row(name, ({ outside }) => fieldCell(name, outside))),
    row('text', has('Meet me')),
    row('attachments', has('iVBORw0KGgo')),
    row('their names', has('map.png')),
    row('a forwarded message', has('Left at')),
    row('its header', has('Directions')),
  ];
}

function fieldCell(name: string, outside: string): string {
  const value = (message: Buffer) => {
    const [field] = fieldsNamed(splitMessage(message), name.toLowerCase());
    return field === undefined ? null : fieldValue(field);
  };
  const now = value(Buffer.from(outside, 'latin1'));
  if (now === null) return 'sealed';
  return now === value(LETTER) ? 'visible' : `\`${now}\``;
}

/** The README with the section put in its place. */
export async function readmeWithSection(readme: string): Promise<string> {
  const from = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (from < 0 || end < from) throw new Error(`README.md: expected the lines "${BEGIN}" and "${END}"`);
  return `${readme.slice(0, from)}${BEGIN}\n\n${await sealedMailSection()}\n\n${readme.slice(end)}`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(README, await readmeWithSection(readFileSync(README, 'utf8')));
}

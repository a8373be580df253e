// Random mail: MIME trees from sensible to absurd, the corpus with something wrong, and bytes that are no mail at all.
import { corpus } from '../fixtures/corpus.ts';
import { mutate, type Random } from './random.ts';

const TYPES = [
  'text/plain',
  'text/plain; charset=utf-8',
  'text/plain; charset="iso-8859-1"; format=flowed',
  'text/html; charset=utf-16le',
  'TEXT/Calendar; method=REQUEST',
  'application/pdf; name="a b.pdf"',
  "application/octet-stream; name*0*=utf-8''%C3%A4; name*1=.bin",
  'image/png',
  'application/pgp-encrypted',
  'application/pgp-signature; name=signature.asc',
  'application/pgp-keys',
  'application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m',
  'message/rfc822',
  'message/delivery-status',
  'message/partial; id=x; number=1',
  'x',
  'text/plain; charset',
  'text/plain (comment (nested)); a="\\""',
  'multipart/mixed',
  '',
];
const MULTIPARTS = [
  'mixed',
  'alternative',
  'related',
  'signed; micalg=pgp-sha256; protocol="application/pgp-signature"',
  'encrypted; protocol="application/pgp-encrypted"',
  'digest',
  'report; report-type=delivery-status',
  'parallel',
];
const ENCODINGS = [
  '7bit',
  '8bit',
  'binary',
  'base64',
  'quoted-printable',
  'QUOTED-PRINTABLE ',
  'x-uuencode',
  'base64, 7bit',
  '',
];
const FIELDS = [
  'From: Alice <alice@example.org>',
  'To: bob@example.net,\r\n carol@example.com',
  'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
  'Subject: Gr\xc3\xbc\xc3\x9fe',
  'Subject : obsolete',
  'Date: Mon, 05 Feb 2024 10:00:00 +0100',
  'Message-ID: <1@example.org>',
  'Cc: undisclosed-recipients:;',
  'Reply-To: "a, b" <a@b.c>, (comment) d@e.f',
  'Received: from a by b; Mon, 05 Feb 2024 10:00:00 +0100',
  'DKIM-Signature: v=1; b=\r\n\tabc',
  'Sealpost-Status: sealed',
  'X-Empty:',
  'X-Long: \r\n \r\n x',
  'List-Id: <list.example.org>',
  'HP-Outer: Subject: x',
  'Content-MD5: Q2hlY2s=',
  'Content-Disposition: attachment; filename="x"',
  'Content-Description: d',
  'From alice Mon Feb 5',
  ': no name',
  'no colon',
];

export const MAIL_WORDS: readonly string[] = [
  ...FIELDS.map((field) => `${field}\r\n`),
  ...TYPES.map((type) => `Content-Type: ${type}\r\n`),
  ...ENCODINGS.map((encoding) => `Content-Transfer-Encoding: ${encoding}\r\n`),
  'Content-Type: multipart/mixed; boundary=b0\r\n\r\n',
  '\r\n--b0\r\n',
  '\r\n--b0--\r\n',
  '--',
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  '\n\n',
  '.',
  '\r\n.\r\n',
  '"',
  '(',
  ')',
  '\\',
  ';',
  '=',
  '=\r\n',
  '=?utf-8?B?',
  ':',
  '<',
  ' ',
  '\t',
  '\0',
  '\xff',
  '-----BEGIN PGP MESSAGE-----\r\n',
  '-----END PGP MESSAGE-----\r\n',
  '-----BEGIN PGP SIGNED MESSAGE-----\r\n',
  'Charset: utf-8\r\n',
  '=AAAA\r\n',
  'begin 644 x\r\n',
];

function entity(random: Random, depth: number, names: { count: number }, eol: string): string {
  const fields: string[] = [];
  const nest = depth > 0 && random.oneIn(3);
  if (nest) {
    const boundary = random.oneIn(12) ? 'b0' : `b${names.count}`;
    names.count += 1;
    fields.push(
      `Content-Type: multipart/${random.pick(MULTIPARTS)}; boundary=${random.oneIn(2) ? `"${boundary}"` : boundary}`,
    );
    if (random.oneIn(6)) fields.push(`Content-Transfer-Encoding: ${random.pick(ENCODINGS)}`);
    const parts = Array.from(
      { length: random.below(4) },
      () => `--${boundary}${eol}${entity(random, depth - 1, names, eol)}`,
    );
    const body = [
      random.oneIn(3) ? `preamble${eol}` : '',
      parts.join(eol),
      eol,
      random.oneIn(6) ? '' : `--${boundary}--${eol}`,
      random.oneIn(4) ? 'epilogue' : '',
    ];
    return `${header(random, fields, eol)}${eol}${body.join('')}`;
  }
  const inner = depth > 0 && random.oneIn(8);
  if (!random.oneIn(5)) fields.push(`Content-Type: ${inner ? 'message/rfc822' : random.pick(TYPES)}`);
  const encoding = random.pick(ENCODINGS);
  if (!random.oneIn(3)) fields.push(`Content-Transfer-Encoding: ${encoding}`);
  const body = inner ? entity(random, depth - 1, names, eol) : text(random, eol);
  const encoded =
    encoding === 'base64' && random.oneIn(2)
      ? Buffer.from(body, 'latin1').toString('base64').replace(/.{76}/g, `$&${eol}`)
      : body;
  return `${header(random, fields, eol)}${random.oneIn(15) ? '' : eol}${encoded}`;
}

function header(random: Random, own: readonly string[], eol: string): string {
  const fields = [...own];
  for (let left = random.below(4); left > 0; left -= 1)
    fields.splice(random.below(fields.length + 1), 0, random.pick(FIELDS));
  return fields.map((field) => `${field.replaceAll('\r\n', eol)}${eol}`).join('');
}

function text(random: Random, eol: string): string {
  return Array.from({ length: random.below(12) }, () => {
    if (random.oneIn(3)) return random.bytes(random.below(60)).toString('latin1');
    return random.oneIn(3) ? random.pick(MAIL_WORDS) : `${'word '.repeat(random.below(16))}${eol}`;
  }).join('');
}

/** A message out of parts that messages are made of. */
export function randomTree(random: Random): Buffer {
  const eol = random.pick(['\r\n', '\r\n', '\r\n', '\n']);
  const head = header(random, ['From: a@b.c', 'MIME-Version: 1.0'], eol);
  return Buffer.from(`${head}${entity(random, 1 + random.below(6), { count: 0 }, eol)}`, 'latin1');
}

const CORPUS: readonly Buffer[] = corpus()
  .map(({ message }) => message)
  .filter((message) => message.length < 200_000);

/** Any message: a tree, one of the corpus (or of `more`) with something wrong, or random bytes. */
export function randomMessage(random: Random, more: readonly Buffer[] = []): Buffer {
  const known = more.length > 0 && random.oneIn(2) ? more : CORPUS;
  switch (random.below(8)) {
    case 0:
      return random.bytes(random.below(random.oneIn(5) ? 20_000 : 400));
    case 1:
    case 2:
      return randomTree(random);
    case 3:
      return mutate(random, randomTree(random), MAIL_WORDS, known);
    case 4:
      return random.pick(known);
    default:
      return mutate(random, random.pick(known), MAIL_WORDS, known);
  }
}

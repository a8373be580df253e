// Twice the mail costs twice the time, and not four times: for every shape of mail that would tempt a reader to go over it again and
// again. Measured in processor time, so that a busy machine does not count, with a wide margin between linear and quadratic.
import { describe, expect, it } from 'vitest';
import { readCertificates } from '../../src/keys/read.ts';
import { addrSpecs } from '../../src/message/address-list.ts';
import { contentTypeShape, parseContentType, rawParameters } from '../../src/message/content-type.ts';
import { parseDateTime } from '../../src/message/date-time.ts';
import { detectEncrypted } from '../../src/message/detect.ts';
import { fieldValue, splitMessage } from '../../src/message/header.ts';
import { headerTexts } from '../../src/message/header-text.ts';
import { countReceived, findMessageId } from '../../src/message/received.ts';
import { stripSealpostFields } from '../../src/message/sealpost-fields.ts';
import { sealInline } from '../../src/sealing/seal-inline.ts';
import { buildMimeFrame } from '../../src/sealing/seal-mime.ts';
import { createReplyParser } from '../../src/smtp/replies.ts';
import { createCommandParser } from '../../src/smtp/server/command-parser.ts';
import { createDataParser } from '../../src/smtp/server/data-parser.ts';
import { processorTime } from '../fixtures/processor-time.ts';
import { OPTIONS, recordingEncrypt } from '../support/inline-support.ts';

type Shape = readonly [name: string, make: (bytes: number) => string];

const repeat = (text: string, bytes: number) => text.repeat(Math.ceil(bytes / text.length));
const head = 'From: a@b.c\r\nSubject: x\r\n';
const mixed = `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n`;
const counted = (bytes: number, make: (index: number) => string): string => {
  const size = make(0).length;
  return Array.from({ length: Math.ceil(bytes / size) }, (_, index) => make(index)).join('');
};

const MESSAGES: readonly Shape[] = [
  ['short fields', (n) => `${repeat('a:b\r\n', n)}\r\nbody`],
  ['Sealpost-* fields', (n) => `${repeat('Sealpost-X: b\r\n', n)}\r\nbody`],
  ['Received fields', (n) => `${repeat('Received: from a by b; date\r\n', n)}\r\nbody`],
  ['one folded field', (n) => `Subject: ${repeat('word\r\n ', n)}x\r\n\r\nbody`],
  ['bare CRs in a field', (n) => `Subject: ${repeat('\r x', n)}\r\n\r\nbody`],
  ['white space in a field', (n) => `Subject: x${repeat(' ', n)}x\r\n\r\nbody`],
  ['white space in Content-Type', (n) => `Content-Type: text/plain;${repeat(' ', n)}\r\n\r\nbody`],
  ['encoded words', (n) => `Subject: ${repeat('=?utf-8?Q?=C3=A4?=\r\n ', n)}\r\n\r\nbody`],
  ['encoded words that do not end', (n) => `Subject: ${repeat('=?utf-8?Q?', n)}\r\n\r\nbody`],
  ['an address list', (n) => `To: ${repeat('A B <a@b.c>, ', n)}d@e.f\r\n\r\nbody`],
  ['angle brackets', (n) => `To: ${repeat('<', n)}\r\n\r\nbody`],
  ['open comments', (n) => `To: ${repeat('(', n)}\r\nContent-Type: text/plain ${repeat('(', n)}\r\n\r\nbody`],
  ['nested comments', (n) => `To: ${repeat('(', n / 2)}${repeat(')', n / 2)} a@b.c\r\n\r\nbody`],
  ['many comments', (n) => `Date: ${repeat('(c) ', n)}Mon, 05 Feb 2024 10:00:00 +0100\r\n\r\nbody`],
  [
    'open quotes',
    (n) => `To: ${repeat('"a\\', n)}\r\nContent-Type: text/plain; a=${repeat('"\\', n)}\r\n\r\nbody`,
  ],
  ['semicolons', (n) => `Content-Type: text/plain${repeat(';', n)}\r\n\r\nbody`],
  ['parameters', (n) => `Content-Type: text/plain${counted(n, (index) => `; a${index}=b`)}\r\n\r\nbody`],
  [
    'parameters in pieces',
    (n) => `Content-Type: text/plain${counted(n, (index) => `; name*${index}=b`)}\r\n\r\nbody`,
  ],
  ['Content-Type fields', (n) => `${repeat('Content-Type: text/plain\r\n', n)}\r\nbody`],
  ['empty parts', (n) => `${mixed}${repeat('--b\r\n', n)}`],
  ['small parts', (n) => `${mixed}${repeat('--b\r\nContent-Type: text/plain\r\n\r\nx\r\n', n)}--b--\r\n`],
  ['almost delimiters', (n) => `${mixed}--b\r\n\r\n${repeat('--bb\r\n', n)}`],
  ['dashes', (n) => `${mixed}--b\r\n\r\n${repeat('--\r\n', n)}`],
  ['a preamble of dashes', (n) => `${mixed}${repeat('\n--', n)}`],
  [
    'nested multiparts',
    (n) =>
      `${head}${counted(n, (index) => `Content-Type: multipart/mixed; boundary=n${index}\r\n\r\n--n${index}\r\n`)}`,
  ],
  ['nested messages', (n) => `${head}${repeat('Content-Type: message/rfc822\r\n\r\n', n)}`],
  [
    'multiparts beside each other',
    (n) =>
      `${mixed}${counted(n, (index) => `--b\r\nContent-Type: multipart/mixed; boundary=q${index}\r\n\r\n--q${index}\r\n\r\nx\r\n--q${index}--\r\n`)}--b--\r\n`,
  ],
  ['delimiters behind the end', (n) => `${mixed}--b\r\n\r\nx\r\n--b--\r\n${repeat('--b--\r\n', n)}`],
  ['a header of a part without end', (n) => `${mixed}--b\r\n${repeat('X-A: b\r\n', n)}`],
  [
    'base64',
    (n) => `${head}Content-Transfer-Encoding: base64\r\n\r\n${repeat(`${'QUJD'.repeat(19)}\r\n`, n)}`,
  ],
  ['base64 of equals signs', (n) => `${head}Content-Transfer-Encoding: base64\r\n\r\n${repeat('=', n)}`],
  [
    'quoted-printable',
    (n) => `${head}Content-Transfer-Encoding: quoted-printable\r\n\r\n${repeat('=41=\r\n', n)}`,
  ],
  [
    'quoted-printable of white space',
    (n) => `${head}Content-Transfer-Encoding: quoted-printable\r\n\r\n${repeat(' ', n)}x\r\n`,
  ],
  [
    'quoted-printable of white space lines',
    (n) => `${head}Content-Transfer-Encoding: quoted-printable\r\n\r\n${repeat(' \t \r\n', n)}`,
  ],
  ['armor that begins', (n) => `${head}\r\n${repeat('-----BEGIN PGP MESSAGE-----\r\n', n)}`],
  ['armor headers', (n) => `${head}\r\n-----BEGIN PGP MESSAGE-----\r\n${repeat('Comment: x\r\n', n)}`],
  [
    'armor lines',
    (n) =>
      `${head}\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n${repeat(`${'QUJD'.repeat(16)}\r\n`, n)}-----END PGP MESSAGE-----\r\n`,
  ],
  ['empty lines', (n) => `${head}\r\n${repeat('\r\n', n)}`],
  ['line feeds', (n) => `${head}\r\n${repeat('\n', n)}`],
  ['carriage returns', (n) => `${head}\r\n${repeat('\r', n)}`],
  ['one long line', (n) => `${head}\r\n${repeat('x', n)}`],
];

async function handle(text: string): Promise<void> {
  const message = stripSealpostFields(Buffer.from(text, 'latin1'));
  detectEncrypted(message);
  countReceived(message);
  findMessageId(message);
  for (const field of splitMessage(message).fields) {
    if (field.raw.length < 200) continue;
    const value = fieldValue(field);
    headerTexts(field);
    addrSpecs(value);
    parseDateTime(value);
    parseContentType(value);
    rawParameters(value);
    contentTypeShape(value);
  }
  for (const headerPolicy of ['no_confidentiality', 'shy'] as const) {
    const { plaintext, wrap } = buildMimeFrame(message, { ...OPTIONS, subject: 'hide', headerPolicy }, 'x');
    wrap(Buffer.concat(plaintext).subarray(0, 10));
  }
  await sealInline(message, OPTIONS, recordingEncrypt().encrypt);
}

const STREAMS: readonly (readonly [
  name: string,
  make: (bytes: number) => string,
  run: (text: string) => unknown,
])[] = [
  ['replies of the next hop, octet by octet', (n) => repeat('250-2.1.5 Ok\r\n', n), repliesOctetByOctet],
  ['commands, octet by octet', (n) => repeat('RCPT TO:<a@b.c>\r\n', n), commandsOctetByOctet],
  ['command lines without end', (n) => repeat('x', n), commandsOctetByOctet],
  ['content, octet by octet', (n) => repeat('..\r\n', n), contentOctetByOctet],
  [
    'an upload of key blocks that begin',
    (n) => repeat('-----BEGIN PGP PUBLIC KEY BLOCK-----\n', Math.min(n, 250_000)),
    upload,
  ],
  ['an upload of dashes', (n) => repeat('-', Math.min(n, 250_000)), upload],
  ['an upload of white space', (n) => `${repeat(' \n', Math.min(n, 250_000))}x`, upload],
  [
    'an upload of armor headers',
    (n) => `-----BEGIN PGP PUBLIC KEY BLOCK-----\n${repeat('Comment: x\n', Math.min(n, 250_000))}`,
    upload,
  ],
  ['an upload of user IDs', (n) => repeat('\xcd\x05a@b.c', Math.min(n, 250_000)), upload],
  ['an upload of empty packets', (n) => repeat('\xcd\x00', Math.min(n, 250_000)), upload],
];

function repliesOctetByOctet(text: string): void {
  const parser = createReplyParser({ lineBytes: 4096, lines: Number.POSITIVE_INFINITY });
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += 1) parser.push(bytes.subarray(at, at + 1), []);
}

function commandsOctetByOctet(text: string): void {
  const parser = createCommandParser();
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += 1) {
    parser.push(bytes.subarray(at, at + 1));
    while (parser.next() !== null);
  }
}

function contentOctetByOctet(text: string): void {
  const parser = createDataParser({ maxBytes: 1e9, bareNewline: 'normalise', grow: () => true });
  const bytes = Buffer.from(`${text}\r\n.\r\n`, 'latin1');
  for (let at = 0; at < bytes.length; at += 1) parser.push(bytes.subarray(at, at + 1));
  parser.finish();
}

function upload(text: string): Promise<unknown> {
  return readCertificates(Buffer.from(text, 'latin1'));
}

/** Milliseconds of processor time of the best of at most three runs. */
async function cost(run: () => unknown): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3 && best > NOISE; attempt += 1) {
    const before = processorTime();
    await run();
    best = Math.min(best, processorTime() - before);
  }
  return best;
}

const SMALL = 25_000;
const FACTOR = 4;
/** Linear is 4, quadratic 16. */
const MOST = 10;
/** Below this (ms) what is measured is the engine warming up and collecting garbage. */
const NOISE = 40;

async function expectLinear(make: (bytes: number) => string, run: (text: string) => unknown): Promise<void> {
  const [small, large] = [make(SMALL), make(SMALL * FACTOR)];
  const first = await cost(() => run(small));
  const second = await cost(() => run(large));
  // What costs less than that for 100 KB is quick enough, whatever its shape.
  if (second > NOISE)
    expect(second / Math.max(first, NOISE / MOST), `${first} ms became ${second} ms`).toBeLessThan(MOST);
}

describe('four times the input costs no more than some four times the time', () => {
  it.each(MESSAGES)('a message of %s', async (_name, make) => {
    await expectLinear(make, handle);
  });

  it.each(STREAMS)('%s', async (_name, make, run) => {
    await expectLinear(make, run);
  });
});

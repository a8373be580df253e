// What the workers read of large messages is what this thread reads of small ones.
// @module-tag slow
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../../src/message/detect.ts';
import { createSealer, type Sealer } from '../../../src/sealing/pool.ts';
import { sealInline } from '../../../src/sealing/seal-inline.ts';
import { decryptWith, makeKey, type TestKey } from '../../support/make-keys.ts';

const FILL = 'a line of sixty characters and no more, for the sake of it.\r\n'.repeat(4000);
const HEAD = 'From: <c@example.net>\r\nMIME-Version: 1.0\r\n';

let key: TestKey;
let sealer: Sealer;
let armored = '';

beforeAll(async () => {
  key = await makeKey('curve25519-legacy');
  sealer = createSealer({ workers: 1 });
  const sealed = await sealer.encrypt({
    plaintext: Buffer.from(FILL),
    keys: [key.recipient],
    hideKeyIds: false,
    format: 'armor',
  });
  armored = Buffer.from(sealed).toString('latin1');
});
afterAll(() => sealer.close());

const pgpMime = (first: string, second: string): string =>
  `${HEAD}Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n\r\n` +
  `--b\r\n${first}\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n${second}\r\n--b--\r\n`;
const CONTROL = 'Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1';

const MESSAGES: readonly (readonly [string, () => string])[] = [
  ['a text', () => `${HEAD}\r\n${FILL}`],
  ['an inline message', () => `${HEAD}\r\n${armored}`],
  ['an inline message with a text behind it', () => `${HEAD}\r\n${armored}P.S. See you.\r\n`],
  ['PGP/MIME', () => pgpMime(CONTROL, armored)],
  ['PGP/MIME around a text', () => pgpMime(CONTROL, FILL)],
  ['PGP/MIME without its control part', () => pgpMime('\r\nVersion: 1', armored)],
  ['PGP/MIME with a broken armor', () => pgpMime(CONTROL, armored.replace('\r\n=', '\r\n!='))],
  [
    'a multipart of an encrypted file and a text',
    () =>
      `${HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${armored}\r\n--b\r\n\r\n${FILL}\r\n--b--\r\n`,
  ],
  [
    'a multipart of encrypted texts',
    () =>
      `${HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${armored}\r\n--b\r\n\r\n${armored}\r\n--b--\r\n`,
  ],
  ['no header', () => FILL],
  ['a type that cannot be read', () => `${HEAD}Content-Type: text\r\n\r\n${FILL}`],
];

describe('a large message in a worker', () => {
  it.each(MESSAGES)('is judged as it is here: %s', async (_, text) => {
    const message = Buffer.from(text(), 'latin1');
    const before = Buffer.from(message);
    expect(await sealer.detect(message)).toEqual(detectEncrypted(message));
    // Memory that threads share is wiped, not the message.
    expect(message.equals(before)).toBe(true);
  });

  it.each(MESSAGES)('is sealed part by part as it is here: %s', async (_, text) => {
    const message = Buffer.from(text(), 'latin1');
    const options = {
      keys: [key.recipient],
      hideKeyIds: false,
      subject: 'keep',
      headerPolicy: 'no_confidentiality',
      status: { host: 'mx.example.org', queueId: '', date: new Date(0) },
    } as const;
    const [there, here] = [
      await sealer.sealInline(message, options),
      await sealInline(message, options, sealer.encrypt),
    ];
    // Armor differs in its session key, and so in its lines, and never in how many there are.
    expect(there?.length).toBe(here?.length);
    expect(there === message).toBe(here === message);
    const found = there
      ?.toString('latin1')
      .match(/-----BEGIN PGP MESSAGE-----[\s\S]*?-----END PGP MESSAGE-----/)?.[0];
    const plaintext = (await decryptWith(key.secret, Buffer.from(found ?? '', 'latin1'))).toString('latin1');
    expect(message.toString('latin1').includes(plaintext.trim()) || plaintext === FILL).toBe(true);
  });

  it('is judged in this thread where there is no worker', async () => {
    const alone = createSealer({ workers: 0 });
    const message = Buffer.from(`${HEAD}\r\n${armored}`, 'latin1');
    expect(await alone.detect(message)).toEqual(detectEncrypted(message));
    await alone.close();
  });
});

// A benchmark that cannot refuse proves nothing.
import { describe, expect, it } from 'vitest';
import { checkCaptured, type Expected } from '../../../bench/captured.ts';
import type { Captured } from '../../../bench/next-hop.ts';

const BODY = Buffer.from('A line.\r\n');

async function* arrived(messages: readonly Captured[]): AsyncIterable<Captured> {
  yield* messages;
}

const captured = (message: Buffer): Captured => ({
  recipients: ['alice@example.org'],
  bytes: message.length,
  head: message,
  tail: message,
  message: async () => message,
});

const plain = (id: number, body = BODY): Captured =>
  captured(Buffer.concat([Buffer.from(`Message-ID: <${id}@example.net>\r\n\r\n`), body]));

const sealed = (id: number): Captured => {
  const lines = [
    `Message-ID: <${id}@example.net>`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b"',
    '',
    '--b',
    'Content-Type: application/pgp-encrypted',
    '',
    'Version: 1',
    '',
    '--b',
    'Content-Type: application/octet-stream',
    '',
    '-----BEGIN PGP MESSAGE-----',
    '',
    'AAAA',
    '=AAAA',
    '-----END PGP MESSAGE-----',
    '',
    '--b--',
    '',
  ];
  return captured(Buffer.from(lines.join('\r\n')));
};

const expected = (more: Partial<Expected>): Expected => ({
  what: 'a row',
  copies: 2,
  sealed: false,
  body: BODY,
  sample: 1,
  ...more,
});

const opensTo =
  (text: string) =>
  (_armored: Buffer): Promise<Buffer> =>
    Promise.resolve(Buffer.from(text));

const GOOD = opensTo('Content-Type: text/plain\r\n\r\nA line.\r\n');

describe('what the benchmark accepts as arrived', () => {
  it('takes messages that came once each, as they were sent', async () => {
    await checkCaptured(arrived([plain(1), plain(2)]), expected({}), GOOD);
    await checkCaptured(arrived([sealed(1), sealed(2)]), expected({ sealed: true }), GOOD);
  });

  it.each<[string, readonly Captured[], Partial<Expected>, RegExp]>([
    ['a missing message', [plain(1)], {}, /2 copies were expected, 1 arrived/],
    ['one that came twice', [plain(1), plain(1)], {}, /arrived twice/],
    ['a changed body', [plain(1), plain(2, Buffer.from('A lime.\r\n'))], {}, /not the one that was sent/],
    ['one that should have been sealed', [sealed(1), plain(2)], { sealed: true }, /came out unsealed/],
    ['one that should have passed', [plain(1), sealed(2)], {}, /came out sealed/],
  ])('refuses %s', async (_what, messages, more, reason) => {
    await expect(checkCaptured(arrived(messages), expected(more), GOOD)).rejects.toThrow(reason);
  });

  it('refuses a sealed message that opens to something else', async () => {
    const other = opensTo('Content-Type: text/plain\r\n\r\nAnother line.\r\n');
    const check = checkCaptured(arrived([sealed(1), sealed(2)]), expected({ sealed: true }), other);
    await expect(check).rejects.toThrow(/not the one that was sent/);
  });

  it('lets a Python program use LF inside, where it is told so', async () => {
    const python = opensTo('Content-Type: text/plain\n\nA line.\n\n');
    const messages = (): AsyncIterable<Captured> => arrived([sealed(1), sealed(2)]);
    await checkCaptured(messages(), expected({ sealed: true, loosely: true }), python);
    await expect(checkCaptured(messages(), expected({ sealed: true }), python)).rejects.toThrow();
  });
});

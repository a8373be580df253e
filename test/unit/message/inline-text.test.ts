// Texts in the inline style: in UTF-8, in a literal packet of text, or as they came where that would lose something.
import { enums, type Message, type PrivateKey, readMessage } from 'openpgp';
import { beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../../src/openpgp/engine.ts';
import { wholePlaintext } from '../../../src/openpgp/types.ts';
import { isUtf8Text, utf8Text } from '../../../src/sealing/inline-text.ts';
import { sealInline } from '../../../src/sealing/seal-inline.ts';
import { armorsIn, lines, OPTIONS, recordingEncrypt } from '../../support/inline-support.ts';
import { makeKey, type TestKey } from '../../support/make-keys.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const AMPLE = 1000;

describe('a text is written in UTF-8', () => {
  it.each([
    ['ISO-8859-1', 'Gr\xfc\xdfe', 'Gr\u00fc\u00dfe'],
    ['iso-8859-15', '10 \xa4', '10 \u20ac'],
    ['windows-1252', '10 \x80', '10 \u20ac'],
    // Every mail program reads the one as the other.
    ['iso-8859-1', '\xc3\x9c\x93\x94', '\u00c3\u0153\u201c\u201d'],
    ['koi8-r', '\xcd\xc9\xd2', '\u043c\u0438\u0440'],
    ['windows-1251', '\xec\xe8\xf0', '\u043c\u0438\u0440'],
    ['iso-8859-7', '\xea\xe1\xeb\xe7', '\u03ba\u03b1\u03bb\u03b7'],
    ['iso-2022-jp', '\x1b$B$"\x1b(B', '\u3042'],
    ['Shift_JIS', '\x82\xa0', '\u3042'],
    ['euc-kr', '\xb0\xa1', '\uac00'],
    ['gb18030', '\xd6\xd0', '\u4e2d'],
    ['big5', '\xa4\xa4', '\u4e2d'],
    ['utf-16', '\xff\xfea\0\xe4\0', 'a\u00e4'],
    ['utf-16', '\xfe\xff\0a\0\xe4', 'a\u00e4'],
    ['utf-16le', 'a\0\xe4\0', 'a\u00e4'],
    ['utf-16be', '\0a\0\xe4', 'a\u00e4'],
    ['utf-8', 'Gr\xc3\xbc\xc3\x9fe', 'Gr\u00fc\u00dfe'],
    ['us-ascii', 'Gr\xc3\xbc\xc3\x9fe', 'Gr\u00fc\u00dfe'],
    [undefined, 'Gr\xc3\xbc\xc3\x9fe', 'Gr\u00fc\u00dfe'],
    [undefined, 'one\ntwo\r\n', 'one\r\ntwo\r\n'],
    ['iso-8859-1', '\xfc\n', '\u00fc\r\n'],
  ])('%s: %j', (label, text, written) => {
    expect(utf8Text(bytes(text), label, AMPLE)?.toString()).toBe(written);
  });

  it.each([
    ['what nobody can tell', undefined, 'Gr\xfc\xdfe'],
    ['what is not what it says', 'utf-8', 'Gr\xfc\xdfe'],
    ['ASCII that is none', 'us-ascii', 'Gr\xfc\xdfe'],
    ['a charset that nobody knows', 'x-unheard-of', 'Gr\xfc\xdfe'],
    ['UTF-7', 'utf-7', 'a+AOQ-'],
    ['UTF-16 without a mark', 'utf-16', 'a\0b\0'],
    ['half a character', 'shift_jis', 'a\x82'],
    ['half a character of UTF-16', 'utf-16le', 'a\0b'],
    ['a bare CR, which GnuPG drops', 'utf-8', 'one\rtwo'],
    ['a CR in front of a CRLF', 'utf-8', 'one\r\r\n'],
    ['NUL', 'us-ascii', 'a\0b'],
    ['escapes that nobody has announced', undefined, 'a\x1b$B\xff'],
  ])('but not %s: it stays as it is', (_, label, text) => {
    expect(utf8Text(bytes(text), label, AMPLE)).toBeNull();
  });

  it('where there is room for it', () => {
    const cyrillic = Buffer.alloc(100, 0xc1);
    expect(utf8Text(cyrillic, 'koi8-r', 100)).toHaveLength(200);
    expect(utf8Text(cyrillic, 'koi8-r', 99)).toBeNull();
    expect(utf8Text(Buffer.alloc(100, '\n'), undefined, 100)).toHaveLength(200);
    expect(utf8Text(Buffer.alloc(100, '\n'), undefined, 99)).toBeNull();
  });

  it('and copied only where it changes', () => {
    const ready = Buffer.from('Gr\u00fc\u00dfe\r\n');
    expect(utf8Text(ready, 'utf-8', 0)).toBe(ready);
    expect(isUtf8Text(ready)).toBe(true);
    expect(isUtf8Text(Buffer.from('one\n'))).toBe(false);
  });
});

describe('a sealed part', () => {
  let key: TestKey;
  const encrypt = createEngine();
  beforeAll(async () => {
    key = await makeKey('p256');
  });

  /** What the literal packet of each armor says of its bytes. */
  async function formats(message: Buffer): Promise<readonly string[]> {
    const sealed = await sealInline(message, { ...OPTIONS, keys: [key.recipient] }, encrypt);
    return Promise.all(armorsIn(sealed ?? Buffer.alloc(0)).map((armor) => formatOf(armor, key.secret)));
  }

  async function formatOf(armor: Buffer, secret: PrivateKey): Promise<string> {
    const message = await readMessage({ armoredMessage: armor.toString('latin1') });
    const opened = (await message.decrypt([secret])) as Message<Uint8Array>;
    const literal = opened.packets.findPacket(enums.packet.literalData) as unknown as { format: number };
    return String.fromCharCode(literal.format);
  }

  const part = (type: string, body: string, ...more: readonly string[]) => ['--b', type, ...more, '', body];
  const mixed = (...parts: readonly (readonly string[])[]) =>
    lines('Content-Type: multipart/mixed; boundary=b', '', ...parts.flat(), '--b--');

  it.each([
    ['a text', 'u', mixed(part('Content-Type: text/plain; charset=utf-8', 'x'))],
    ['a text in Latin 1', 'u', mixed(part('Content-Type: text/plain; charset=iso-8859-1', '\xfc'))],
    [
      'HTML beside a text',
      'uu',
      mixed(part('Content-Type: text/plain', 'x'), part('Content-Type: text/html', 'y')),
    ],
    ['a text without MIME', 'u', lines('Subject: x', '', 'Hello.')],
    ['a text that came with LF', 'u', Buffer.from('Subject: x\n\nHello.\n')],
    [
      'a text in base64',
      'u',
      mixed(part('Content-Type: text/plain', 'aGVsbG8K', 'Content-Transfer-Encoding: base64')),
    ],
    [
      'a text in front of the parts',
      'uu',
      lines('Content-Type: multipart/mixed; boundary=b', '', 'before', '--b', '', 'x', '--b--'),
    ],
    ['parts that cannot be told apart', 'u', lines('Content-Type: multipart/mixed', '', 'x')],
    ['a text that nobody can read', 'b', mixed(part('Content-Type: text/plain', '\xfc'))],
    [
      'an attachment',
      'ub',
      mixed(part('Content-Type: text/plain', 'x'), part('Content-Type: application/pdf', 'y')),
    ],
    [
      'a text that is attached',
      'b',
      mixed(part('Content-Type: text/plain', 'x', 'Content-Disposition: attachment')),
    ],
    ['a calendar, beside its note', 'ub', mixed(part('Content-Type: text/calendar', 'x'))],
    ['HTML alone, beside its note', 'ub', mixed(part('Content-Type: text/html', 'x'))],
  ])('says what it is: %s', async (_, expected, message) => {
    expect((await formats(message)).join('')).toBe(expected);
  });

  it('of four megabytes and more is a text as well', async () => {
    const large = Buffer.concat([bytes('Subject: x\r\n\r\n'), Buffer.alloc(5_000_000, 'abcdefgh\r\n')]);
    expect(await formats(large)).toEqual(['u']);
  });

  it('says its new charset in its type, and keeps the other parameters', async () => {
    const { encrypt: record, jobs } = recordingEncrypt();
    const sealed = await sealInline(
      lines('Content-Type: text/plain; format=flowed; charset=koi8-r; delsp=yes', '', '\xcd\xc9\xd2'),
      OPTIONS,
      record,
    );
    expect(sealed?.toString()).toContain(
      'Content-Type: text/plain;\r\n charset=utf-8;\r\n format=flowed;\r\n delsp=yes\r\n',
    );
    expect(Buffer.from(wholePlaintext(jobs[0]?.plaintext ?? [])).toString()).toBe('\u043c\u0438\u0440\r\n');
    expect(jobs[0]?.armorHeaders).toEqual([{ name: 'Charset', value: 'utf-8' }]);
  });
});

describe('a message does not become much larger by being sealed', () => {
  const GROWTH = 1.5;
  const ofParts = (count: number, size: number): Buffer =>
    lines(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      ...Array<string>(count).fill(`--b\r\n\r\n${'a'.repeat(size)}`),
      '--b--',
    );
  /** Each armor costs 600 bytes and 1.37 of what is in it, as for two small keys. */
  const costly = (jobs: number[]) => (job: { readonly plaintext: unknown }) => {
    const size = wholePlaintext(job.plaintext as Uint8Array).length;
    jobs.push(size);
    return Promise.resolve(Buffer.alloc(600 + Math.ceil(size * 1.37), 'A'));
  };

  it('in many small parts: then it is not sealed inline, and no more parts are encrypted', async () => {
    const jobs: number[] = [];
    expect(await sealInline(ofParts(490, 140), OPTIONS, costly(jobs))).toBeNull();
    expect(jobs.length).toBeLessThan(250);
  });

  it('in a few parts that are larger, it is', async () => {
    const message = ofParts(10, 10_000);
    const sealed = await sealInline(message, OPTIONS, costly([]));
    expect(sealed?.length).toBeLessThan(message.length * GROWTH);
  });

  it('in many small parts of a small message, it is', async () => {
    expect(await sealInline(ofParts(100, 10), OPTIONS, costly([]))).not.toBeNull();
  });

  it.each([
    ['8-bit Cyrillic', 'charset=koi8-r', '8bit', `${'\xc1'.repeat(70)}\r\n`.repeat(2000)],
    [
      'line feeds',
      'charset=utf-8',
      'base64',
      Buffer.alloc(90_000, '\n').toString('base64').replace(/.{76}/g, '$&\r\n'),
    ],
  ])('by its texts: %s', async (_, charset, encoding, body) => {
    const head = `Content-Type: text/plain; ${charset}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
    const message = bytes(head + body);
    const sealed = await sealInline(message, OPTIONS, costly([]));
    expect(sealed?.length).toBeLessThan(message.length * GROWTH);
  });

  it('by its texts together: those for which there is no room stay as they came', async () => {
    const text = `--b\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\n${'\xc1'.repeat(1000)}\r\n`;
    const message = bytes(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${text.repeat(100)}--b--\r\n`);
    const { encrypt: record, jobs } = recordingEncrypt();
    await sealInline(message, OPTIONS, record);
    const inUtf8 = jobs.filter(({ text: isText }) => isText).length;
    expect(inUtf8).toBeGreaterThan(0);
    expect(inUtf8 * 1000).toBeLessThanOrEqual(message.length / 20);
    expect(jobs.filter(({ armorHeaders }) => armorHeaders?.[0]?.value === 'koi8-r')).toHaveLength(
      100 - inUtf8,
    );
  });
});

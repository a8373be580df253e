// Properties of the inline style: a message is its pieces, every body comes back, nothing is sealed twice, and no input is slow.
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { splitMessage } from '../../src/message/header.ts';
import { type Piece, readTree } from '../../src/message/mime-tree.ts';
import { createEngine } from '../../src/openpgp/engine.ts';
import { type HeaderPolicy, outerFields } from '../../src/sealing/header-policy.ts';
import { protectHeader } from '../../src/sealing/header-protection.ts';
import { sealInline } from '../../src/sealing/seal-inline.ts';
import { corpus } from '../fixtures/corpus.ts';
import { armorsIn, foldNotes, OPTIONS, recordingEncrypt, saysTheSame } from '../support/inline-support.ts';
import { decryptWith, makeKey, type TestKey } from '../support/make-keys.ts';
import { anyMessage } from './any-message.ts';

const encrypt = createEngine();
let key: TestKey;

beforeAll(async () => {
  key = await makeKey('p256');
});

function bytesOf(pieces: readonly Piece[]): Buffer {
  return Buffer.concat(
    pieces.flatMap((piece) => {
      if (!('head' in piece)) return [piece.bytes];
      const { preamble, fields, separator } = piece.head;
      return [preamble, ...fields.map(({ raw }) => raw), separator, ...('body' in piece ? [piece.body] : [])];
    }),
  );
}

/** A well-formed tree most of the time; boundaries that meet again, odd line endings and missing ends now and then. */
function mimeTree(): fc.Arbitrary<Buffer> {
  const eol = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r');
  const boundary = fc.constantFrom('b', 'b', 'c', 'd e', 'bb', '--');
  const text = fc.oneof(
    fc.constantFrom('Text', '', '--b', '--c--', 'From x', 'a=20b=', 'QUJD', '\xff\0', '\r\n', '.'),
    fc.string({ maxLength: 40 }),
  );
  const encoding = fc.constantFrom(
    '',
    '',
    'Content-Transfer-Encoding: base64',
    'Content-Transfer-Encoding: quoted-printable',
  );
  const type = fc.constantFrom(
    '',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Type: text/html; charset=utf-16',
    'Content-Type: image/png; name="a b.png"',
    "Content-Disposition: attachment; filename*=utf-8''a",
    'Content-Type: ;',
  );
  const { entity } = fc.letrec<{ entity: string; leaf: string; multipart: string; message: string }>(
    (tie) => ({
      leaf: fc.tuple(type, encoding, eol, fc.constantFrom(1, 1, 1, 0), text).map(
        ([field, coded, end, blank, body]) =>
          [field, coded]
            .filter((line) => line !== '')
            .map((line) => line + end)
            .join('') +
          end.repeat(blank) +
          body,
      ),
      message: tie('entity').map((inner) => `Content-Type: message/rfc822\r\n\r\nSubject: in\r\n${inner}`),
      multipart: fc
        .tuple(
          fc.constantFrom('mixed', 'alternative', 'signed', 'digest', 'encrypted'),
          boundary,
          eol,
          text,
          fc.array(tie('entity'), { maxLength: 4 }),
          fc.constantFrom('--', '--', '--', '', '- -'),
          text,
        )
        .map(
          ([subtype, name, end, before, parts, close, behind]) =>
            `Content-Type: multipart/${subtype}; boundary="${name}"${end}${end}${before}${end}` +
            parts.map((part) => `--${name}${end}${part}${end}`).join('') +
            `--${name}${close}${end}${behind}`,
        ),
      entity: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        tie('leaf'),
        tie('multipart'),
        tie('message'),
      ),
    }),
  );
  return entity.map((text_) => Buffer.from(text_, 'latin1'));
}

const messages = () => fc.oneof(anyMessage(), mimeTree(), mimeTree());

describe('any message', () => {
  it('is its pieces put together', () => {
    fc.assert(
      fc.property(messages(), (message) => {
        expect(bytesOf(readTree(message, 10_000) ?? []).equals(message)).toBe(true);
      }),
      { numRuns: 1000 },
    );
    for (const { name, message } of corpus())
      expect(bytesOf(readTree(message, 10_000) ?? []).equals(message), name).toBe(true);
  });

  it('keeps its tree inline, gives back every body, and is not sealed twice', async () => {
    await fc.assert(
      fc.asyncProperty(messages(), async (message) => {
        const before = readTree(message, 10_000) ?? [];
        const sealed = await sealInline(message, { ...OPTIONS, keys: [key.recipient] }, encrypt);
        const after = foldNotes(readTree(sealed ?? message, 10_000) ?? []);
        // An empty line that had to be added may bring along an empty text around parts; the tree is the same.
        const tree = (pieces: readonly Piece[]) =>
          pieces.map(({ kind }) => kind).filter((kind) => kind !== 'around');
        expect(tree(after)).toEqual(tree(before));
        const leaves = (pieces: readonly Piece[]) => pieces.filter((piece) => piece.kind === 'leaf');
        for (const [index, leaf] of leaves(before).entries()) {
          const now = leaves(after)[index]?.body ?? Buffer.alloc(0);
          const [armor] = armorsIn(now);
          if (armor === undefined) expect(leaf.encrypted).toBe(true);
          else expect(saysTheSame(leaf, await decryptWith(key.secret, armor))).toBe(true);
        }
        const again = await sealInline(sealed ?? message, OPTIONS, recordingEncrypt().encrypt);
        expect(again).toBe(sealed);
      }),
      { numRuns: 150 },
    );
  });

  it('loses no header field under any policy, and shows none of what the policy hides', () => {
    const name = fc.constantFrom(
      'From',
      'to',
      'CC',
      'Subject',
      'Date',
      'Comments',
      'Keywords',
      'Thread-Topic',
      'X-Y',
    );
    const value = fc.oneof(
      fc.constantFrom(
        'Alice <a@x.example>',
        '"A, B" <a@x.example>, b@x.example (B)',
        'G: A <a@x.example>;',
        '\xff',
        '',
      ),
      fc.string({ maxLength: 30 }).map((text) => text.replace(/[\r\n]/g, '')),
    );
    const field = fc.tuple(name, value).map((parts) => parts.join(': '));
    fc.assert(
      fc.property(
        fc.array(field, { maxLength: 8 }),
        fc.constantFrom<HeaderPolicy>('no_confidentiality', 'baseline', 'shy'),
        fc.constantFrom<'keep' | 'hide'>('keep', 'hide'),
        (fields, policy, subject) => {
          const parts = splitMessage(Buffer.from([...fields, '', 'Text'].join('\r\n'), 'latin1'));
          const { inner, outer } = protectHeader(parts, { policy, subject, eol: '\r\n' });
          const [inside, outside] = [inner, outer].map((each) => Buffer.concat(each).toString('latin1'));
          for (const { raw } of parts.fields)
            expect(
              inside?.includes(raw.toString('latin1')) || outside?.includes(raw.toString('latin1')),
            ).toBe(true);
          const names = outerFields(parts.fields, { policy, subject, eol: '\r\n' }).map((each) => each.name);
          if (policy !== 'no_confidentiality') expect(names).not.toContain('comments');
          if (policy !== 'no_confidentiality' || subject === 'hide')
            expect(names).not.toContain('thread-topic');
          expect(outside?.match(/^HP-Outer/gim)).toBeNull();
          // What a reader of RFC 9788 compares: the fields outside, and what the inside says of them.
          const told = [...(inside ?? '').matchAll(/^HP-Outer: (.*)$/gm)].map((found) => found[1]?.trimEnd());
          const there = (outside ?? '')
            .split('\r\n')
            .filter((line) => /^(?!X-Y|Thread-Topic)[a-z-]+:/i.test(line));
          expect(told).toEqual(there.map((line) => line.trimEnd()));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('no input is slow', () => {
  const repeat = (head: string, unit: string, size: number) =>
    Buffer.from(head + unit.repeat(Math.ceil(size / unit.length)), 'latin1');
  const mixed = 'Content-Type: multipart/mixed; boundary=b\r\n\r\n';
  const chain = (size: number) => {
    let text = '';
    for (let level = 0; text.length < size; level += 1)
      text += `Content-Type: multipart/mixed; boundary=b${level}\r\n\r\n--b${level}\r\n`;
    return Buffer.from(text, 'latin1');
  };
  const inputs: readonly (readonly [string, (size: number) => Buffer])[] = [
    ['lines that look like delimiters', (size) => repeat(`${mixed}--b\r\n\r\n`, '--\n', size)],
    [
      'a boundary that never comes, over and over',
      (size) => repeat(`${mixed}`, '--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\nx\r\n', size),
    ],
    ['multiparts inside each other', chain],
    ['messages inside each other', (size) => repeat('', 'Content-Type: message/rfc822\r\n\r\n', size)],
    [
      'messages inside each other with long headers',
      (size) => repeat('', `Content-Type: message/rfc822\r\nX-A: ${'a'.repeat(70_000)}\r\n\r\n`, size),
    ],
    ['multiparts that begin anew with one boundary', (size) => repeat(mixed, `--b\r\n${mixed}`, size)],
    [
      'soft line breaks that are none',
      (size) => repeat('Content-Transfer-Encoding: quoted-printable\r\n\r\n', '= \t', size),
    ],
    ['a header without an end', (size) => repeat(`${mixed}--b\r\n`, 'a:\r\n', size)],
    ['one field without an end', (size) => repeat(`${mixed}--b\r\nX: `, 'a\r\n ', size)],
    [
      'a file name in a thousand pieces',
      (size) => repeat(`${mixed}--b\r\nContent-Disposition: attachment`, ';\r\n filename*1=a', size),
    ],
    [
      'comments that never close',
      (size) => repeat(`${mixed}--b\r\nContent-Disposition: attachment`, ';a=(', size),
    ],
    [
      'comments behind values',
      (size) => repeat(`${mixed}--b\r\nContent-Disposition: attachment`, ';a=b(', size),
    ],
    [
      'comments in the place of names',
      (size) => repeat(`${mixed}--b\r\nContent-Disposition: attachment`, ';(', size),
    ],
    ['quotes that never close', (size) => repeat(`${mixed}--b\r\nContent-Type: a/b`, ';a="\\', size)],
    ['spaces around parts', (size) => repeat(mixed, ' ', size)],
    [
      'encrypted multiparts that are none',
      (size) =>
        repeat(
          `${mixed}`,
          '--b\r\nContent-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n\r\n',
          size,
        ),
    ],
  ];
  it.each(inputs)('%s', async (_name, make) => {
    const time = async (size: number) => {
      const message = make(size);
      const started = performance.now();
      await sealInline(message, OPTIONS, recordingEncrypt().encrypt);
      readTree(message, 10_000);
      return performance.now() - started;
    };
    await time(10_000);
    // A hundred times what a quiet machine needs for a megabyte, and far below what quadratic growth would take.
    expect(await time(1_000_000)).toBeLessThan(10_000);
  });
});

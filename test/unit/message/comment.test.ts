import { describe, expect, it } from 'vitest';
import { withoutQuotedText } from '../../../src/message/comment.ts';

describe('text without quoted strings and comments', () => {
  it.each([
    ['nothing is quoted', 'a b', 'a b'],
    ['a quoted string', '"Carol <x@y>" <carol@example.net>', '  <carol@example.net>'],
    ['with quoted quotes', String.raw`a "b \" c" d`, 'a   d'],
    ['comments nest', 'a (b (c) d) e', 'a   e'],
    ['a parenthesis in a quoted string is none', '"(" a ")"', '  a  '],
    ['what is not closed stays', 'a "b (c) d', 'a "b (c) d'],
    ['also behind something that is', '(a) b (c', '  b (c'],
  ])('%s', (_what, text, left) => {
    expect(withoutQuotedText(text)).toBe(left);
  });

  it('needs no stack for millions of quoted characters', () => {
    expect(withoutQuotedText(`"${'\\"'.repeat(2_000_000)}" a`)).toBe('  a');
  });
});

// Columns for people: aligned, and safe for the terminal that shows them.
import { expect, it } from 'vitest';
import { printable, table } from '../../../src/cli/table.ts';

it('columns have the width of their longest cell', () => {
  expect(
    table([
      ['a', 'bb', 'c'],
      ['aaa', '', 'cc'],
    ]),
  ).toBe('a    bb  c\naaa      cc');
  expect(table([])).toBe('');
});

it('what acts on a terminal, begins a line or turns the writing around is replaced', () => {
  expect(printable('a\u001b]0;b\u0007\r\n\u009b\u2028\u202e\u2066c\u007f')).toBe('a?]0;b???????c?');
  expect(printable('Jürgen „Ж“ 🔑 <j@example.org>')).toBe('Jürgen „Ж“ 🔑 <j@example.org>');
  expect(table([['a\nb', 'c']])).toBe('a?b  c');
});

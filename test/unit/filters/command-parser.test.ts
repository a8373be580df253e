// The order of what a client said, however its bytes arrive and whenever they are asked for.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCommandParser } from '../../../src/smtp/server/command-parser.ts';

describe('the command parser', () => {
  it('gives lines in the order in which they came, when a chunk ends while later ones wait', () => {
    const parser = createCommandParser();
    const said: string[] = [];
    const take = (): void => {
      const next = parser.next();
      if (next?.kind === 'line') said.push(next.line);
    };
    parser.push(Buffer.from('ONE\r\nTWO\r\n'));
    take();
    parser.push(Buffer.from('THREE\r\n'));
    take();
    parser.push(Buffer.from('FOUR\r\n'));
    take();
    take();
    expect(said).toEqual(['ONE', 'TWO', 'THREE', 'FOUR']);
    expect(parser.atRest).toBe(true);
  });

  it('does so for any cut into chunks, and any order of arriving and asking', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[A-Z]{0,6}$/), { maxLength: 12 }),
        fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 9 }), asks: fc.integer({ min: 0, max: 3 }) }), {
          minLength: 1,
          maxLength: 20,
        }),
        (lines, steps) => {
          const parser = createCommandParser();
          let rest = Buffer.from(lines.map((line) => `${line}\r\n`).join(''));
          const said: string[] = [];
          const ask = (): boolean => {
            const next = parser.next();
            if (next?.kind === 'line') said.push(next.line);
            return next !== null;
          };
          for (let step = 0; rest.length > 0; step = (step + 1) % steps.length) {
            const { bytes, asks } = steps[step] as (typeof steps)[number];
            parser.push(rest.subarray(0, bytes));
            rest = rest.subarray(bytes);
            for (let asked = 0; asked < asks; asked += 1) ask();
          }
          while (ask());
          expect(said).toEqual(lines);
          expect(parser.atRest).toBe(true);
        },
      ),
    );
  });
});

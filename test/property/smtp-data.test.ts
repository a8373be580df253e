// DATA on both sides, for any content and any way of splitting it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dotStuffed, finalDot } from '../../src/smtp/dot-stuff.ts';
import { createDataParser, type DataOutcome } from '../../src/smtp/server/data-parser.ts';

const END = '\r\n.\r\n';

/** Strings in which the bytes that matter are frequent. */
const hostile = fc
  .array(fc.constantFrom('\r', '\n', '.', 'a', '\0', '\r\n', '\r\n.', 'b\r\n', '..', 'é', 'a longer run'), {
    maxLength: 60,
  })
  .map((parts) => parts.join(''));
const cuts = fc.array(fc.nat(80), { maxLength: 12 });

function split(text: string, at: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const places = [...new Set(at.map((place) => Math.min(place, bytes.length)))].sort(
    (left, right) => left - right,
  );
  return [0, ...places].map((start, index) => bytes.subarray(start, places[index] ?? bytes.length));
}

interface Read {
  readonly outcome: DataOutcome;
  /** What was left behind the end. */
  readonly rest: string;
}

function read(
  chunks: readonly Buffer[],
  bareNewline: 'normalise' | 'reject' = 'normalise',
  maxBytes = 1e6,
): Read | null {
  const parser = createDataParser({ maxBytes, bareNewline, grow: () => true });
  for (const [index, chunk] of chunks.entries()) {
    const used = parser.push(chunk);
    if (used === -1) continue;
    const rest = Buffer.concat([chunk.subarray(used), ...chunks.slice(index + 1)]);
    const outcome = parser.finish();
    if (outcome instanceof Promise) throw new Error('so small a message is there at once');
    return { outcome, rest: rest.toString('latin1') };
  }
  return null;
}

function messageOf(result: Read | null): string {
  if (result === null || !result.outcome.ok) throw new Error('no message');
  return result.outcome.message.toString('latin1');
}

/** The rules, said slowly: end at the first CRLF.CRLF, then line by line. */
function slowly(wire: string): string {
  const all = `\r\n${wire}`;
  const content = all.slice(2, Math.max(2, all.indexOf(END) + 2));
  const lines = content.split('\r\n');
  lines.pop();
  return lines.map((line) => `${line.replace(/^\./, '').replace(/\r|\n/g, '\r\n')}\r\n`).join('');
}

describe('reading DATA', () => {
  it('gives a large message piece by piece, the same bytes whatever the pieces were', async () => {
    const message = Buffer.from('a line of some length\r\n'.repeat(60_000));
    for (const step of [1000, 40_000, 65_536, 1_000_000]) {
      const parser = createDataParser({ maxBytes: 1e7, bareNewline: 'reject', grow: () => true });
      const wire = Buffer.concat([message, Buffer.from('.\r\n')]);
      for (let at = 0; at < wire.length; at += step) parser.push(Buffer.from(wire.subarray(at, at + step)));
      const outcome = await parser.finish();
      expect(outcome.ok && outcome.message.equals(message), `${step}`).toBe(true);
    }
  });

  it('gives the same message and the same rest however the bytes are split', () => {
    fc.assert(
      fc.property(hostile, hostile, cuts, (content, behind, at) => {
        const wire = content + END + behind;
        const whole = read([Buffer.from(wire, 'latin1')]);
        expect(read(split(wire, at))).toEqual(whole);
        expect(read(wire.split('').map((byte) => Buffer.from(byte, 'latin1')))).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  it('agrees with the rules said slowly', () => {
    fc.assert(
      fc.property(hostile, cuts, (content, at) => {
        const wire = content + END;
        expect(messageOf(read(split(wire, at)))).toBe(slowly(wire));
      }),
      { numRuns: 500 },
    );
  });

  it('hands on nothing but CRLF line ends, and ends with one', () => {
    fc.assert(
      fc.property(hostile, (content) => {
        const message = messageOf(read([Buffer.from(content + END, 'latin1')]));
        expect(message).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
        expect(message === '' || message.endsWith('\r\n')).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('refuses exactly the messages with a bare CR or LF when told to reject', () => {
    fc.assert(
      fc.property(hostile, (content) => {
        const wire = content + END;
        const bytes = wire.slice(0, `\r\n${wire}`.indexOf(END));
        const outcome = read([Buffer.from(wire, 'latin1')], 'reject')?.outcome;
        expect(outcome?.ok).toBe(!/\r(?!\n)|(?<!\r)\n/.test(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('refuses exactly what is larger than the limit after dot-stuffing is undone', () => {
    fc.assert(
      fc.property(hostile, fc.nat(60), cuts, (content, limit, at) => {
        const wire = content + END;
        const { length } = messageOf(read([Buffer.from(wire, 'latin1')]));
        expect(read(split(wire, at), 'normalise', limit)?.outcome.ok).toBe(length <= limit);
      }),
      { numRuns: 500 },
    );
  });
});

describe('writing DATA', () => {
  const lines = fc.array(fc.constantFrom('', '.', '..', '.a', 'a.', 'text', '\0'), { maxLength: 12 });

  it('is undone by reading, however the message is cut into parts', () => {
    fc.assert(
      fc.property(lines, cuts, cuts, (content, parts, at) => {
        const message = content.map((line) => `${line}\r\n`).join('');
        const cut = split(message, parts);
        const wire = Buffer.concat([...dotStuffed(cut), Buffer.from(finalDot(cut))]).toString('latin1');
        const result = read(split(`${wire}QUIT\r\n`, at));
        expect(messageOf(result)).toBe(message);
        expect(result?.rest).toBe('QUIT\r\n');
      }),
      { numRuns: 500 },
    );
  });

  it('never lets a second message be smuggled through: what was read and written again has one end', () => {
    fc.assert(
      fc.property(hostile, (content) => {
        const message = messageOf(read([Buffer.from(content + END, 'latin1')]));
        const bytes = Buffer.from(message, 'latin1');
        const wire = Buffer.concat([...dotStuffed([bytes]), Buffer.from(finalDot([bytes]))]).toString(
          'latin1',
        );
        // Every way in which some server has been seen to take the end of data.
        const ends = `\r\n${wire}`.match(/(\r\n|\r|\n)\.(\r\n|\n|\r)/g) ?? [];
        expect(ends).toEqual([END]);
        expect(wire).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
      }),
      { numRuns: 500 },
    );
  });
});

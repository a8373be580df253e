// The parsers that read what others wrote: replies, commands, paths.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatParameter, isSendablePath, parsePathArgument } from '../../src/smtp/paths.ts';
import { createReplyParser, encodeReply, formatReply } from '../../src/smtp/replies.ts';
import { parseAddressed, parseCommand, parseXforward } from '../../src/smtp/server/commands.ts';
import type { Reply } from '../../src/smtp/types.ts';

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const replyish = fc
  .array(
    fc.constantFrom('250', '-', ' ', '2.1.5 ', '550 5.1.1 ', '\r\n', '\n', 'text', '\0', 'é', '421', 'x'),
    {
      maxLength: 40,
    },
  )
  .map((parts) => Buffer.from(parts.join('')));

function readAll(chunks: readonly Buffer[]): { replies: Reply[]; violation: string | null } {
  const parser = createReplyParser();
  const replies: Reply[] = [];
  for (const chunk of chunks) {
    const violation = parser.push(chunk, replies);
    if (violation !== null) return { replies, violation };
  }
  return { replies, violation: null };
}

describe('the reply parser', () => {
  it('never throws, and gives the same however the bytes are split', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, replyish), fc.nat(200), (input, cut) => {
        const whole = readAll([input]);
        expect(readAll([input.subarray(0, cut), input.subarray(cut)])).toEqual(whole);
        expect(readAll([...input].map((byte) => Buffer.from([byte])))).toEqual(whole);
        for (const reply of whole.replies) expect(reply.text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
      }),
      { numRuns: 500 },
    );
  });

  it('reads back every reply that we write', () => {
    const texts = fc.array(fc.stringMatching(/^[a-zA-Z][ -~]{0,40}$/), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(250, 451, 550), fc.nat(9), texts, (code, detail, lines) => {
        const reply = { code, enhanced: `${Math.trunc(code / 100)}.1.${detail}`, text: lines.join('\n') };
        expect(readAll([Buffer.from(encodeReply(reply))]).replies).toEqual([reply]);
      }),
    );
  });
});

describe('a reply that we write', () => {
  it('is made of well-formed lines with one enhanced code, whatever its text', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(250, 354, 421, 451, 550),
        fc.constantFrom('', '2.1.5', '4.3.0', '5.1.1', 'junk'),
        fc.string({ unit: 'binary', maxLength: 1500 }),
        fc.boolean(),
        (code, enhanced, text, utf8) => {
          const wire = encodeReply({ code, enhanced, text }, utf8);
          expect(wire.endsWith('\r\n')).toBe(true);
          const lines = wire.slice(0, -2).split('\r\n');
          lines.forEach((line, index) => {
            expect(Buffer.byteLength(line)).toBeLessThanOrEqual(510);
            expect(line).not.toMatch(/[\x00-\x1f\x7f]/);
            expect(line.startsWith(`${code}${index === lines.length - 1 ? ' ' : '-'}`)).toBe(true);
            if (code !== 354) expect(line.slice(4)).toMatch(/^[245]\.\d{1,3}\.\d{1,3} /);
            if (code !== 354) expect(line[4]).toBe(line[0]);
          });
          expect(formatReply({ code, enhanced, text })).not.toMatch(/[\r\n]/);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('the command parser', () => {
  it('never throws on any line', () => {
    fc.assert(
      fc.property(bytes, (line) => {
        const command = parseCommand(line.toString('latin1'));
        parseAddressed(command.argument, 'FROM');
        parseAddressed(`TO:${command.argument}`, 'TO');
        parseXforward(command.argument);
      }),
      { numRuns: 1000 },
    );
  });

  it('returns every path and parameter exactly as it was written', () => {
    const atom = fc.stringMatching(/^[!#-;=?-~\x80-\xff]{1,20}$/);
    const quoted = fc.stringMatching(/^([ !#-[\]-~]|\\[ -~]){0,20}$/).map((text) => `"${text}"@example.test`);
    const parameter = fc.record({
      keyword: fc.constantFrom('SIZE', 'RET', 'ORCPT', 'X-1'),
      value: fc.option(fc.stringMatching(/^[!-~\x80-\xff]{1,20}$/), { nil: undefined }),
    });
    const parameters = fc.uniqueArray(parameter, { selector: (each) => each.keyword, maxLength: 3 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.constant(''),
          atom,
          quoted,
          fc.tuple(atom, atom).map(([a, b]) => `${a}@${b}`),
        ),
        parameters,
        (path, extra) => {
          const line = [`<${path}>`, ...extra.map(formatParameter)].join(' ');
          expect(parsePathArgument(line)).toEqual({ path, parameters: extra });
          expect(isSendablePath(path)).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('accepts no path that would end a command early', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
        const parsed = parsePathArgument(`<${text}>`);
        if (typeof parsed === 'string') return;
        expect(parsed.path).not.toMatch(/[\x00-\x1f\x7f]/);
        expect(isSendablePath(parsed.path)).toBe(!/[^\x00-\xff]/.test(parsed.path));
      }),
      { numRuns: 500 },
    );
  });
});

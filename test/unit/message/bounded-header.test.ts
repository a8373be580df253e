// How much of a header is read, however large it is and however many copies are made: counted, not timed.
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { HeaderField } from '../../../src/message/header.ts';
import { headerTexts, MOST_WORDS } from '../../../src/message/header-text.ts';
import { dividerOf } from '../../../src/sealing/divided-message.ts';
import { outerFields } from '../../../src/sealing/header-policy.ts';
import {
  FOLDED_COST,
  MOST_SEARCHED,
  quotesBody,
  subjectRepeats,
} from '../../../src/sealing/repeated-fields.ts';
import { sealMime } from '../../../src/sealing/seal-mime.ts';
import type { SealOptions } from '../../../src/sealing/seal-options.ts';
import { OPTIONS, recordingEncrypt } from '../../support/inline-support.ts';

afterEach(() => vi.restoreAllMocks());

const field = (name: string, value: string): HeaderField => ({
  name: name.toLowerCase(),
  raw: Buffer.from(`${name}: ${value}\r\n`, 'utf8'),
});
const WORD = '=?utf-8?Q?=41?= =?koi8-r?Q?=41?= ';
const SUBJECT = field('Subject', 'the secret plan');

/** How many of these fields count as repeating the Subject, and how often something was decoded meanwhile. */
function searched(fields: readonly HeaderField[]): { readonly repeating: number; readonly decoded: number } {
  const decode = vi.spyOn(TextDecoder.prototype, 'decode');
  const repeats = subjectRepeats([SUBJECT, ...fields]);
  return { repeating: fields.filter(repeats).length, decoded: decode.mock.calls.length };
}

describe('a hidden Subject is searched for', () => {
  it('in so many encoded words of all fields together; what is behind them stands inside only', () => {
    const fields = Array.from({ length: 1000 }, (_, index) => field(`X-${index}`, WORD.repeat(10)));
    const { repeating, decoded } = searched(fields);
    // Once for each word, and once for each field as it stands.
    expect(decoded).toBeLessThanOrEqual(MOST_WORDS + fields.length + 1);
    expect(repeating).toBe(1000 - (MOST_WORDS / 20 - 1));
  });

  it.each([
    ['ASCII', 'a', 1],
    ['other letters', '\u00e4', FOLDED_COST],
  ])('in so many bytes of all fields together, of %s', (_, letter, cost) => {
    const fields = Array.from({ length: 200 }, (_, index) => field(`X-${index + 100}`, letter.repeat(8000)));
    const { repeating, decoded } = searched(fields);
    const within = Math.floor(MOST_SEARCHED / cost / (fields[0]?.raw.length ?? 1));
    expect(200 - repeating).toBe(within);
    // What is beyond is not even decoded; one is the Subject.
    expect(decoded).toBe(within + 1);
  });

  it('in every field of an ordinary header', () => {
    const header = [
      field('X-Mailer', 'one'),
      field('X-Topic', '=?utf-8?Q?the_secret_plan?='),
      field('X-Forefront', 'a'.repeat(20_000)),
    ];
    expect(header.filter(subjectRepeats([SUBJECT, ...header]))).toEqual([header[1]]);
  });
});

describe('a hidden Subject that is larger than is read of it', () => {
  const copy = field('X-Copy', 'the secret plan');
  const outside = (subject: HeaderField): readonly string[] =>
    outerFields([field('Received', 'from a by b'), subject, copy], { subject: 'hide', eol: '\r\n' }).map(
      ({ raw }) => raw.toString().trimEnd(),
    );

  it.each([
    ['plain', `the secret plan${' and so on'.repeat(3000)}`, ['X-Copy: the secret plan']],
    ['blank for long', `${' '.repeat(20_000)}the secret plan`, []],
    ['in encoded words', '=?utf-8?Q?the_secret_plan?= '.repeat(1000), []],
    ['one encoded word', `=?utf-8?Q?the_secret_plan${'a'.repeat(20_000)}?=`, []],
  ])('leaves no copy of it outside: %s', (_, subject, others) => {
    expect(outside(field('Subject', subject))).toEqual([
      'Received: from a by b',
      'Subject: [...]',
      ...others,
    ]);
  });
});

describe('encoded words', () => {
  it('are decoded as far as there is room, for one field or for many', () => {
    const room = { words: 3 };
    expect(headerTexts(field('A', WORD), room).at(-1)?.trim()).toBe('AA');
    expect(room.words).toBe(1);
    expect(headerTexts(field('B', WORD), room).at(-1)?.trim()).toBe('A=?koi8-r?Q?=41?=');
    expect(room.words).toBe(0);
    expect(headerTexts(field('C', WORD), room)).toEqual([WORD.trim()]);
  });

  it('are all decoded once more without the blanks in them, which takes no more room', () => {
    const room = { words: 1 };
    expect(headerTexts(field('A', '=?utf-8?Q?=41 b?='), room)).toEqual(['=?utf-8?Q?=41 b?=', 'A b', 'Ab']);
    expect(room.words).toBe(0);
  });
});

describe('a result of rspamd', () => {
  it.each([
    ['URIBL_BLACK(7.50)[card4711.example]', true],
    ['dbl_spam(1)[x]', true],
    [`URL${'_A'.repeat(200)}(1.0)[x]`, true],
    ['SYMBOL(0.00)[a, b]', false],
    ['URIBL_BLACK(7.50)', false],
    ['URIBL_BLACK(7.50)[]', false],
    ['URL [x]', false],
    ['default: False [1.0 / 15.0];\r\n\tR_SPF_ALLOW(-0.20)[+ip4:192.0.2.1]', false],
    ['X(0)[https://a.example]', true],
    ['X(0)[www.a.example]', true],
    ['X(0)[a@b.example:email]', true],
    ['URL'.repeat(5000), false],
    // Longer than any that rspamd writes: not read, and taken inside.
    ['SYMBOL(0.00)[a, b]; '.repeat(1000), true],
  ])('quotes the body or not: %j', (result, quotes) => {
    expect(quotesBody(field('X-Spamd-Result', result))).toBe(quotes);
  });
});

describe('a message of many copies', () => {
  const message = Buffer.from(`From: a@b.example\r\n${'X: y\r\n'.repeat(2000)}\r\nHello.\r\n`);

  it('is divided once for each wish', () => {
    const divide = dividerOf(message);
    const hidden = { ...OPTIONS, subject: 'hide', headerPolicy: 'shy', headerOutside: ['x'] } as const;
    const other: SealOptions = { ...OPTIONS, hideKeyIds: true };
    expect(divide(OPTIONS)).toBe(divide(other));
    expect(divide(hidden)).toBe(divide({ ...hidden, headerOutside: ['x'] }));
    const wishes = [
      OPTIONS,
      hidden,
      { ...hidden, headerOutside: [] },
      { ...OPTIONS, subject: 'hide' as const },
    ];
    expect(new Set(wishes.map(divide)).size).toBe(4);
  });

  it('is sealed as it would be alone', async () => {
    const { encrypt, jobs } = recordingEncrypt();
    const divide = dividerOf(message);
    const boundaries = (sealed: readonly Buffer[]) =>
      Buffer.concat(sealed)
        .toString('latin1')
        .replaceAll(/sealpost-[0-9a-f]{36}/g, 'b')
        .replace(/AAAA\d/, '');
    const alone = boundaries(await sealMime(message, OPTIONS, encrypt));
    for (let count = 0; count < 3; count += 1)
      expect(boundaries(await sealMime(message, OPTIONS, encrypt, divide))).toBe(alone);
    const [first, second, third] = jobs.map(({ plaintext }) => plaintext as readonly Buffer[]);
    expect(second).toEqual(first);
    // The very same memory: nothing was divided, or copied, for each.
    expect(third?.[0]).toBe(second?.[0]);
  });
});

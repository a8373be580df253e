// Headers as large as a message: what is read of them, what becomes of the rest, and how much of it is repeated.
import { describe, expect, it } from 'vitest';
import {
  MAX_HEADER_BYTES,
  rawHeader,
  splitMessage,
  walkHeader,
  walkHeaderInSteps,
} from '../../../src/message/header.ts';
import { countReceived, countReceivedInSteps } from '../../../src/message/received.ts';
import { stripSealpostFields, stripSealpostFieldsInSteps } from '../../../src/message/sealpost-fields.ts';
import type { HeaderPolicy } from '../../../src/sealing/header-policy.ts';
import { MOST_REPEATED, protectHeader } from '../../../src/sealing/header-protection.ts';
import { quickest } from '../../fixtures/processor-time.ts';

const BODY = 'Hello.\r\n';
const message = (header: string): Buffer => Buffer.from(`${header}\r\n${BODY}`, 'latin1');
const repeated = (unit: string, bytes: number): string => unit.repeat(Math.floor(bytes / unit.length));

/** Ten kinds of large header, each several times a step. */
const LARGE: readonly (readonly [string, Buffer])[] = [
  ['short fields', message(repeated('A:\r\n', 2e6))],
  ['long fields', message(repeated(`List-Id: ${'a'.repeat(90_000)}\r\n`, 3e6))],
  ['one field of folded lines', message(`Subject: ${repeated('a\r\n ', 2e6)}\r\n`)],
  ['one field of one line', message(`Subject: ${'a'.repeat(2e6)}\r\n`)],
  ['lines that end in a bare CR', message(repeated('A: b\r', 2e6))],
  ['a field with bare CRs', message(`Subject: ${repeated('aaaaaaaaaaaaa\r ', 2e6)}\r\n`)],
  ['lines that end in LF', message(repeated('A: b\n', 2e6))],
  ['Sealpost fields alone', message(repeated('Sealpost-Status: sealed\r\n', 2e6))],
  ['Sealpost fields between others', message(repeated('Sealpost-Status: a\r\nX: y\r\n', 2e6))],
  ['Received fields', message(repeated('Received: from a by b\r\n', 2e6))],
  ['an mbox line', message(`From ${'a'.repeat(2e6)}\r\nA: b\r\n`)],
  ['no end', Buffer.from(repeated('To: a@b.example\r\n', 2e6))],
];

describe('a header as large as a message', () => {
  it.each(LARGE)('of %s is walked through alike in one go and in steps', async (_, large) => {
    const seen: number[][] = [[], []];
    const whole = walkHeader(large, (...offsets) => seen[0]?.push(...offsets) !== 0);
    const inSteps = await walkHeaderInSteps(large, (...offsets) => seen[1]?.push(...offsets) !== 0);
    expect(inSteps).toEqual(whole);
    expect(seen[1]).toEqual(seen[0]);
    expect(await countReceivedInSteps(large)).toBe(countReceived(large));
    const clean = stripSealpostFields(large);
    expect((await stripSealpostFieldsInSteps(large)).equals(clean)).toBe(true);
    expect(clean.includes('Sealpost-')).toBe(false);
  });

  it.each(LARGE)('of %s is the message again, and no more than its limit is read as fields', (_, large) => {
    const { preamble, fields, separator, body } = splitMessage(large);
    expect(Buffer.concat([preamble, ...fields.map(({ raw }) => raw), separator, body]).equals(large)).toBe(
      true,
    );
    expect(fields.reduce((sum, { raw }) => sum + raw.length, 0)).toBeLessThanOrEqual(MAX_HEADER_BYTES);
    expect(rawHeader(large).length).toBeLessThanOrEqual(MAX_HEADER_BYTES);
  });

  it.each(LARGE)('of %s takes milliseconds to take apart', (_, large) => {
    expect(quickest(25, () => splitMessage(large))).toBeLessThan(25);
  });

  it('keeps a field and an empty line that end exactly at the limit', () => {
    const field = `Subject: ${'a'.repeat(MAX_HEADER_BYTES - 'Subject: \r\n'.length)}\r\n`;
    expect(splitMessage(message(field)).fields).toHaveLength(1);
    expect(splitMessage(message(field)).body.toString()).toBe(BODY);
    expect(splitMessage(message(`${field.slice(0, -2)}a\r\n`)).fields).toHaveLength(0);
  });
});

const ADDRESS = `To: ${'a@b.example, '.repeat(7000)}a@b.example\r\n`;
const FROM = 'From: <carol@example.net>\r\n';

/** Ten kinds of header that would stand in a message three times. */
const REPEATED: readonly (readonly [string, string])[] = [
  ['one large To field', FROM + ADDRESS],
  ['To fields', FROM + ADDRESS.repeat(10)],
  ['From fields', repeated(FROM, 9e5)],
  ['a large Subject', `${FROM}Subject: ${'a'.repeat(9e5)}\r\n`],
  ['large References', `${FROM}References: ${'<a@b> '.repeat(1e5)}\r\n`],
  ['List fields', FROM + repeated('List-Unsubscribe: <https://a.example>\r\n', 3e5)],
  ['Comments', FROM + repeated('Comments: a word or two\r\n', 2e5)],
  ['Keywords before the sender', `Keywords: ${'a, '.repeat(2e5)}a\r\n${FROM}`],
  ['Cc in comments', `${FROM}Cc: ${'(a) <b@c.example>, '.repeat(4e4)}<d@e.example>\r\n`],
  ['Reply-To and Sender', FROM + `Reply-To: ${'a'.repeat(9e4)}\r\nSender: ${'b'.repeat(9e4)}\r\n`.repeat(4)],
];

describe('what stands outside a sealed message', () => {
  for (const policy of ['no_confidentiality', 'shy'] as const satisfies HeaderPolicy[])
    it.each(REPEATED)(`is little of %s, under ${policy}, and nothing is lost`, (_, header) => {
      const parts = splitMessage(message(header));
      const { inner, outer } = protectHeader(parts, { subject: 'keep', policy, eol: '\r\n' });
      const bytes = (pieces: readonly Buffer[]): number =>
        pieces.reduce((sum, { length }) => sum + length, 0);
      expect(bytes(outer)).toBeLessThanOrEqual(MOST_REPEATED);
      expect(bytes(inner)).toBeLessThanOrEqual(header.length + 2 * MOST_REPEATED + 1000);
      const inside = Buffer.concat(inner).toString('latin1');
      for (const { raw } of parts.fields)
        if (!inside.includes(raw.toString('latin1'))) expect(raw.toString()).toBe('inside');
      // Whoever comes first, the sender stands outside.
      expect(Buffer.concat(outer).includes('carol@example.net')).toBe(true);
    });

  it('is every field of an ordinary message', () => {
    const header = `${FROM}To: ${'a@b.example, '.repeat(500)}z@b.example\r\nSubject: x\r\nList-Id: <l.example>\r\n`;
    const { outer } = protectHeader(splitMessage(message(header)), { subject: 'keep', eol: '\r\n' });
    expect(Buffer.concat(outer).toString()).toBe(header);
  });
});

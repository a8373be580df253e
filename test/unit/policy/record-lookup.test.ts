// What is kept of a lookup, and what becomes of an answer that its protocol cannot carry.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { type Answer, found, type MapName, notFound } from '../../../policy/facts.ts';
import { createLookupRecorder } from '../../../policy/record-lookup.ts';
import type { LookupProtocol } from '../../../policy/reply-limits.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';
import { addressForm, createPseudonym, pseudonymsOf } from '../../../src/observe/pseudonym.ts';
import { LOOKUP_FAILED } from '../../../src/smtp/our-replies.ts';

interface Recorded {
  readonly answer: Answer;
  /** At error, as logged. */
  readonly errors: readonly Record<string, unknown>[];
  readonly counted: readonly (string | number | undefined)[];
}

async function recorded(protocol: LookupProtocol, value: string): Promise<Recorded> {
  const lines: string[] = [];
  const logger = pino({ level: 'error' }, { write: (line: string) => lines.push(line) });
  const metrics = createMetrics();
  const record = createLookupRecorder(logger, metrics, (path) => path);
  const question = { map: 'virtual_alias', key: 'everybody@example.org', protocol } as const;
  const answer = record(question, found(value, 'an alias'), performance.now());
  const { values } = await metrics.lookups.get();
  return {
    answer,
    errors: lines.map((line) => JSON.parse(line)),
    counted: values.map(({ labels }) => labels.result),
  };
}

describe('an answer that its protocol cannot carry', () => {
  it.each([
    ['tcp_table', 'a'.repeat(4092), 4097, 4096],
    ['tcp_table', 'ü'.repeat(682), 4097, 4096],
    ['socketmap', 'a'.repeat(99_998), 100_001, 100_000],
  ] as const)(
    '%s: is a temporary failure, counted and logged as one',
    async (protocol, value, bytes, longest) => {
      const { answer, errors, counted } = await recorded(protocol, value);
      expect(answer).toMatchObject({ kind: 'temporary', enhanced: '4.3.0' });
      expect(counted).toEqual(['temporary']);
      expect(errors).toMatchObject([{ map: 'virtual_alias', protocol, bytes, longest }]);
      expect(JSON.stringify(errors)).not.toContain('everybody');
    },
  );
  it.each([
    ['tcp_table', 'a'.repeat(4091)],
    ['socketmap', 'a'.repeat(99_997)],
    ['command', 'a'.repeat(200_000)],
  ] as const)('%s: one that just fits is given', async (protocol, value) => {
    const { answer, errors, counted } = await recorded(protocol, value);
    expect(answer).toMatchObject({ kind: 'found', value });
    expect([errors, counted]).toEqual([[], ['found']]);
  });
});

it('an alias loop has a line at warn, with its code, whatever the log level of lookups', () => {
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  const record = createLookupRecorder(logger, undefined, (path) => path);
  const loop: Answer = { kind: 'temporary', enhanced: LOOKUP_FAILED.aliasLoop, reason: 'a leads to a' };
  record({ map: 'virtual_alias', key: 'a@example.org', protocol: 'socketmap' }, loop, performance.now());
  record({ map: 'virtual_alias', key: 'b@example.org', protocol: 'socketmap' }, notFound('no'), 0);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { event: 'alias_loop', level: 40, key: 'a@example.org', reason: 'a leads to a' },
  ]);
});

describe('an address in the line of a lookup', () => {
  const pseudonym = createPseudonym(Buffer.alloc(32, 1));

  /** The key as it is logged. */
  function logged(map: MapName, key: string, answer: Answer, mode: 'own' | 'hmac' | 'none' = 'own'): unknown {
    const lines: string[] = [];
    const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) });
    const record = createLookupRecorder(logger, undefined, addressForm(mode, pseudonym));
    record({ map, key, protocol: 'socketmap' }, answer, performance.now());
    expect(lines).toHaveLength(1);
    return JSON.parse(lines[0] ?? '').key;
  }

  it.each<readonly [string, Parameters<typeof logged>, string | undefined]>([
    [
      'ours is written out',
      ['virtual_alias', 'a@example.org', found('id_1@example.org', 'user')],
      'a@example.org',
    ],
    [
      "another's has the digits of the lines about messages",
      ['virtual_alias', 'Carol@elsewhere.example', notFound('not ours')],
      pseudonym('carol@elsewhere.example'),
    ],
    [
      'ours has digits too where log.addresses says so',
      ['virtual_alias', 'a@example.org', found('id_1@example.org', 'user'), 'hmac'],
      pseudonym('a@example.org'),
    ],
    [
      'none stands there where log.addresses says so',
      ['virtual_alias', 'a@example.org', notFound('no'), 'none'],
      undefined,
    ],
    [
      'a domain is no address',
      ['virtual_domains', 'elsewhere.example', notFound('not ours')],
      'elsewhere.example',
    ],
    ['a fingerprint is no address', ['client_fingerprint', 'ab:cd', notFound('unknown')], 'ab:cd'],
  ])('%s', (_, question, expected) => {
    expect(logged(...question)).toBe(expected);
  });

  it('has the same digits in every process of one machine', { tags: ['slow'] }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'sp-digits-'));
    try {
      const [one, another] = [pseudonymsOf(folder), pseudonymsOf(folder)];
      expect(readdirSync(folder)).toEqual([]);
      expect(one('carol@elsewhere.example')).toBe(another('Carol@elsewhere.example'));
      expect(readdirSync(folder)).toEqual(['log.key']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

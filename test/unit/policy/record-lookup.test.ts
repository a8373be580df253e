// What is kept of a lookup, and what becomes of an answer that its protocol cannot carry.
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { type Answer, found } from '../../../policy/facts.ts';
import { createLookupRecorder } from '../../../policy/record-lookup.ts';
import type { LookupProtocol } from '../../../policy/reply-limits.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';

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
  const record = createLookupRecorder(logger, metrics);
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

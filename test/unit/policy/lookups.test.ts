// The lookups over a database that is played: what is asked again, and when.
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { LookupDatabase } from '../../../policy/database.ts';
import { found, notFound, refusesForGood } from '../../../policy/facts.ts';
import { ALWAYS_FRESH } from '../../../policy/freshness.ts';
import { createLookups } from '../../../policy/lookups.ts';
import { configSchema } from '../../../src/config/schema.ts';

/** A database whose questions are answered one by one, by the test. */
function played() {
  const questions: ((rows: readonly object[]) => void)[] = [];
  const query = () => new Promise<readonly object[]>((resolve) => questions.push(resolve));
  const database = {
    query,
    pool: {},
    changed: () => undefined,
    away: () => false,
    back: () => undefined,
    freshness: ALWAYS_FRESH,
    onChange: () => undefined,
  } as unknown as LookupDatabase;
  const lookups = createLookups({
    config: configSchema.parse({}),
    database,
    logger: pino({ level: 'silent' }),
  });
  return { questions, lookups };
}

const DOMAIN_ROW = {
  id: 1,
  name: 'example.org',
  class: 'virtual',
  fold_local_part: true,
  settings: {},
  transport: null,
  refusals: {},
  rules: null,
  catch_all: false,
  key_id: null,
};

describe('when notifications are restored', () => {
  it('nobody joins a reading that began while they were missed', async () => {
    const { questions, lookups } = played();
    const ask = () => lookups.answer('virtual_domains', 'example.org', { protocol: 'command' });
    lookups.lost();
    const before = ask();
    lookups.restored();
    const after = ask();
    expect(questions).toHaveLength(2);
    questions[0]?.([]);
    questions[1]?.([DOMAIN_ROW]);
    expect((await before).kind).toBe('not found');
    expect((await after).kind).toBe('found');
  });
});

describe('a refusal from the cache, while the database is away', () => {
  it.each([
    [found('REJECT 5.1.1 No such recipient here', ''), true],
    [found('REJECT 5.7.5 No key', ''), true],
    [found('error:5.2.1 This mailbox is disabled', ''), true],
    [found('DEFER_IF_PERMIT 4.2.2 Full', ''), false],
    [found('DUNNO', ''), false],
    [found('rejecting@example.org', ''), false],
    [notFound('the domain is not ours'), false],
    [{ kind: 'not found', reason: 'nobody has this address', nobody: true } as const, true],
  ])('%o is for good: %s, and so becomes temporary', (answer, forGood) => {
    expect(refusesForGood(answer)).toBe(forGood);
  });
});

// The lookups over a database that is played: what is asked again, and when.
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { LookupDatabase } from '../../../policy/database.ts';
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

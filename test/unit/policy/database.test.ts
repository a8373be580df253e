// The lookups' way to the database: which server is asked, and what happens when none answers.
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { createLookupDatabase, type LookupDatabase } from '../../../policy/database.ts';
import { DatabaseUnavailable } from '../../../src/database/open.ts';
import { DirectoryUnavailable } from '../../../src/directory/types.ts';

type Pool = Parameters<typeof createLookupDatabase>[0]['primary'];
type Behaviour = () => Promise<unknown>;

const STATEMENT = { name: 's', text: 'SELECT 1' };
const refused: Behaviour = async () => {
  throw new DatabaseUnavailable('refused');
};
const silent: Behaviour = async () => {
  throw new Error('Query read timeout');
};

function server(name: string): { pool: Pool; asked: number; behave: Behaviour } {
  const self = {
    asked: 0,
    behave: (async () => ({ rows: [{ name }] })) as Behaviour,
    pool: {
      query: () => {
        self.asked += 1;
        return self.behave();
      },
    } as unknown as Pool,
  };
  return self;
}

const logger = pino({ level: 'silent' });
const ask = async (database: LookupDatabase) =>
  (await database.query<{ name: string }>(STATEMENT, []))[0]?.name;

describe('without a replica', () => {
  it('a lost connection is worth a second try', async () => {
    const primary = server('primary');
    const good = primary.behave;
    primary.behave = () => {
      primary.behave = good;
      return refused();
    };
    const database = createLookupDatabase({ primary: primary.pool, replica: null, replicaLag: 0, logger });
    expect(await ask(database)).toBe('primary');
    expect(database.away()).toBe(false);
  });
  it('one that does not answer in time is not asked twice', async () => {
    const primary = server('primary');
    primary.behave = silent;
    const database = createLookupDatabase({ primary: primary.pool, replica: null, replicaLag: 0, logger });
    await expect(ask(database)).rejects.toThrow(DirectoryUnavailable);
    expect([primary.asked, database.away()]).toEqual([1, true]);
  });
  it('while it is away one question at a time tries, the others fail at once', async () => {
    const primary = server('primary');
    primary.behave = silent;
    const database = createLookupDatabase({ primary: primary.pool, replica: null, replicaLag: 0, logger });
    await expect(ask(database)).rejects.toThrow();
    let answer: (value: unknown) => void = () => undefined;
    primary.behave = () => new Promise((resolve) => (answer = resolve));
    const probe = ask(database);
    await expect(ask(database)).rejects.toThrow(DirectoryUnavailable);
    answer({ rows: [{ name: 'primary' }] });
    expect(await probe).toBe('primary');
    expect(database.away()).toBe(false);
  });
  it('an error in a query is no absence, and not "not found" either', async () => {
    const primary = server('primary');
    primary.behave = async () => {
      throw Object.assign(new Error('no such column'), { code: '42703' });
    };
    const database = createLookupDatabase({ primary: primary.pool, replica: null, replicaLag: 0, logger });
    await expect(ask(database)).rejects.toThrow(DirectoryUnavailable);
    expect(database.away()).toBe(false);
  });
});

describe('with a replica', () => {
  const both = (replicaLag = 60_000) => {
    const [primary, replica] = [server('primary'), server('replica')];
    const database = createLookupDatabase({
      primary: primary.pool,
      replica: replica.pool,
      replicaLag,
      logger,
    });
    return { primary, replica, database };
  };
  it('the replica is asked', async () => {
    expect(await ask(both().database)).toBe('replica');
  });
  it('the primary is asked after a change, which the replica may not have yet', async () => {
    const { database } = both();
    database.changed();
    expect(await ask(database)).toBe('primary');
  });
  it('a change does not shorten the rest of a replica that is silent', async () => {
    vi.useFakeTimers();
    try {
      const { primary, replica, database } = both(1000);
      replica.behave = silent;
      await ask(database);
      database.changed();
      vi.advanceTimersByTime(2000);
      expect(await ask(database)).toBe('primary');
      expect([primary.asked, replica.asked]).toEqual([2, 1]);
    } finally {
      vi.useRealTimers();
    }
  });
  it.each([
    ['refuses', refused],
    ['is silent', silent],
  ])('the primary is asked when the replica %s', async (_what, behave) => {
    const { database, replica } = both();
    replica.behave = behave;
    expect(await ask(database)).toBe('primary');
    expect(await ask(database)).toBe('primary');
    expect([database.away(), replica.asked]).toEqual([false, 1]);
  });
});

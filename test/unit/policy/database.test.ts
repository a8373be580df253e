// The lookups' way to the database: which server is asked, and what happens when none answers.
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { createLookupDatabase, type LookupDatabase } from '../../../policy/database.ts';
import { createVersionTracker } from '../../../src/database/directory-version.ts';
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

describe('with the version of the directory', () => {
  const VERSION = { version: 7, stamp: 'seven', timeline: 2 };
  // biome-ignore lint/suspicious/noThenProperty: the name in the report
  const report = { now: { ...VERSION, floor: 1 }, then: null, changes: [] };

  const asText = ({ version, stamp, timeline }: typeof VERSION): string =>
    `${version} ${stamp} ${timeline.toString(16)}`;

  /** Answers statements as of a version, and tells that version itself. */
  function of(name: string, version = VERSION) {
    const self = server(name);
    const answer = async (config: { name?: string }) =>
      config.name === 'sealpost-directory-version'
        ? { rows: [{ report: { ...report, now: { ...version, floor: 1 } } }] }
        : { rows: [{ directory: asText(version), is_row: true, name }] };
    const pool = {
      discarded: 0,
      query: (config: { name?: string }) => {
        self.asked += 1;
        return answer(config);
      },
      discard() {
        pool.discarded += 1;
      },
    };
    return { self, pool };
  }
  const lookup = (primary: ReturnType<typeof of>, replica?: ReturnType<typeof of>) =>
    createLookupDatabase({
      primary: primary.pool as unknown as Pool,
      replica: (replica?.pool ?? null) as unknown as Pool | null,
      replicaLag: 60_000,
      logger,
      versions: createVersionTracker(),
    });

  it('the replica is asked while it has the version of the primary', async () => {
    const [primary, replica] = [of('primary'), of('replica', { ...VERSION, timeline: 0 })];
    const database = lookup(primary, replica);
    expect(await ask(database)).toBe('replica');
    expect([primary.self.asked, replica.self.asked]).toEqual([1, 1]);
  });
  it.each([
    ['an older version', { version: 6, stamp: 'six', timeline: 0 }],
    ['the same count of another history', { version: 7, stamp: 'other', timeline: 0 }],
    ['a version that the primary has not told of yet', { version: 8, stamp: 'eight', timeline: 0 }],
  ])('the primary is asked where the replica has %s', async (_what, version) => {
    expect(await ask(lookup(of('primary'), of('replica', version)))).toBe('primary');
  });
  it('the replica is never asked for what no version tells of', async () => {
    const database = lookup(of('primary'), of('replica', { ...VERSION, timeline: 0 }));
    const [row] = await database.query<{ name: string }>({ ...STATEMENT, unversioned: true }, []);
    expect(row?.name).toBe('primary');
  });
  it('an empty answer is one, and its version row is no row of it', async () => {
    const primary = of('primary');
    primary.pool.query = async () => ({
      rows: [{ directory: asText(VERSION), is_row: null as never, name: '' }],
    });
    expect(await lookup(primary).query(STATEMENT, [])).toEqual([]);
  });
  it('an old primary is not believed, and its connection is not kept', async () => {
    const primary = of('primary');
    const database = lookup(primary);
    expect(await database.freshness.refresh()).toBe(true);
    primary.pool.query = of('old', { version: 9, stamp: 'nine', timeline: 1 }).pool.query;
    await expect(ask(database)).rejects.toThrow(DirectoryUnavailable);
    expect(await database.freshness.refresh()).toBe(false);
    expect(primary.pool.discarded).toBe(3);
  });
  it('a primary that does not say its version gives no answer', async () => {
    const primary = of('primary');
    primary.pool.query = async () => ({ rows: [] });
    await expect(ask(lookup(primary))).rejects.toThrow(DirectoryUnavailable);
  });
});

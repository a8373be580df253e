// The cache of the lookups: hits, misses, changes, questions at the same time, and what is given while the database is away.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type AnswerCache,
  type CacheResult,
  createAnswerCache,
  type ReadValue,
} from '../../../policy/answer-cache.ts';
import { type ChangeLog, createChangeLog } from '../../../policy/change-log.ts';

class Away extends Error {}

interface World {
  readonly cache: AnswerCache<string>;
  readonly changes: ChangeLog;
  readonly counts: Record<CacheResult, number>;
  /** null: notifications are missed. */
  epoch: number | null;
  ended: number | undefined;
  away: boolean;
  fresh: boolean;
  trueAt: number;
  refresh: () => Promise<boolean>;
  told: { stale: boolean; fresh: boolean };
  now: number;
  reads: number;
  /** Answers of the database in order; a function is called when it is asked. */
  database: () => Promise<ReadValue<string>>;
  get(key?: string): string | Promise<string>;
}

function world(maxEntries = 100): World {
  const changes = createChangeLog();
  const self: World = {
    changes,
    counts: { hit: 0, miss: 0, merged: 0, stale: 0, error: 0 },
    epoch: 1,
    ended: undefined,
    away: false,
    fresh: true,
    trueAt: 1_000_000,
    refresh: async () => true,
    told: { stale: false, fresh: false },
    now: 1_000_000,
    reads: 0,
    database: async () => ({ value: `value ${self.reads}`, dependsOn: ['name'] }),
    cache: createAnswerCache<string>({
      changes,
      trust: { epoch: () => self.epoch, endOf: () => self.ended },
      freshness: {
        isFresh: () => self.fresh,
        refresh: () => self.refresh(),
        trueAt: () => (self.fresh ? self.now : self.trueAt),
      },
      databaseAway: () => self.away,
      isAway: (error) => error instanceof Away,
      maxEntries,
      maxBytes: 1_000_000,
      sizeOf: () => 1,
      staleMax: 3_600_000,
      count: (result) => {
        self.counts[result] += 1;
      },
      clock: () => self.now,
    }),
    get: (key = 'key') =>
      self.cache.get(
        key,
        () => {
          self.reads += 1;
          return self.database();
        },
        Object.assign(self.told, { fresh: false }),
      ),
  };
  return self;
}

const refuse = async (): Promise<ReadValue<string>> => {
  throw new Away('away');
};

describe('a cached answer', () => {
  it('is given at once, without a promise, the second time', async () => {
    const w = world();
    expect(await w.get()).toBe('value 1');
    expect(w.get()).toBe('value 1');
    expect(w.counts).toMatchObject({ miss: 1, hit: 1 });
  });
  it('is forgotten when a name that it rests on changes', async () => {
    const w = world();
    await w.get();
    w.changes.note('name');
    expect(await w.get()).toBe('value 2');
  });
  it('stays when another name changes', async () => {
    const w = world();
    await w.get();
    w.changes.note('other');
    expect(w.get()).toBe('value 1');
  });
  it('is forgotten when everything may have changed', async () => {
    const w = world();
    await w.get();
    w.changes.noteAll();
    expect(await w.get()).toBe('value 2');
  });
  it('gives way to newer ones beyond the bound', async () => {
    const w = world(10);
    for (let index = 0; index < 100; index += 1) await w.get(`key ${index}`);
    expect(w.cache.size).toBe(10);
  });
  it('takes the more room the longer its key is', async () => {
    const w = world(1000);
    for (let index = 0; index < 1000; index += 1) await w.get(`${index}`.padStart(2000, 'x'));
    expect(w.cache.size).toBeLessThan(1_000_000 / 2000 / 5);
  });
});

describe('a change while the answer is read', () => {
  it('keeps the answer out of the cache', async () => {
    const w = world();
    let release: (value: ReadValue<string>) => void = () => undefined;
    w.database = () => new Promise((resolve) => (release = resolve));
    const first = w.get();
    w.changes.note('name');
    release({ value: 'old', dependsOn: ['name'] });
    expect(await first).toBe('old');
    w.database = async () => ({ value: 'new', dependsOn: ['name'] });
    expect(await w.get()).toBe('new');
  });
  it('lets nobody who asks after it join the older reading', async () => {
    const w = world();
    w.database = () => new Promise(() => undefined);
    void w.get();
    w.changes.note('name');
    w.database = async () => ({ value: 'new', dependsOn: ['name'] });
    expect(await w.get()).toBe('new');
    expect(w.reads).toBe(2);
  });
  it('of what a mailbox holds may be overlooked by it', () => {
    const w = world();
    w.database = () => new Promise(() => undefined);
    void w.get();
    w.changes.note('usage:1', true);
    void w.get();
    expect([w.reads, w.counts.merged]).toEqual([1, 1]);
  });
});

describe('identical questions at the same time', () => {
  it('are one reading', async () => {
    const w = world();
    const answers = await Promise.all(Array.from({ length: 50 }, () => w.get()));
    expect(new Set(answers)).toEqual(new Set(['value 1']));
    expect(w.counts).toMatchObject({ miss: 1, merged: 49 });
  });
  it('fail together, and the next one asks again', async () => {
    const w = world();
    w.database = refuse;
    const failed = await Promise.allSettled([w.get(), w.get()]);
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    w.database = async () => ({ value: 'back', dependsOn: [] });
    expect(await w.get()).toBe('back');
  });
});

describe('while notifications are missed', () => {
  it('every question is asked of the database', async () => {
    const w = world();
    await w.get();
    w.epoch = null;
    w.ended = w.now;
    expect(await w.get()).toBe('value 2');
    expect(await w.get()).toBe('value 3');
  });
  it('and after, what was cached before is read again', async () => {
    const w = world();
    await w.get();
    w.ended = w.now;
    w.epoch = 2;
    expect(await w.get()).toBe('value 2');
    expect(w.get()).toBe('value 2');
  });
});

describe('while the database is away', () => {
  async function outage(): Promise<World> {
    const w = world();
    await w.get();
    w.epoch = null;
    w.ended = w.now;
    w.database = refuse;
    return w;
  }
  it('a cached answer goes on, and is counted', async () => {
    const w = await outage();
    expect(await w.get()).toBe('value 1');
    expect(w.counts.stale).toBe(1);
  });
  it('it comes at once when the outage is known', async () => {
    const w = await outage();
    w.away = true;
    expect(w.get()).toBe('value 1');
  });
  it('it does not wait for a database that hangs', async () => {
    const w = await outage();
    w.database = () => new Promise(() => undefined);
    const started = Date.now();
    expect(await w.get()).toBe('value 1');
    expect(Date.now() - started).toBeLessThan(10_000);
  });
  it('not beyond stale_max', async () => {
    const w = await outage();
    w.now += 3_600_001;
    await expect(w.get()).rejects.toThrow(Away);
  });
  it('its age counts from when it was last known to be true', async () => {
    const w = world();
    await w.get();
    w.now += 10 * 3_600_000;
    w.epoch = null;
    w.ended = w.now;
    w.database = refuse;
    w.now += 3_000_000;
    expect(await w.get()).toBe('value 1');
  });
  it('an uncached question fails, and is never answered by silence', async () => {
    const w = await outage();
    await expect(w.get('other')).rejects.toThrow(Away);
    expect(w.counts.error).toBe(1);
  });
  it('an answer that a change has made false is not given', async () => {
    const w = await outage();
    w.changes.note('name');
    await expect(w.get()).rejects.toThrow(Away);
  });
  it('an error that does not mean "away" is not hidden', async () => {
    const w = await outage();
    w.database = async () => {
      throw new TypeError('a fault of ours');
    };
    await expect(w.get()).rejects.toThrow(TypeError);
  });
});

describe('while the database is slow, and notifications are back', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Long enough for the patience of an outage to end. */
  const ONE_SECOND = 1000;

  async function afterAnOutage(): Promise<{ w: World; answer: (value: string) => void }> {
    const w = world();
    await w.get();
    w.ended = w.now;
    w.epoch = 2;
    let answer: (value: string) => void = () => undefined;
    w.database = () =>
      new Promise((resolve) => {
        answer = (value) => resolve({ value, dependsOn: ['name'] });
      });
    return { w, answer: (value) => answer(value) };
  }

  it('its answer is waited for', async () => {
    const { w, answer } = await afterAnOutage();
    const asked = w.get();
    await vi.advanceTimersByTimeAsync(ONE_SECOND);
    answer('value of now');
    expect(await asked).toBe('value of now');
    expect(w.counts.stale).toBe(0);
  });
  it('not for longer than the client may wait', async () => {
    const { w } = await afterAnOutage();
    const asked = w.get();
    await vi.advanceTimersByTimeAsync(4 * ONE_SECOND);
    expect(await asked).toBe('value 1');
    expect(w.counts.stale).toBe(1);
  });
  it('an outage that becomes known ends the wait', async () => {
    const { w } = await afterAnOutage();
    const asked = w.get();
    w.away = true;
    await vi.advanceTimersByTimeAsync(ONE_SECOND);
    expect(await asked).toBe('value 1');
  });
});

describe('the change log', () => {
  it('forgets the oldest names as "everything before"', () => {
    const log = createChangeLog(10);
    const before = log.now();
    for (let index = 0; index < 100; index += 1) log.note(`name ${index}`);
    expect(log.holds(before, ['never changed'])).toBe(false);
    expect(log.holds(log.now(), ['name 0', 'never changed'])).toBe(true);
  });
});

describe('before an answer rests on the cache', () => {
  async function cached(): Promise<World> {
    const w = world();
    await w.get();
    w.fresh = false;
    return w;
  }
  it('the version is asked for, and nothing is read again where nothing changed', async () => {
    const w = await cached();
    expect(await w.get()).toBe('value 1');
    expect([w.reads, w.counts.hit, w.told.stale]).toEqual([1, 1, false]);
  });
  it('what has changed by that version is read again', async () => {
    const w = await cached();
    w.refresh = async () => {
      w.changes.note('name');
      return true;
    };
    expect(await w.get()).toBe('value 2');
  });
  it('the database is asked where the version cannot be', async () => {
    const w = await cached();
    w.refresh = async () => false;
    expect(await w.get()).toBe('value 2');
  });
  it('where neither can be asked it is given as stale, up to stale_max after the version was known', async () => {
    const w = await cached();
    w.refresh = async () => false;
    w.database = refuse;
    w.now = w.trueAt + 3_600_000;
    expect(await w.get()).toBe('value 1');
    expect(w.told.stale).toBe(true);
    w.now += 1;
    await expect(w.get()).rejects.toThrow(Away);
  });
  it('nobody waits for a version while the database is known to be away', async () => {
    const w = await cached();
    w.away = true;
    w.database = refuse;
    w.refresh = () => new Promise(() => undefined);
    expect(w.get()).toBe('value 1');
    expect(w.told.stale).toBe(true);
  });
});

describe('one question that looks several things up', () => {
  it('asks for the version once', async () => {
    const w = world();
    await w.get();
    const told = { stale: false, fresh: true };
    w.fresh = false;
    expect(w.cache.get('key', w.database, told)).toBe('value 1');
  });
});

describe('what rests on a quota', () => {
  it('is read again after a second, since no version tells of what a mailbox holds', async () => {
    const w = world();
    w.database = async () => ({ value: `value ${w.reads}`, dependsOn: ['name', 'usage:1'] });
    await w.get();
    w.now += 999;
    expect(w.get()).toBe('value 1');
    w.now += 1;
    expect(await w.get()).toBe('value 2');
    w.now -= 5000;
    expect(await w.get()).toBe('value 3');
  });
});

describe('what nobody tells of when it changes', () => {
  it('is not kept', async () => {
    const w = world();
    w.database = async () => ({ value: `value ${w.reads}`, dependsOn: [], passing: true });
    expect([await w.get(), await w.get()]).toEqual(['value 1', 'value 2']);
  });
});

// How old the version of the directory may be before it is asked for again: with a slow database, a failing one, and clocks
// that are set.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFreshness } from '../../../policy/freshness.ts';

interface Statement {
  answer(): void;
  fail(): void;
}

function world() {
  const statements: Statement[] = [];
  const time = { clock: 1_000_000_000, monotonic: 5000 };
  const freshness = createFreshness({
    ask: () =>
      new Promise((resolve, reject) =>
        statements.push({ answer: resolve, fail: () => reject(new Error('away')) }),
      ),
    clock: () => time.clock,
    monotonic: () => time.monotonic,
  });
  const pass = (ms: number) => {
    time.clock += ms;
    time.monotonic += ms;
  };
  return { statements, time, freshness, pass };
}

/** One whose version has just been asked for. */
async function fresh() {
  const w = world();
  const asked = w.freshness.refresh();
  w.statements[0]?.answer();
  await asked;
  return w;
}

describe('what is known of the directory', () => {
  it('is not fresh before the version was asked for', () => {
    expect(world().freshness.isFresh()).toBe(false);
  });
  it('is fresh for less than a second', async () => {
    const { freshness, pass } = await fresh();
    pass(999);
    expect(freshness.isFresh()).toBe(true);
    pass(1);
    expect(freshness.isFresh()).toBe(false);
  });
  it('is as old as the statement, and not as its answer', async () => {
    const { freshness, statements, pass, time } = world();
    const asked = freshness.refresh();
    const sent = time.clock;
    pass(800);
    statements[0]?.answer();
    expect(await asked).toBe(true);
    expect(freshness.trueAt()).toBe(sent);
    pass(200);
    expect(freshness.isFresh()).toBe(false);
  });
  it.each([
    ['set back by an hour', -3_600_000],
    ['set back a little', -500],
    ['set forward', 1500],
  ])('is asked for again when the clock is %s', async (_what, step) => {
    const { freshness, time } = await fresh();
    time.clock += step;
    expect(freshness.isFresh()).toBe(false);
  });
  it('is not fresh after the machine slept, while the other clock stood still', async () => {
    const { freshness, time } = await fresh();
    time.clock += 60_000;
    expect(freshness.isFresh()).toBe(false);
  });
  it('is not fresh for longer because the clock runs backwards', async () => {
    const { freshness, time } = await fresh();
    time.monotonic += 1000;
    time.clock += 10;
    expect(freshness.isFresh()).toBe(false);
  });
});

describe('questions at the same time', () => {
  it('share one statement', async () => {
    const { freshness, statements } = world();
    const asked = Array.from({ length: 50 }, () => freshness.refresh());
    expect(statements).toHaveLength(1);
    statements[0]?.answer();
    expect(new Set(await Promise.all(asked))).toEqual(new Set([true]));
  });
  it('are all told when it fails, and the next one asks again', async () => {
    const { freshness, statements } = world();
    const asked = [freshness.refresh(), freshness.refresh()];
    statements[0]?.fail();
    expect(await Promise.all(asked)).toEqual([false, false]);
    expect(freshness.isFresh()).toBe(false);
    void freshness.refresh();
    expect(statements).toHaveLength(2);
  });
  it('are not served by a statement that was sent a second before them', async () => {
    const { freshness, statements, pass } = world();
    const early = freshness.refresh();
    pass(1200);
    const late = freshness.refresh();
    statements[0]?.answer();
    expect(await early).toBe(true);
    await vi.waitFor(() => expect(statements).toHaveLength(2));
    statements[1]?.fail();
    expect(await late).toBe(false);
  });
});

describe('a database that does not answer', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  it('is waited for no longer than 2.5 s, and asked again by the next question', async () => {
    const { freshness, statements } = world();
    const asked = freshness.refresh();
    await vi.advanceTimersByTimeAsync(2500);
    expect(await asked).toBe(false);
    statements[0]?.answer();
    expect(freshness.isFresh()).toBe(false);
    void freshness.refresh();
    expect(statements).toHaveLength(2);
  });
});

// The lookup daemons beside Postfix's own pgsql: map, on one directory in the same PostgreSQL and in the same run.
import { waitUntil } from '../test/support/child.ts';
import { ask, type LoadFigure, measureLoad, measurePostmap } from './lookups-client.ts';
import { CONNECTIONS, type Figures, KEYS, type Measured, report, SMALL } from './lookups-report.ts';
import { fill, forget, type LookupsStand, startLookupsStand } from './lookups-stand.ts';
import { treeResidentMegabytes } from './process-tree.ts';
import type { PartOptions, PartResult, Progress } from './rows.ts';
import { median } from './statistics.ts';

/** More different addresses than the cache holds. */
const FILLING = 60_000;

const address = (index: number): string => `user${index}@bench.test`;
const answerTo = (key: string): string => `id_${Number(/^user(\d+)/.exec(key)?.[1]) + 1}@bench.test`;

/** A stride that visits every number below any size that it does not divide: random access that can be repeated. */
const scattered = (index: number, size: number): number => (index * 7919) % size;

/** @throws Error when an answer was wrong */
export async function lookupsPart({ quick, progress, serveArguments }: PartOptions): Promise<PartResult> {
  const total = quick ? 50_000 : 1_000_000;
  const closing: (() => Promise<unknown>)[] = [];
  try {
    progress('starting PostgreSQL and sealpost ...');
    const stand = await startLookupsStand(serveArguments, closing);
    await fill(stand, 0, SMALL);
    await stand.sealpost.start();
    const small = await measureSize(stand, SMALL, quick);
    progress(`${SMALL} addresses: ${figure(small.cached)} cached`);
    progress(`adding ${total} addresses ...`);
    await fill(stand, SMALL, total);
    await forget(stand);
    const large = await measureSize(stand, total, quick);
    progress(`${total} addresses: ${figure(large.cached)} cached`);
    return report({
      total,
      ...(await measureMaps(stand, total, quick ? 3 : 5, progress)),
      small,
      large,
      ...(await measureMemory(stand, total, quick ? 60_000 : 300_000, progress)),
    });
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** Many connections at once, on a directory of so many addresses. */
async function measureSize(stand: LookupsStand, size: number, quick: boolean): Promise<Figures> {
  const { port } = stand;
  const per = quick ? 200 : 500;
  const keys = Math.min(size, KEYS);
  const key = (index: number) => address(scattered(index, keys));
  await measureLoad(port, CONNECTIONS, per, key);
  await ask(port, keys, 500, (index) => address(index));
  const cached = await measureLoad(port, CONNECTIONS, per, key);
  // As many different keys as there are questions, or as there are addresses.
  const uncached: LoadFigure[] = [];
  const count = size <= SMALL ? SMALL / CONNECTIONS : per;
  for (let round = 0; round < (size <= SMALL ? 10 : 1); round += 1) {
    await forget(stand);
    const from = round * count * CONNECTIONS;
    uncached.push(
      await measureLoad(port, CONNECTIONS, count, (index) => address(scattered(from + index, size))),
    );
  }
  return { addresses: size, cached, uncached: mean(uncached) };
}

/** Keys that were not asked for in the sets before (as far as there are enough). */
function keySet(set: number, total: number): string[] {
  return Array.from({ length: KEYS }, (_, index) => address(scattered(index + set * KEYS, total)));
}

/** One postmap after the other, each map in turn. */
async function measureMaps(
  stand: LookupsStand,
  total: number,
  rounds: number,
  progress: Progress,
): Promise<Pick<Measured, 'cached' | 'uncached' | 'pgsql' | 'simplest'>> {
  const { configDir, port, aliasMap, usersMap } = stand;
  const table = `tcp:127.0.0.1:${port}`;
  const measured: (readonly [number, number, number, number])[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    await forget(stand);
    const keys = keySet(3 * round + 1, total);
    const figures = [
      await measurePostmap(configDir, table, keys, answerTo),
      await measurePostmap(configDir, table, keys, answerTo),
      await measurePostmap(configDir, aliasMap, keySet(3 * round + 2, total), answerTo),
      await measurePostmap(configDir, usersMap, keySet(3 * round + 3, total), answerTo),
    ] as const;
    const shown = figures.map((micros) => micros.toFixed(0)).join(', ');
    progress(`round ${round}: uncached, cached, pgsql: with and without aliases: ${shown} µs`);
    measured.push(figures);
  }
  // The first round only warms everybody up.
  const counted = measured.slice(1);
  const medianOf = (index: 0 | 1 | 2 | 3): number => median(counted.map((figures) => figures[index]));
  return { uncached: medianOf(0), cached: medianOf(1), pgsql: medianOf(2), simplest: medianOf(3) };
}

/** Fills the cache to its bound, and asks on: the memory must stay where it is. */
async function measureMemory(
  { sealpost, port }: LookupsStand,
  total: number,
  questions: number,
  progress: Progress,
): Promise<Pick<Measured, 'questions' | 'before' | 'after'>> {
  const pid = sealpost.pid() ?? 0;
  const wide = (index: number) => address(scattered(index, total));
  progress('filling the cache to its bound');
  await ask(port, FILLING, 500, wide);
  progress(`${questions} lookups more: does the memory stay bounded?`);
  const before = treeResidentMegabytes(pid);
  await ask(port, questions, 500, (index) => wide(index + FILLING));
  const after = treeResidentMegabytes(pid);
  await waitUntil('serve to be alive', 1000, () => sealpost.pid() === pid);
  return { questions, before, after };
}

function mean(figures: readonly LoadFigure[]): LoadFigure {
  const of = (pick: (figure: LoadFigure) => number): number =>
    figures.reduce((sum, each) => sum + pick(each), 0) / figures.length;
  return {
    perSecond: of((each) => each.perSecond),
    p50: of((each) => each.p50),
    p99: of((each) => each.p99),
  };
}

function figure({ perSecond, p50, p99 }: LoadFigure): string {
  return `${perSecond.toFixed(0)}/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
}

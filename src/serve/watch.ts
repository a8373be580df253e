// What serve looks at and counts by itself, whether mail comes or not: of several workers, the first one does it for all.
import { packageVersion } from '../config/package.ts';
import type { Config } from '../config/schema.ts';
import { openDatabase } from '../database/open.ts';
import type { DayOf } from '../http/page/facts.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { createPassedCounts } from '../observe/passed.ts';
import type { Problems } from '../observe/problems.ts';
import { createCensus } from './census.ts';
import { watchReplicaLag } from './replica-lag.ts';
import type { Running, Seen } from './running.ts';
import { createVigil } from './vigil.ts';
import { watchedBy } from './watched.ts';

export interface WatchContext {
  readonly config: Config;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Mail comes in here, so that the next hop matters. */
  readonly takesMail: boolean;
}

/** What every process notes. */
export function createSeen(metrics: Metrics, problems: Problems): Seen {
  metrics.build.set({ version: packageVersion() }, 1);
  problems.follow((event, lines) => metrics.problems.inc({ event }, lines));
  return { passed: createPassedCounts(metrics), problems, census: null, replica: null };
}

/** Begins to look and to count. */
export function watchOver(running: Running, { config, metrics, logger, takesMail }: WatchContext): void {
  const { engine, seen } = running;
  running.vigil = createVigil(watchedBy(engine, config, takesMail, logger, metrics));
  if (seen === undefined) return;
  const { database, refresh } = engine;
  const pool = database.createPool(2);
  seen.census = createCensus({ pool, refresh, stateDir: config.state_dir, metrics, logger });
  if (config.database.read_url === undefined) return;
  const open = () => openDatabase(config, { replica: true, poolSize: 1, requireMigrated: false });
  seen.replica = watchReplicaLag({ primary: pool, open, metrics });
}

export function endWatch({ vigil, seen }: Running): void {
  vigil?.close();
  seen?.census?.close();
  void seen?.replica?.close();
  seen?.passed.close();
}

/** The last day, as it was read last; null: another process reads it, or nobody could yet. */
export function historyOf({ seen }: Running): DayOf | null {
  return seen?.census?.history() ?? null;
}

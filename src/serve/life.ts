// The life of `sealpost serve`: opens the engine and the parts, and lives until a signal. SIGTERM ends gracefully, SIGHUP re-reads
// the configuration. What runs is the list of parts.
import { randomUUID } from 'node:crypto';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { describeNextHops } from '../config/next-hops.ts';
import { packageVersion } from '../config/package.ts';
import type { Config } from '../config/schema.ts';
import { type Claims, createClaims } from '../delivery/claims.ts';
import { EXIT } from '../host/exit-codes.ts';
import { createServiceNotifier, passedSockets } from '../host/systemd.ts';
import { createFateCounts } from '../observe/fates.ts';
import { createLogger, type Logger, placesOf } from '../observe/log.ts';
import { createMetrics } from '../observe/metrics.ts';
import { createProblems, type Problems } from '../observe/problems.ts';
import { createRates } from '../observe/rates.ts';
import { getReady } from './get-ready.ts';
import { type HangUps, heedHangUps } from './hang-up.ts';
import { openWhenReachable } from './open-engine.ts';
import { closeAll, closeParts, type OpeningParts, reconfigureParts, startParts } from './open-parts.ts';
import { beforeReady, createOutlook, type Outlook, observedOf, openEarly } from './outlook.ts';
import type { Part } from './parts/part.ts';
import { fixedKeysOf, PARTS, partsAt, partsOfPrimary, wantedParts } from './parts.ts';
import { servePrimary } from './primary.ts';
import { createReloads, type Reloads } from './reload.ts';
import { describeRunning, listenersOf, type Running, readiness, warnOfUnclaimed } from './running.ts';
import { shareOf, warningsAboutShares } from './share.ts';
import { type StopSignal, stopRequested } from './stop-signal.ts';
import { warmUp } from './warm-up.ts';
import { createSeen, endWatch, historyOf, watchOver } from './watch.ts';
import {
  linkToPrimary,
  type PrimaryLink,
  type WorkerDuties,
  type WorkerPlace,
  workerPlace,
} from './worker.ts';

export interface ServeOptions {
  /** Path of the configuration file; default: where every command looks for it. */
  readonly config?: string;
  /** Names of parts; default: all of them. */
  readonly only?: readonly string[];
  /** Processes that share the listeners. */
  readonly workers: number;
  /** Start on a database that a newer program has changed: after a step back to an older version. */
  readonly allowNewerDatabase?: boolean;
  /** Default: those of sealpost. */
  readonly parts?: readonly Part[];
}

/**
 * Lives until a signal, and ends the process then.
 * @throws Error with a sentence for the administrator for what cannot be opened; ConfigError, DatabaseNotMigrated,
 *   DatabaseNewer, WorkerNotStarted
 */
export async function serve(options: ServeOptions): Promise<void> {
  const { config: file, only, workers, parts = PARTS } = options;
  const hangUps = heedHangUps();
  const place = workerPlace();
  const load = (): LoadedConfig => loadConfig(file === undefined ? {} : { path: file });
  const loaded = load();
  const { config } = loaded;
  const wanted = wantedParts(parts, only, config);
  const problems = createProblems();
  const logger = createLogger({
    level: config.observe.log_level,
    format: config.log.format,
    // systemd.exec(5): the journal reads standard error, and takes priorities from the lines.
    priorities: process.env.JOURNAL_STREAM !== undefined,
    noticed: problems.note,
  });
  // Who starts it is there to hear of it. A worker in the place of one that has died goes on as that one did.
  const refuseNewer = options.allowNewerDatabase !== true && place?.again !== true;
  if (place === null) {
    for (const warning of [...loaded.warnings, ...warningsAboutShares(config, workers)])
      logger.warn({ event: 'config_odd' }, warning);
    if (workers > 1) {
      const primary = { loaded, workers, parts: partsOfPrimary(wanted), refuseNewer };
      await servePrimary({ ...primary, hangUps, logger, problems });
      return;
    }
  }
  const beginning = { loaded, load: () => load().config, place, all: parts, wanted, refuseNewer };
  await work({ ...beginning, hangUps, logger, problems });
}

/** A process that works, before its database is open. */
interface Beginning {
  readonly loaded: LoadedConfig;
  readonly load: () => Config;
  /** null: there are no other workers. */
  readonly place: WorkerPlace | null;
  /** Also what runs elsewhere, or not at all. */
  readonly all: readonly Part[];
  /** What serve is to run, here or in another worker. */
  readonly wanted: readonly Part[];
  /** Whether a database of a newer program is refused. */
  readonly refuseNewer: boolean;
  readonly hangUps: HangUps;
  readonly logger: Logger;
  /** What it logs at level warn and above. */
  readonly problems: Problems;
}

/** What a process that works lives with. */
interface Life extends Beginning {
  readonly outlook: Outlook;
  readonly stop: StopSignal;
  readonly claims: Claims;
  readonly link: PrimaryLink | null;
  readonly running: Running;
  readonly reloads: Reloads;
  /** What this process does for the primary: more, once everything is open. */
  readonly duties: { now: WorkerDuties };
}

const takesMail = (part: Part): boolean => part.runs !== 'in the primary' && part.takesMail === true;

/** What a part may use of a configuration. What one worker runs alone is not divided. */
function configFor(part: Part, config: Config, place: WorkerPlace | null): Config {
  return place === null || part.runs !== 'in every worker' ? config : shareOf(config, place.of);
}

async function work(beginning: Beginning): Promise<void> {
  const { loaded, place, refuseNewer, logger } = beginning;
  const parts: OpeningParts = { wanted: partsAt(beginning.wanted, place), open: new Map() };
  const config = place === null ? loaded.config : shareOf(loaded.config, place.of);
  const metrics = createMetrics();
  const stop = stopRequested({ insistent: place === null });
  const outlook = createOutlook(parts, metrics);
  const duties = { now: beforeReady(outlook, stop, () => undefined) };
  const link = place === null ? null : linkToPrimary(() => duties.now);
  const claims = createClaims(link?.peers ?? null);
  duties.now = beforeReady(outlook, stop, claims.heard);
  process.on('uncaughtException', (error) => {
    // Nothing is lost: what has not been answered stays in Postfix's queue.
    logger.fatal({ event: 'crashed', err: error, at: placesOf(error) }, 'unexpected error; ending');
    process.exit(EXIT.refused);
  });

  try {
    await openEarly(outlook, { config: loaded.config, logger, passed: socketsFor(place) });
    // While the database is being opened: the first client finds everything warm.
    const warm = parts.wanted.some(takesMail) ? warmUp(config) : undefined;
    const node = parts.wanted.some(takesMail) ? { node: place?.node ?? randomUUID() } : {};
    const engine = await openWhenReachable(config, outlook, logger, stop, { claims, refuseNewer, ...node });
    await warm;
    if (engine === undefined) return;
    const running: Running = {
      engine,
      rates: createRates(metrics),
      fates: createFateCounts(metrics),
      parts,
      vigil: null,
      seen: createSeen(metrics, beginning.problems),
    };
    try {
      const reloads = reloadsOf(beginning, running);
      const life: Life = { ...beginning, outlook, stop, claims, link, running, reloads, duties };
      await open(life);
      await untilStopped(life);
    } finally {
      endWatch(running);
      await closeAll(parts);
      running.rates.close();
      running.fates.close();
      await engine.close();
    }
  } finally {
    await closeAll(parts);
  }
  logger.info({ event: 'stopped' }, 'stopped');
  process.exit(process.exitCode ?? EXIT.done);
}

/** What systemd passed to this process, or to its primary. */
function socketsFor(place: WorkerPlace | null): ReadonlyMap<string, number> {
  return passedSockets(process.env, place === null ? process.pid : process.ppid);
}

function reloadsOf({ loaded, load, place, all, logger }: Beginning, { engine, parts }: Running): Reloads {
  const reloads: Reloads = createReloads({
    started: loaded.config,
    fixed: fixedKeysOf(all),
    load,
    async take(next) {
      const before = reloads.current();
      await reconfigureParts(
        parts,
        (part) => configFor(part, next, place),
        (part) => configFor(part, before, place),
        logger,
      );
      // Last, because it cannot fail.
      engine.reconfigure(place === null ? next : shareOf(next, place.of));
    },
    logger,
  });
  return reloads;
}

/** Starts the parts, and warns of sockets that none of them serves. @throws what a part throws */
async function open(life: Life): Promise<void> {
  const { loaded, place, outlook, running, logger } = life;
  const { parts } = running;
  const ready = prepareForMail(life);
  const passed = socketsFor(place);
  const context = {
    engine: running.engine,
    logger,
    metrics: outlook.metrics,
    passed,
    observed: observedOf(outlook),
    current: life.reloads.current,
  };
  outlook.running = {
    health: () => readiness(running),
    status: () => statusOf(life),
    history: async () => historyOf(running),
  };
  // What all processes of a machine share is looked at by one of them.
  if (place === null || place.number === 1)
    watchOver(running, {
      config: loaded.config,
      metrics: outlook.metrics,
      logger,
      takesMail: parts.wanted.some(takesMail),
    });
  await startParts(parts, async (part) => {
    if (takesMail(part)) await ready;
    return part.start({ ...context, config: configFor(part, loaded.config, place) });
  });
  // A worker does not know what the others serve: there the primary looks.
  if (place === null) warnOfUnclaimed(passed, listenersOf(parts), logger);
}

/** Resolves when mail may come, or undefined where none does. */
function prepareForMail({ loaded, place, running, stop, logger }: Life): Promise<void> | undefined {
  const { engine, parts } = running;
  if (!parts.wanted.some(takesMail)) return undefined;
  const clients = (): number | undefined => {
    const open = [...parts.open].filter(([part]) => takesMail(part)).map(([, opened]) => opened);
    if (open.length === 0) return undefined;
    return open.flatMap((part) => part.listeners()).reduce((sum, { connections }) => sum + connections, 0);
  };
  const config = place === null ? loaded.config : shareOf(loaded.config, place.of);
  return getReady({ config, engine, clients, stopping: stop.requested, logger });
}

function statusOf({ loaded, all, outlook, running, reloads }: Life): ReturnType<typeof describeRunning> {
  return describeRunning(running, {
    config: reloads.current(),
    path: loaded.path,
    started: outlook.started,
    absent: all.map(({ absent }) => absent ?? {}),
  });
}

/** Tells everybody that serve is ready, lives, and ends with what is in flight. */
async function untilStopped(life: Life): Promise<void> {
  const { loaded, place, hangUps, running, reloads, stop, link, logger } = life;
  const notifier = createServiceNotifier(place === null ? process.env : {}, async () => true, logger);
  logger.info(
    {
      event: 'started',
      version: packageVersion(),
      config: loaded.path,
      listeners: listenersOf(running.parts).map(({ name, address }) => `${name} ${address}`),
      next_hop: describeNextHops(loaded.config.filter),
    },
    'sealpost is ready',
  );
  notifier.ready();
  // The primary passes SIGHUP on in its own time: two workers must not open a new socket at once.
  if (place === null)
    hangUps.follow(() => {
      notifier.reloading();
      void reloads.reload().then(() => notifier.ready());
    });
  life.duties.now = dutiesOf(life);
  link?.ready();
  const signal = await stop.promise;
  hangUps.ignore();
  logger.info({ event: 'stopping', signal }, 'stopping: no new connections; what is in flight is finished');
  notifier.stopping();
  const { shutdown_grace } = reloads.current().filter;
  const graceEnds = Date.now() + shutdown_grace;
  await closeParts(running.parts, 'with the mail', shutdown_grace);
  await running.engine.settle(graceEnds);
  await closeParts(running.parts, 'after the mail', 0);
  notifier.close();
}

function dutiesOf(life: Life): WorkerDuties {
  const { outlook, running, reloads, stop, claims } = life;
  return {
    answers: {
      metrics: () => outlook.metrics.registry.getMetricsAsJSON(),
      health: () => readiness(running),
      status: () => statusOf(life),
      history: async () => historyOf(running),
      reload: async () => {
        await reloads.reload();
        return null;
      },
    },
    stop: () => stop.stop('the primary'),
    heard: claims.heard,
  };
}

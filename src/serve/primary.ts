// `sealpost serve --workers N`, the first process: it has no mail itself, but keeps the workers, the embedded database and the
// parts that speak for all workers, and passes signals on.
import { AggregatorRegistry } from 'prom-client';
import type { LoadedConfig } from '../config/load.ts';
import { describeNextHops } from '../config/next-hops.ts';
import { packageVersion } from '../config/package.ts';
import { openDatabase } from '../database/open.ts';
import { EXIT } from '../host/exit-codes.ts';
import { createServiceNotifier, passedSockets } from '../host/systemd.ts';
import type { Logger } from '../observe/log.ts';
import type { Problems } from '../observe/problems.ts';
import type { HangUps } from './hang-up.ts';
import { closeAll, type OpeningParts, startParts } from './open-parts.ts';
import type { PrimaryPart } from './parts/part.ts';
import { complaintsOf, describeListeners, describeParts, listenersOf, warnOfUnclaimed } from './running.ts';
import { stopRequested } from './stop-signal.ts';
import { combinedHealth, combinedStatus } from './worker-link.ts';
import { createWorkers, type Workers } from './workers.ts';

/** What a worker needs, beyond the grace of what is in flight, to end. */
const ENDING_MS = 10_000;

export interface PrimaryOptions {
  readonly loaded: LoadedConfig;
  readonly workers: number;
  readonly parts: readonly PrimaryPart[];
  /** Whether a database of a newer program is refused. */
  readonly refuseNewer: boolean;
  readonly hangUps: HangUps;
  readonly logger: Logger;
  /** What this process logs. */
  readonly problems: Problems;
}

/** Lives until a signal. @throws WorkerNotStarted, DatabaseUnavailable, DatabaseNewer; Error with a sentence where a part cannot be opened */
export async function servePrimary(options: PrimaryOptions): Promise<void> {
  const { loaded, workers: count, refuseNewer, hangUps, logger } = options;
  const { config, path } = loaded;
  const stop = stopRequested({ insistent: true });
  const parts: OpeningParts<PrimaryPart> = { wanted: options.parts, open: new Map() };
  // A worker that started the private database would take it along when it dies.
  const database =
    config.database.url === 'embedded:'
      ? await openDatabase(config, { logger, actor: 'serve', refuseNewer })
      : null;
  try {
    const workers = createWorkers(count, logger);
    // Before the workers, which may be waiting for their database: who asks is told so.
    await openForAll(parts, workers, options);
    const begun = await workers.start(stop.promise).then(
      () => true,
      (error: unknown) => {
        if (stop.requested()) return false;
        throw error;
      },
    );
    if (!begun) return;
    await warnOfSockets(parts, workers, options);
    const notifier = createServiceNotifier(process.env, async () => true, logger);
    logger.info(
      {
        event: 'started',
        version: packageVersion(),
        config: path,
        workers: count,
        next_hop: describeNextHops(config.filter),
      },
      'sealpost is ready',
    );
    notifier.ready();
    hangUps.follow(() => {
      notifier.reloading();
      void workers.reload().then(() => notifier.ready());
    });
    const signal = await stop.promise;
    hangUps.ignore();
    logger.info({ event: 'stopping', signal }, 'stopping the workers');
    notifier.stopping();
    await workers.stop(config.filter.shutdown_grace + ENDING_MS);
    notifier.close();
  } finally {
    await closeAll(parts);
    await database?.close();
  }
  logger.info({ event: 'stopped' }, 'stopped');
  process.exit(process.exitCode ?? EXIT.done);
}

/** Starts the parts that speak for all workers. @throws Error with one sentence when one cannot be opened */
async function openForAll(
  parts: OpeningParts<PrimaryPart>,
  workers: Workers,
  { loaded: { config, path }, workers: count, logger, problems }: PrimaryOptions,
): Promise<void> {
  const metrics = async () => AggregatorRegistry.aggregate([...(await workers.ask('metrics'))]).metrics();
  const context = {
    config,
    logger,
    passed: passedSockets(process.env, process.pid),
    observed: {
      metrics: { registry: { contentType: AggregatorRegistry.PROMETHEUS_CONTENT_TYPE, metrics } },
      async health() {
        const running = workers.running();
        const health = combinedHealth(await workers.ask('health'), running, count);
        const reasons = [...health.reasons, ...(await complaintsOf(parts))];
        return { ready: health.ready && reasons.length === 0, reasons };
      },
      async status() {
        const own = {
          version: packageVersion(),
          config: path,
          uptime_seconds: Math.round(process.uptime()),
        };
        const told = await workers.ask('status');
        const status = combinedStatus(told, describeListeners(parts), problems.recent());
        return { ...own, ...status, ...(await describeParts(parts)) };
      },
      history: async () => (await workers.ask('history')).find((history) => history !== null) ?? null,
    },
  };
  await startParts(parts, (part) => part.start(context));
}

/** Warns of passed sockets that nobody serves. */
async function warnOfSockets(
  parts: OpeningParts<PrimaryPart>,
  workers: Workers,
  { workers: count, logger }: PrimaryOptions,
): Promise<void> {
  const passed = passedSockets(process.env, process.pid);
  if (passed.size === 0) return;
  const statuses = await workers.ask('status');
  // One that is silent may serve what the others do not.
  if (statuses.length < count) return;
  const others = statuses.flatMap(({ listeners }) => listeners);
  warnOfUnclaimed(passed, [...listenersOf(parts), ...others], logger);
}

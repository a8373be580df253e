// `sealpost serve --workers N`, the first process: it mends no mail itself, but keeps the workers, the embedded database and
// the metrics listener, and passes signals on.
import { AggregatorRegistry } from 'prom-client';
import type { LoadedConfig } from '../config/load.ts';
import { describeNextHops } from '../config/next-hops.ts';
import { packageVersion } from '../config/package.ts';
import type { Config } from '../config/schema.ts';
import { openDatabase } from '../database/open.ts';
import { EXIT } from '../host/exit-codes.ts';
import { createServiceNotifier } from '../host/systemd.ts';
import { type ObserveServer, startObserveServer } from '../http/observe.ts';
import type { Logger } from '../observe/log.ts';
import type { HangUps } from './hang-up.ts';
import { stopRequested } from './stop-signal.ts';
import { combinedHealth, combinedStatus } from './worker-link.ts';
import { startWorkers, type Workers } from './workers.ts';

/** What a worker needs, beyond the grace of what is in flight, to end. */
const ENDING_MS = 10_000;

export interface PrimaryOptions {
  readonly loaded: LoadedConfig;
  readonly workers: number;
  readonly observe: boolean;
  readonly hangUps: HangUps;
  readonly logger: Logger;
}

/** Lives until a signal. @throws WorkerNotStarted, DatabaseUnavailable */
export async function servePrimary({
  loaded,
  workers: count,
  observe,
  hangUps,
  logger,
}: PrimaryOptions): Promise<void> {
  const { config, path } = loaded;
  const stop = stopRequested({ insistent: true });
  // A worker that started the private database would take it along when it dies.
  const database =
    config.database.url === 'embedded:' ? await openDatabase(config, { logger, actor: 'serve' }) : null;
  try {
    const workers = await startWorkers(count, logger, stop.promise).catch((error: unknown) => {
      if (stop.requested()) return undefined;
      throw error;
    });
    if (workers === undefined) return;
    const observer = observe ? await observeWorkers(config, workers, count, logger) : undefined;
    const notifier = createServiceNotifier(process.env, async () => true, logger);
    logger.info(
      {
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
    logger.info({ signal }, 'stopping the workers');
    notifier.stopping();
    await workers.stop(config.filter.shutdown_grace + ENDING_MS);
    await observer?.close();
    notifier.close();
  } finally {
    await database?.close();
  }
  logger.info('stopped');
  process.exit(process.exitCode ?? EXIT.done);
}

/**
 * Opens the metrics listener, which speaks for all workers.
 * @throws Error with one sentence when it cannot be opened; the workers are stopped then
 */
async function observeWorkers(
  { observe, filter }: Config,
  workers: Workers,
  count: number,
  logger: Logger,
): Promise<ObserveServer | undefined> {
  if (observe.listen === null) return undefined;
  const metrics = async () => AggregatorRegistry.aggregate([...(await workers.ask('metrics'))]).metrics();
  try {
    return await startObserveServer({
      endpoint: observe.listen,
      metrics: { registry: { contentType: AggregatorRegistry.PROMETHEUS_CONTENT_TYPE, metrics } },
      logger,
      health: async () => {
        const running = workers.running();
        return combinedHealth(await workers.ask('health'), running, count);
      },
      status: async () => combinedStatus(await workers.ask('status')),
    });
  } catch (error) {
    // They would keep this process alive, which cannot tell of them.
    await workers.stop(filter.shutdown_grace + ENDING_MS);
    throw error;
  }
}

// `sealpost serve`: opens the engine and the listeners, and lives until a signal. SIGTERM ends gracefully, SIGHUP re-reads
// the configuration. The parts themselves are elsewhere; this is their life.
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { startProxyFilter } from '../../filters/proxy.ts';
import { startPolicyDaemons } from '../../policy/daemons.ts';
import { startReceiver, wantsReceiver } from '../../receiver/receiver.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { describeNextHops } from '../config/next-hops.ts';
import { packageVersion } from '../config/package.ts';
import type { Config } from '../config/schema.ts';
import { exitCodeFor, messageOf } from '../database/exit.ts';
import { isDatabaseUnavailable } from '../database/open.ts';
import { type Claims, createClaims } from '../delivery/claims.ts';
import { type Engine, openEngine } from '../delivery/engine.ts';
import { EXIT } from '../host/exit-codes.ts';
import { createServiceNotifier, passedSockets } from '../host/systemd.ts';
import { type ObserveServer, startObserveServer } from '../http/observe.ts';
import { startNotices } from '../notices/notices.ts';
import { createLogger, type Logger, placesOf } from '../observe/log.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { createRates } from '../observe/rates.ts';
import { within } from '../pacing/within.ts';
import { getReady } from '../serve/get-ready.ts';
import { heedHangUps } from '../serve/hang-up.ts';
import { servePrimary } from '../serve/primary.ts';
import { createReloads } from '../serve/reload.ts';
import { describeRunning, listenersOf, type Running, readiness } from '../serve/running.ts';
import { shareOf, warningsAboutShares } from '../serve/share.ts';
import { type StopSignal, stopRequested } from '../serve/stop-signal.ts';
import { warmUp } from '../serve/warm-up.ts';
import { linkToPrimary, type WorkerDuties, workerPlace } from '../serve/worker.ts';
import { WorkerNotStarted } from '../serve/workers.ts';
import { withCommonOptions } from './command.ts';

const PARTS = ['filter', 'policy', 'receiver', 'observe'] as const;
type Part = (typeof PARTS)[number];

interface ServeOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly only?: readonly Part[];
  readonly workers: number;
}

export function registerServe(program: Command): void {
  withCommonOptions(
    program
      .command('serve')
      .description(
        'run the filter, the lookup daemons, the receiver and the metrics server until SIGTERM; SIGHUP re-reads the configuration',
      )
      .option('--only <parts>', `run only some of: ${PARTS.join(', ')}`, parseParts)
      .option(
        '--workers <number>',
        'processes that share the listeners of the filter and the lookup daemons; auto: one per core',
        parseWorkers,
        1,
      ),
    'sealpost serve --workers auto',
  ).action(async (options: ServeOptions) => {
    try {
      await serve(options);
    } catch (error) {
      process.stderr.write(`sealpost: ${messageOf(error)}\n`);
      process.exitCode = error instanceof WorkerNotStarted ? error.exitCode : exitCodeFor(error);
    }
    // The channel to the primary would keep a worker alive.
    if (workerPlace() !== null) process.exit();
  });
}

function parseParts(text: string): readonly Part[] {
  const parts = text.split(',').map((part) => part.trim());
  for (const part of parts) {
    if (!PARTS.some((known) => known === part)) {
      throw new InvalidArgumentError(
        `found "${part}", expected one or more of ${PARTS.join(', ')}, separated by commas`,
      );
    }
  }
  return PARTS.filter((part) => parts.includes(part));
}

const MOST_WORKERS = 64;

function parseWorkers(text: string): number {
  const number = text === 'auto' ? availableParallelism() : Number(text);
  if (!Number.isInteger(number) || number < 1 || number > MOST_WORKERS)
    throw new InvalidArgumentError(`found "${text}", expected a number from 1 to ${MOST_WORKERS}, or auto`);
  return number;
}

/** What a worker can do while it is still waiting for its database. */
function beforeReady(stop: StopSignal, claims: Claims): WorkerDuties {
  const notYet = async (): Promise<never> => {
    throw new Error('not ready yet');
  };
  return {
    answers: { metrics: notYet, health: notYet, status: notYet, reload: notYet },
    stop: () => stop.stop('the primary'),
    heard: claims.heard,
  };
}

/** How long to wait between attempts to reach the database at start. */
const RETRY_MS = [200, 500, 1000, 2000, 5000] as const;

/** To record what became of a notice. */
const SETTLE_MS = 1000;

async function serve(options: ServeOptions): Promise<void> {
  const hangUps = heedHangUps();
  const place = workerPlace();
  const load = (): LoadedConfig => loadConfig(options.config === undefined ? {} : { path: options.config });
  const loaded = load();
  const { config: whole, path, warnings } = loaded;
  const parts = new Set<Part>(options.only ?? PARTS);
  const logger = createLogger({ level: whole.observe.log_level });
  if (place === null)
    for (const warning of [...warnings, ...warningsAboutShares(whole, options.workers)]) logger.warn(warning);
  if (place === null && options.workers > 1) {
    await servePrimary({ loaded, workers: options.workers, observe: parts.has('observe'), hangUps, logger });
    return;
  }
  if (place !== null) parts.delete('observe');
  if (place !== null && place.number > 1) parts.delete('receiver');
  const ourShare = (config: Config): Config => (place === null ? config : shareOf(config, place.of));
  const config = ourShare(whole);
  const metrics = createMetrics();
  const stop = stopRequested({ insistent: place === null });
  let duties: WorkerDuties | undefined;
  const link = place === null ? null : linkToPrimary(() => duties ?? beforeReady(stop, claims));
  const claims = createClaims(link?.peers ?? null);
  process.on('uncaughtException', (error) => {
    // Nothing is lost: what has not been answered stays in Postfix's queue.
    logger.fatal({ err: error, at: placesOf(error) }, 'unexpected error; ending');
    process.exit(EXIT.refused);
  });

  // While the database is being opened: whoever is served first finds everything warm.
  const warm = parts.has('filter') ? warmUp(config) : undefined;
  const engine = await openWhenReachable(config, logger, metrics, stop, claims);
  await warm;
  if (engine === undefined) return;
  const started = Date.now();
  const running: Running = { engine, rates: createRates(metrics) };
  const clients = () => running.proxy?.listeners().reduce((sum, { connections }) => sum + connections, 0);
  const ready = parts.has('filter')
    ? getReady({ config, engine, clients, stopping: stop.requested, logger })
    : undefined;
  let observe: ObserveServer | undefined;
  const reloads = createReloads({
    started: whole,
    load: () => load().config,
    async take(next) {
      const share = ourShare(next);
      await running.proxy?.reconfigure(share);
      engine.reconfigure(share);
      running.policy?.lookups.reconfigure(share);
      running.receiver?.reconfigure(next);
    },
    logger,
  });
  try {
    const health = () => readiness(running, parts);
    const notifier = createServiceNotifier(place === null ? process.env : {}, async () => true, logger);
    const passed = passedSockets(process.env, place === null ? process.pid : process.ppid);
    const notices =
      parts.has('filter') && (place === null || place.number === 1)
        ? startNotices({ config: reloads.current, ...engine, logger, metrics })
        : undefined;
    if (parts.has('policy')) running.policy = await startPolicyDaemons(config, logger, metrics, passed);
    // Only one worker runs the receiver, so its limits are not divided.
    if (parts.has('receiver') && wantsReceiver(whole))
      running.receiver = await startReceiver(whole, engine, logger, metrics, passed);
    const endpoint = parts.has('receiver') ? whole.receiver.api.listen : null;
    if (endpoint !== null) {
      // An HTTP server takes a tenth of a second to load, and few have it.
      const { startApi } = await import('../../receiver/api/server.ts');
      running.api = await startApi(whole, endpoint, engine.database, logger, metrics);
    }
    const status = () => describeRunning(running, reloads.current(), path, started);
    observe =
      parts.has('observe') && whole.observe.listen !== null
        ? await startObserveServer({ endpoint: whole.observe.listen, metrics, logger, health, status })
        : undefined;
    await ready;
    // Last, so that whoever is greeted need not wait for anything else.
    if (parts.has('filter')) running.proxy = await startProxyFilter(config, engine, logger, metrics, passed);
    const listeners = listenersOf(running);
    const unclaimed = [...passed.keys()].filter(
      (name) => !listeners.some((listener) => listener.name === name),
    );
    // The second worker has no receiver, whose socket the first one serves.
    if (unclaimed.length > 0 && (place === null || place.number === 1))
      logger.warn(
        { names: unclaimed },
        'systemd passes sockets that no listener is named for (FileDescriptorName=): nobody answers there',
      );
    logger.info(
      {
        version: packageVersion(),
        config: path,
        listeners: listeners.map((listener) => `${listener.name} ${listener.address}`),
        next_hop: describeNextHops(config.filter),
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
    duties = {
      answers: {
        metrics: () => metrics.registry.getMetricsAsJSON(),
        health,
        status,
        reload: async () => {
          await reloads.reload();
          return null;
        },
      },
      stop: () => stop.stop('the primary'),
      heard: claims.heard,
    };
    link?.ready();
    const signal = await stop.promise;
    hangUps.ignore();
    logger.info({ signal }, 'stopping: no new connections; what is in flight is finished');
    notifier.stopping();
    const { shutdown_grace } = reloads.current().filter;
    const graceEnds = Date.now() + shutdown_grace;
    const noticesEnded = notices?.close();
    const { proxy, receiver, api, policy } = running;
    await Promise.all([proxy?.close(shutdown_grace), receiver?.close(shutdown_grace), api?.close()]);
    await engine.settle(graceEnds);
    // A mail that is still being sent keeps its claim, and is not sent twice.
    await within(SETTLE_MS, Promise.resolve(noticesEnded), undefined);
    await policy?.close();
    notifier.close();
  } finally {
    await running.proxy?.close(0);
    await running.receiver?.close(0);
    await running.policy?.close();
    await running.api?.close(0);
    await observe?.close();
    running.rates.close();
    await engine.close();
  }
  logger.info('stopped');
  process.exit(process.exitCode ?? EXIT.done);
}

/** A database that is away at start is waited for: Postfix finds no listener, and keeps its mail. */
async function openWhenReachable(
  config: Config,
  logger: Logger,
  metrics: Metrics,
  stop: StopSignal,
  claims: Claims,
): Promise<Engine | undefined> {
  for (let attempt = 0; !stop.requested(); attempt += 1) {
    try {
      return await openEngine({ config, logger, metrics, watchChanges: true, claims });
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error;
      const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 5000;
      logger.error({ err: error, retryMs: wait }, 'the database cannot be reached');
      await within(wait, stop.promise, undefined);
    }
  }
  return undefined;
}

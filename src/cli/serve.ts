// `sealpost serve`: opens the engine and the listeners, and lives until a signal. SIGTERM ends gracefully, SIGHUP re-reads
// the configuration. The parts themselves are elsewhere; this is their life.
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { type ProxyFilter, startProxyFilter } from '../../filters/proxy.ts';
import { warmUp, warmUpDatabase, warmUpFurther } from '../../filters/warm-up.ts';
import { type PolicyDaemons, startPolicyDaemons } from '../../policy/daemons.ts';
import type { Api } from '../../receiver/api/server.ts';
import { type Receiver, startReceiver, wantsReceiver } from '../../receiver/receiver.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { packageVersion } from '../config/package.ts';
import type { Config } from '../config/schema.ts';
import { formatNextHop } from '../config/units.ts';
import { isDatabaseUnavailable } from '../database/open.ts';
import { type Claims, createClaims } from '../delivery/claims.ts';
import { type Engine, openEngine } from '../delivery/engine.ts';
import { startNotices } from '../delivery/notices.ts';
import { createLogger, type Logger } from '../observe/log.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { type ObserveServer, startObserveServer } from '../observe/server.ts';
import { createServiceNotifier, passedSockets } from '../observe/systemd.ts';
import { EXIT, exitCodeFor, messageOf, withCommonOptions } from './command.ts';
import { servePrimary } from './serve-primary.ts';
import { shareOf } from './share.ts';
import { type StopSignal, stopRequested } from './stop-signal.ts';
import { linkToPrimary, type WorkerDuties, workerPlace } from './worker.ts';
import { WorkerNotStarted } from './workers.ts';

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
  const place = workerPlace();
  const load = (): LoadedConfig => {
    const loaded = loadConfig(options.config === undefined ? {} : { path: options.config });
    return place === null ? loaded : { ...loaded, config: shareOf(loaded.config, place.of) };
  };
  const loaded = load();
  const { config, path, warnings } = loaded;
  const parts = new Set<Part>(options.only ?? PARTS);
  const logger = createLogger({ level: config.observe.log_level });
  if (place === null) for (const warning of warnings) logger.warn(warning);
  if (place === null && options.workers > 1) {
    await servePrimary({ loaded, workers: options.workers, observe: parts.has('observe'), logger });
    return;
  }
  if (place !== null) parts.delete('observe');
  if (place !== null && place.number > 1) parts.delete('receiver');
  const metrics = createMetrics();
  const stop = stopRequested({ insistent: place === null });
  let duties: WorkerDuties | undefined;
  const link = place === null ? null : linkToPrimary(() => duties ?? beforeReady(stop, claims));
  const claims = createClaims(link?.peers ?? null);
  process.on('uncaughtException', (error) => {
    // Nothing is lost: what has not been answered stays in Postfix's queue.
    logger.fatal(
      { err: { name: error.name, message: error.message, stack: error.stack } },
      'unexpected error; ending',
    );
    process.exit(EXIT.refused);
  });

  // While the database is being opened: whoever is served first finds everything warm.
  const warm = parts.has('filter') ? warmUp(config) : undefined;
  const engine = await openWhenReachable(config, logger, metrics, stop, claims);
  await warm;
  if (engine === undefined) return;
  if (parts.has('filter')) void warmUpDatabase(engine);
  const started = Date.now();
  let proxy: ProxyFilter | undefined;
  let policy: PolicyDaemons | undefined;
  let api: Api | undefined;
  let receiver: Receiver | undefined;
  let observe: ObserveServer | undefined;
  /** What holds now: a reload replaces it. */
  let running = config;
  try {
    const health = () => readiness(engine, proxy, policy, receiver, parts);
    const notifier = createServiceNotifier(place === null ? process.env : {}, async () => true, logger);
    const passed = passedSockets(process.env, place === null ? process.pid : process.ppid);
    const notices =
      parts.has('filter') && (place === null || place.number === 1)
        ? startNotices({ config: () => running, ...engine, logger, metrics })
        : undefined;
    if (parts.has('policy')) policy = await startPolicyDaemons(config, logger, metrics, passed);
    if (parts.has('receiver') && wantsReceiver(config))
      receiver = await startReceiver(config, engine, logger, metrics, passed);
    const endpoint = parts.has('receiver') ? config.receiver.api.listen : null;
    if (endpoint !== null) {
      // An HTTP server takes a tenth of a second to load, and few have it.
      const { startApi } = await import('../../receiver/api/server.ts');
      api = await startApi(config, endpoint, engine.database, logger, metrics);
    }
    const listeners = () => [
      ...(proxy?.listeners() ?? []),
      ...(policy?.listeners() ?? []),
      ...(receiver?.listeners() ?? []),
      ...(api === undefined ? [] : [api]),
    ];
    const status = async () => describeRunning(running, path, started, listeners(), proxy, receiver, engine);
    observe =
      parts.has('observe') && config.observe.listen !== null
        ? await startObserveServer({
            endpoint: config.observe.listen,
            metrics,
            logger,
            health,
            status,
          })
        : undefined;
    // Last, so that whoever is greeted need not wait for anything else.
    if (parts.has('filter')) proxy = await startProxyFilter(config, engine, logger, metrics, passed);
    logger.info(
      {
        version: packageVersion(),
        config: path,
        listeners: listeners().map((listener) => `${listener.name} ${listener.address}`),
        next_hop: formatNextHop(config.filter.next_hop),
      },
      'sealpost is ready',
    );
    notifier.ready();
    const takeConfiguration = async (): Promise<void> => {
      running = await reconfigure(load, running, engine, logger, proxy, policy, receiver);
    };
    const reload = (): void => {
      notifier.reloading();
      void takeConfiguration().then(() => notifier.ready());
    };
    // The primary passes SIGHUP on in its own time: two workers must not open a new socket at once.
    if (place !== null) process.on('SIGHUP', () => undefined);
    else process.on('SIGHUP', reload);
    duties = {
      answers: {
        metrics: () => metrics.registry.getMetricsAsJSON(),
        health,
        status,
        reload: async () => {
          await takeConfiguration();
          return null;
        },
      },
      stop: () => stop.stop('the primary'),
      heard: claims.heard,
    };
    link?.ready();
    if (parts.has('filter')) void warmUpFurther(config, () => !stop.requested());
    const signal = await stop.promise;
    process.off('SIGHUP', reload);
    logger.info({ signal }, 'stopping: no new connections; what is in flight is finished');
    notifier.stopping();
    const { shutdown_grace } = running.filter;
    const graceEnds = Date.now() + shutdown_grace;
    const noticesEnded = notices?.close();
    await Promise.all([proxy?.close(shutdown_grace), receiver?.close(shutdown_grace), api?.close()]);
    await engine.settle(graceEnds);
    // A mail that is still being sent keeps its claim, and is not sent twice.
    await Promise.race([noticesEnded, new Promise((resolve) => setTimeout(resolve, SETTLE_MS).unref())]);
    await policy?.close();
    notifier.close();
  } finally {
    await proxy?.close(0);
    await receiver?.close(0);
    await policy?.close();
    await api?.close(0);
    await observe?.close();
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
      await Promise.race([stop.promise, new Promise((resolve) => setTimeout(resolve, wait))]);
    }
  }
  return undefined;
}

/** What is fixed at start; everything else takes effect on SIGHUP. */
const FIXED_AT_START: Readonly<Record<string, (config: Config) => unknown>> = {
  hostname: (config) => config.hostname,
  state_dir: (config) => config.state_dir,
  database: (config) => config.database,
  keys: (config) => config.keys,
  recipient_delimiter: (config) => config.recipient_delimiter,
  mailbox_domain: (config) => config.mailbox_domain,
  policy: (config) => config.policy,
  'receiver.spool': (config) => config.receiver.spool,
  'receiver.listen': (config) => config.receiver.listen,
  'observe.listen': (config) => config.observe.listen,
  'receiver.api': (config) => config.receiver.api,
  'filter.memory_budget': (config) => config.filter.memory_budget,
  'filter.duplicate_lifetime': (config) => config.filter.duplicate_lifetime,
};

/**
 * Takes the new configuration; one that is wrong, or whose listeners cannot be opened, is logged, and nothing changes.
 * @returns the configuration that holds now
 */
async function reconfigure(
  load: () => LoadedConfig,
  running: Config,
  engine: Engine,
  logger: Logger,
  proxy: ProxyFilter | undefined,
  policy: PolicyDaemons | undefined,
  receiver: Receiver | undefined,
): Promise<Config> {
  try {
    const { config } = load();
    const needsRestart = Object.entries(FIXED_AT_START)
      .filter(([, value]) => JSON.stringify(value(config)) !== JSON.stringify(value(running)))
      .map(([key]) => key);
    await proxy?.reconfigure(config);
    engine.reconfigure(config);
    policy?.lookups.reconfigure(config);
    receiver?.reconfigure(config);
    logger.level = config.observe.log_level;
    logger.info({ needsRestart }, 'configuration re-read');
    return config;
  } catch (error) {
    logger.error({ err: error }, 'the new configuration is not used');
    return running;
  }
}

async function readiness(
  engine: Engine,
  proxy: ProxyFilter | undefined,
  policy: PolicyDaemons | undefined,
  receiver: Receiver | undefined,
  parts: ReadonlySet<Part>,
): Promise<{ readonly ready: boolean; readonly reasons: readonly string[] }> {
  const reasons: string[] = [];
  try {
    await engine.database.pool.query('SELECT 1');
  } catch {
    reasons.push('the database does not answer');
  }
  if (parts.has('filter') && proxy === undefined) reasons.push('the filter listeners are not open yet');
  if (parts.has('policy') && policy === undefined) reasons.push('the lookup listeners are not open yet');
  reasons.push(...((await receiver?.complaints()) ?? []));
  return { ready: reasons.length === 0, reasons };
}

async function describeRunning(
  config: Config,
  path: string | null,
  started: number,
  listeners: readonly { readonly name: string; readonly address: string; readonly connections: number }[],
  proxy: ProxyFilter | undefined,
  receiver: Receiver | undefined,
  engine: Engine,
) {
  return {
    version: packageVersion(),
    pid: process.pid,
    config: path,
    uptime_seconds: Math.round((Date.now() - started) / 1000),
    next_hop: formatNextHop(config.filter.next_hop),
    listeners: listeners.map((listener) => ({
      name: listener.name,
      address: listener.address,
      connections: listener.connections,
    })),
    in_flight: {
      transactions: proxy?.inFlight() ?? 0,
      bytes: proxy?.bytesInFlight() ?? 0,
      late: engine.deliverer.lateDeliveries(),
    },
    spools: (await receiver?.describe()) ?? [],
  };
}

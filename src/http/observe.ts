// The small HTTP server for /metrics, /healthz, /readyz and /status. GET only; it tells numbers and states, never an address.
import type { FastifyInstance } from 'fastify';
import type { Endpoint } from '../config/units.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { within } from '../pacing/within.ts';
import { refuseForeignHosts } from './own-hosts.ts';
import { createHttpServer, type HttpListener, listenHttp } from './server.ts';

/** Whether work can be done now, and if not, why: one short sentence each. */
export interface Health {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

export interface ObserveServerOptions {
  readonly endpoint: Endpoint;
  /** A socket passed by systemd, used instead of opening `endpoint`. */
  readonly fd?: number | undefined;
  /** What /metrics answers: of this process, or of all that belong together. */
  readonly metrics: { readonly registry: Pick<Metrics['registry'], 'contentType' | 'metrics'> };
  readonly logger: Logger;
  /** Our own name, and those of observe.hosts: requests for other hosts are refused. */
  readonly hosts: readonly string[];
  /** Asked by /readyz. A rejection, or silence for longer than `healthTimeout`, is "not ready". */
  health(): Promise<Health>;
  /** What /status answers: version, uptime, listeners, what is in flight. */
  status?(): unknown;
  /** Milliseconds; default 5000, below the patience of usual probes. */
  readonly healthTimeout?: number;
}

const BODY_LIMIT_BYTES = 1024;
const IDLE_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 10_000;
const MOST_CONNECTIONS = 100;

/** Its name in /status, and the FileDescriptorName of its socket. */
export const OBSERVE_LISTENER = 'observe';

/**
 * Opens the server on a TCP port or a unix socket.
 * @throws Error that names the address and what is wrong with it
 */
export function startObserveServer(options: ObserveServerOptions): Promise<HttpListener> {
  const { endpoint, fd, logger } = options;
  return listenHttp(createServer(options), {
    name: OBSERVE_LISTENER,
    title: 'observe.listen',
    endpoint,
    fd,
    logger,
  });
}

function createServer(options: ObserveServerOptions): FastifyInstance {
  const { metrics, logger, hosts } = options;
  const server = createHttpServer({
    logger,
    request: 'a request to the observe listener',
    refusal: () => 'bad request',
    bodyLimitBytes: BODY_LIMIT_BYTES,
    maxConnections: MOST_CONNECTIONS,
    idleTimeoutMs: IDLE_TIMEOUT_MS,
    keepAliveMs: KEEP_ALIVE_MS,
  });
  refuseForeignHosts(server, { names: hosts, setting: 'observe.hosts', logger });
  server.addHook('onRequest', async (request, reply) => {
    if (request.method === 'GET') return;
    return reply.code(405).headers({ allow: 'GET', connection: 'close' }).send({ error: 'only GET' });
  });
  server.setNotFoundHandler((_, reply) =>
    reply.code(404).send({ error: 'there are /metrics, /healthz, /readyz and /status' }),
  );

  server.get('/metrics', async (_, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  server.get('/healthz', async () => ({ alive: true }));
  server.get('/readyz', async (_, reply) => {
    const { ready, reasons } = await askHealth(options);
    return reply.code(ready ? 200 : 503).send({ ready, reasons });
  });
  server.get('/status', async () => (await options.status?.()) ?? {});
  return server;
}

async function askHealth(options: ObserveServerOptions): Promise<Health> {
  const limit = options.healthTimeout ?? 5000;
  try {
    return await within(limit, options.health(), {
      ready: false,
      reasons: [`no answer within ${limit} ms`],
    });
  } catch (error) {
    options.logger.warn({ event: 'readiness_failed', err: error }, 'the readiness check failed');
    return { ready: false, reasons: ['the readiness check failed'] };
  }
}

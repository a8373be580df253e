// The small HTTP server for /metrics, /healthz, /readyz and /status, and the page for people. GET only; it tells numbers and states,
// never an address.
import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';
import type { Endpoint } from '../config/units.ts';
import type { Health } from '../observe/health.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { within } from '../pacing/within.ts';
import { refuseForeignHosts } from './own-hosts.ts';
import { addPage, type PageOptions } from './page/page.ts';
import { createHttpServer, type HttpListener, listenHttp } from './server.ts';

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
  /** What GET / shows beside health and status; absent: there is no page. */
  readonly page?: PageOptions;
  /** Milliseconds; default 5000, below the patience of usual probes. */
  readonly healthTimeout?: number;
}

/** No page has a script, and none could write markup. */
const POLICY = {
  defaultSrc: ["'none'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
  baseUri: ["'none'"],
  requireTrustedTypesFor: ["'script'"],
  trustedTypes: ["'none'"],
};

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
export async function startObserveServer(options: ObserveServerOptions): Promise<HttpListener> {
  const { endpoint, fd, logger } = options;
  return listenHttp(await createServer(options), {
    name: OBSERVE_LISTENER,
    title: 'observe.listen',
    endpoint,
    fd,
    logger,
  });
}

async function createServer(options: ObserveServerOptions): Promise<FastifyInstance> {
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
  await server.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: POLICY },
    // Whoever speaks TLS in front of it decides for its whole host.
    strictTransportSecurity: false,
    referrerPolicy: { policy: 'no-referrer' },
    frameguard: { action: 'deny' },
  });
  const paths = `there are ${options.page === undefined ? '' : '/, '}/metrics, /healthz, /readyz and /status`;
  server.setNotFoundHandler((_, reply) => reply.code(404).send({ error: paths }));

  server.get('/metrics', async (_, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  server.get('/healthz', async () => ({ alive: true }));
  server.get('/readyz', async (_, reply) => {
    const { ready, reasons } = await askHealth(options);
    return reply.code(ready ? 200 : 503).send({ ready, reasons });
  });
  const status = async (): Promise<unknown> => (await options.status?.()) ?? {};
  server.get('/status', status);
  if (options.page !== undefined) addPage(server, options.page, { health: () => askHealth(options), status });
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

// The small HTTP server for /metrics, /healthz, /readyz and /status. GET only; it tells numbers and states, never an address.
import { type FastifyInstance, fastify } from 'fastify';
import { type Endpoint, formatEndpoint } from '../config/units.ts';
import { clearStaleSocket } from '../host/unix-socket.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { within } from '../pacing/within.ts';

/** Whether work can be done now, and if not, why: one short sentence each. */
export interface Health {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

export interface ObserveServerOptions {
  readonly endpoint: Endpoint;
  /** What /metrics answers: of this process, or of all that belong together. */
  readonly metrics: { readonly registry: Pick<Metrics['registry'], 'contentType' | 'metrics'> };
  readonly logger: Logger;
  /** Asked by /readyz. A rejection, or silence for longer than `healthTimeout`, is "not ready". */
  health(): Promise<Health>;
  /** What /status answers: version, uptime, listeners, what is in flight. */
  status?(): unknown;
  /** Milliseconds; default 5000, below the patience of usual probes. */
  readonly healthTimeout?: number;
}

export interface ObserveServer {
  /** Where it listens; the real port where 0 was asked for. */
  readonly address: Endpoint;
  /** Ends every connection and frees the address. */
  close(): Promise<void>;
}

const HEADER_LIMIT_BYTES = 8192;
const REQUEST_TIMEOUT_MS = 10_000;
const MOST_CONNECTIONS = 100;

/**
 * Opens the server on a TCP port or a unix socket. A socket file that nobody listens on any more is replaced.
 * @throws Error that names the address and what is wrong with it
 */
export async function startObserveServer(options: ObserveServerOptions): Promise<ObserveServer> {
  const server = createServer(options);
  await listen(server, options.endpoint);
  const bound = server.server.address();
  const address: Endpoint =
    options.endpoint.kind === 'inet' && typeof bound === 'object' && bound !== null
      ? { ...options.endpoint, port: bound.port }
      : options.endpoint;
  return { address, close: () => server.close() };
}

function createServer(options: ObserveServerOptions): FastifyInstance {
  const { metrics, logger } = options;
  const server = fastify({
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    bodyLimit: 1024,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: 30_000,
    keepAliveTimeout: REQUEST_TIMEOUT_MS,
    http: { maxHeaderSize: HEADER_LIMIT_BYTES, headersTimeout: REQUEST_TIMEOUT_MS },
  });
  server.server.maxConnections = MOST_CONNECTIONS;

  server.addHook('onRequest', async (request, reply) => {
    if (request.method === 'GET') return;
    return reply.code(405).headers({ allow: 'GET', connection: 'close' }).send({ error: 'only GET' });
  });
  server.setNotFoundHandler((_, reply) =>
    reply.code(404).send({ error: 'there are /metrics, /healthz, /readyz and /status' }),
  );
  server.setErrorHandler((error, _, reply) => {
    const code = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
    if (code >= 400 && code < 500) return reply.code(code).send({ error: 'bad request' });
    logger.error({ err: error }, 'a request to the observe listener failed');
    return reply.code(500).send({ error: 'internal error' });
  });

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
    options.logger.warn({ err: error }, 'the readiness check failed');
    return { ready: false, reasons: ['the readiness check failed'] };
  }
}

async function listen(server: FastifyInstance, endpoint: Endpoint): Promise<void> {
  const obstacle = endpoint.kind === 'unix' ? await clearStaleSocket(endpoint.path) : null;
  if (obstacle !== null) {
    await server.close();
    throw new Error(`observe.listen: ${obstacle}`);
  }
  try {
    await server.listen(
      endpoint.kind === 'unix' ? { path: endpoint.path } : { host: endpoint.host, port: endpoint.port },
    );
  } catch (error) {
    await server.close();
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new Error(
      `observe.listen: cannot listen on ${formatEndpoint(endpoint)}: ${REASONS[code] ?? code}`,
      {
        cause: error,
      },
    );
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process uses that address',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES: 'no permission',
  ENOENT: 'the folder of the socket does not exist',
  ENOTFOUND: 'the host name is unknown',
};

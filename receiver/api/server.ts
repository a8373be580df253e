// The HTTP interface of the queue: a fastify server with its limits, errors that tell nothing, and metrics. TLS is spoken by a
// proxy in front of it (docs/pull.md).
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import { type FastifyInstance, type FastifyServerOptions, fastify } from 'fastify';
import { packageVersion } from '../../src/config/package.ts';
import type { Config } from '../../src/config/schema.ts';
import { type Endpoint, formatEndpoint } from '../../src/config/units.ts';
import { type Database, isDatabaseUnavailable } from '../../src/database/open.ts';
import { explainListenError } from '../../src/host/listen-error.ts';
import { trustedClients } from '../../src/host/trusted-clients.ts';
import { clearStaleSocket, setAccess } from '../../src/host/unix-socket.ts';
import type { Logger } from '../../src/observe/log.ts';
import type { Metrics } from '../../src/observe/metrics.ts';
import { stillGood } from '../queue/tokens.ts';
import { createArrivals, listenForArrivals } from './arrivals.ts';
import type { ApiContext } from './context.ts';
import { addRoutes } from './routes.ts';

export interface Api {
  readonly name: string;
  /** As a person writes it; the port that was really opened. */
  readonly address: string;
  readonly connections: number;
  /** Takes no new requests, ends the event streams, and gives other answers so many milliseconds. Twice is harmless. */
  close(grace?: number): Promise<void>;
}

const HEADER_LIMIT_BYTES = 8192;
/** A thousand ids. */
const BODY_LIMIT_BYTES = 128 * 1024;
/** For a whole request to come in; its header section alone has as long. */
const REQUEST_TIMEOUT_MS = 10_000;
/** A client that takes nothing of its answer for so long is gone. Heartbeats are more frequent. */
const IDLE_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 30_000;
const HEARTBEAT_MS = 15_000;
const CLOSE_GRACE_MS = 5000;

/**
 * Whose X-Forwarded-For is believed, as fastify takes it: that of the listed proxies, and on a unix socket, which has no
 * address, that of whoever may open it. Pure.
 */
function trustProxy({
  listen,
  trusted_proxies,
}: ApiContext['config']): NonNullable<FastifyServerOptions['trustProxy']> {
  if (listen?.kind !== 'unix') return trusted_proxies.length === 0 ? false : [...trusted_proxies];
  const listed = trustedClients(trusted_proxies);
  return (address, hop) => hop === 0 || listed(address);
}

/** Makes the server, without a socket. For tests, and for {@link startApi}. */
export async function createApi(context: ApiContext, metrics: Metrics): Promise<FastifyInstance> {
  const { config, logger } = context;
  const server = fastify({
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    trustProxy: trustProxy(config),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: IDLE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { maxHeaderSize: HEADER_LIMIT_BYTES, headersTimeout: REQUEST_TIMEOUT_MS },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
  });
  server.server.maxConnections = config.max_connections;
  server.decorateRequest('bearer', null);
  await server.register(rateLimit, { global: false });
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'sealpost queue',
        description:
          "A user's sealed mail: list, fetch, acknowledge. Nothing here can be read without the user's secret key.",
        version: packageVersion(),
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
  });

  server.addHook('onSend', async (_, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
  });
  server.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    metrics.apiRequests.inc({ route, status: String(reply.statusCode) });
    logger.debug(
      { method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'api',
    );
  });
  server.setNotFoundHandler((_, reply) =>
    reply.code(404).send({ error: 'no such resource; see /v1/openapi.json' }),
  );
  server.setErrorHandler((error, _, reply) => {
    const code = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
    if (code >= 400 && code < 500 && error instanceof Error)
      return reply.code(code).send({ error: error.message });
    if (isDatabaseUnavailable(error)) {
      logger.warn(
        { err: error },
        'the database cannot be asked; a request to the HTTP interface was put off',
      );
      return reply.code(503).header('retry-after', 5).send({ error: 'not now; try again later' });
    }
    logger.error({ err: error }, 'a request to the HTTP interface failed');
    return reply.code(500).send({ error: 'internal error' });
  });
  addRoutes(server, context);
  return server;
}

/**
 * Opens the interface on its endpoint.
 * @throws Error with one sentence that names the listener, its address and the reason; DatabaseUnavailable
 */
export async function startApi(
  config: Config,
  endpoint: Endpoint,
  database: Database,
  logger: Logger,
  metrics: Metrics,
): Promise<Api> {
  const board = createArrivals((tokens) => stillGood(database.pool, tokens));
  const arrivals = await listenForArrivals(config, board, logger);
  const server = await createApi(
    { database: database.pool, config: config.receiver.api, logger, arrivals, heartbeat: HEARTBEAT_MS },
    metrics,
  );
  let open = 0;
  server.server.on('connection', (socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
  });
  try {
    await listen(server, endpoint);
  } catch (error) {
    await arrivals.close();
    await server.close();
    throw new Error(
      `the listener receiver.api on ${formatEndpoint(endpoint)} cannot be opened: ${explainListenError(error)}`,
      { cause: error },
    );
  }
  const bound = server.server.address();
  const address = formatEndpoint(
    endpoint.kind === 'inet' && bound !== null && typeof bound === 'object'
      ? { kind: 'inet', host: bound.address, port: bound.port }
      : endpoint,
  );
  let closing: Promise<void> | undefined;
  return {
    name: 'receiver.api',
    address,
    get connections() {
      return open;
    },
    close(grace = CLOSE_GRACE_MS) {
      closing ??= (async () => {
        await arrivals.close();
        server.server.close();
        server.server.closeIdleConnections();
        for (const until = Date.now() + grace; open > 0 && Date.now() < until; ) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          server.server.closeIdleConnections();
        }
        await server.close();
      })();
      return closing;
    },
  };
}

async function listen(server: FastifyInstance, endpoint: Endpoint): Promise<void> {
  if (endpoint.kind === 'inet') {
    await server.listen({ host: endpoint.host, port: endpoint.port });
    return;
  }
  const obstacle = await clearStaleSocket(endpoint.path);
  if (obstacle !== null) throw new Error(obstacle);
  await server.listen({ path: endpoint.path });
  // Whoever connects needs a token.
  await setAccess(endpoint.path, '0666', undefined);
}

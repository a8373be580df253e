// The HTTP interface of the queue: a fastify server with its limits, errors that tell nothing, and metrics. TLS is spoken by a
// proxy in front of it (docs/pull.md).
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import { packageVersion } from '../../src/config/package.ts';
import type { Config } from '../../src/config/schema.ts';
import type { Endpoint } from '../../src/config/units.ts';
import type { Database } from '../../src/database/open.ts';
import { trustedClients } from '../../src/host/trusted-clients.ts';
import { modeFor } from '../../src/host/unix-socket.ts';
import { warnOfForwarded } from '../../src/http/forwarded.ts';
import { refuseForeignHosts } from '../../src/http/own-hosts.ts';
import { createHttpServer, type HttpListener, listenHttp } from '../../src/http/server.ts';
import type { Logger } from '../../src/observe/log.ts';
import type { Metrics } from '../../src/observe/metrics.ts';
import { stillGood } from '../queue/tokens.ts';
import { createArrivals, listenForArrivals } from './arrivals.ts';
import type { ApiContext } from './context.ts';
import { addRoutes } from './routes.ts';

/** A thousand ids. */
const BODY_LIMIT_BYTES = 128 * 1024;
/** Heartbeats are more frequent. */
const IDLE_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 30_000;
const HEARTBEAT_MS = 15_000;

/** The name of the listener in /status, and the FileDescriptorName of its socket. */
export const API_LISTENER = 'receiver.api';

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
  const { config, hostname, logger } = context;
  const server = createHttpServer({
    logger,
    request: 'a request to the HTTP interface',
    refusal: (error) => error.message,
    bodyLimitBytes: BODY_LIMIT_BYTES,
    maxConnections: config.max_connections,
    idleTimeoutMs: IDLE_TIMEOUT_MS,
    keepAliveMs: KEEP_ALIVE_MS,
    more: {
      trustProxy: trustProxy(config),
      ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
    },
  });
  refuseForeignHosts(server, { names: [hostname, ...config.hosts], setting: 'receiver.api.hosts', logger });
  warnOfForwarded(server, {
    trusted: config.trusted_proxies,
    setting: 'receiver.api.trusted_proxies',
    logger,
  });
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
  addRoutes(server, context);
  return server;
}

/**
 * Opens the interface on its endpoint.
 * @param fd a socket passed by systemd, used instead of opening `endpoint`
 * @returns closing it ends the event streams at once, and other answers after the grace
 * @throws Error with one sentence that names the listener, its address and the reason; DatabaseUnavailable
 */
export async function startApi(
  config: Config,
  endpoint: Endpoint,
  database: Database,
  logger: Logger,
  metrics: Metrics,
  fd?: number,
): Promise<HttpListener> {
  const { mode, group } = config.receiver.api;
  const board = createArrivals((tokens) => stillGood(database.pool, tokens));
  const arrivals = await listenForArrivals(config, board, logger);
  try {
    const server = await createApi(
      {
        database: database.pool,
        config: config.receiver.api,
        hostname: config.hostname,
        logger,
        arrivals,
        heartbeat: HEARTBEAT_MS,
      },
      metrics,
    );
    return await listenHttp(server, {
      name: API_LISTENER,
      title: `the listener ${API_LISTENER}`,
      endpoint,
      // Whoever connects needs a token.
      mode: modeFor(mode, group),
      group,
      fd,
      logger,
      endStreams: arrivals.close,
    });
  } catch (error) {
    await arrivals.close();
    throw error;
  }
}

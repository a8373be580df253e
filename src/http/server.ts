// What every HTTP server of sealpost has in common: limits, errors that tell nothing of the inside, listening, and an end that
// lets answers be finished. What it answers is its own.
import { type FastifyInstance, type FastifyServerOptions, fastify } from 'fastify';
import { type Endpoint, formatEndpoint } from '../config/units.ts';
import { isDatabaseUnavailable } from '../database/open.ts';
import { openListener } from '../host/listen.ts';
import type { Logger } from '../observe/log.ts';

export interface HttpServerOptions {
  readonly logger: Logger;
  /** What a request is called in the log, such as `a request to the observe listener`. */
  readonly request: string;
  /** What a client is told whose request is wrong (4xx). */
  readonly refusal: (error: Error) => string;
  readonly bodyLimitBytes: number;
  /** Open connections at most; further ones are closed at once. */
  readonly maxConnections: number;
  /** A client that takes nothing of its answer for so long is gone. */
  readonly idleTimeoutMs: number;
  /** A connection waits so long for its next request. */
  readonly keepAliveMs: number;
  /** For a whole request to come in; its header section alone has as long. Milliseconds; default 10 s. */
  readonly requestTimeoutMs?: number;
  /** What fastify takes beside. */
  readonly more?: Pick<FastifyServerOptions, 'trustProxy' | 'ajv' | 'routerOptions'>;
}

const HEADER_LIMIT_BYTES = 8192;
const REQUEST_TIMEOUT_MS = 10_000;
/** Node.js looks for requests beyond their deadline only so often; by itself every 30 s, three times the deadline. */
const LOOKS_PER_TIMEOUT = 10;
/** Seconds, for Retry-After. */
const PUT_OFF_S = 5;
const CLOSE_GRACE_MS = 5000;
const LOOK_AGAIN_MS = 20;

/** Makes a server without a socket: routes come next, then {@link listenHttp}. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const requestTimeout = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const server = fastify({
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    bodyLimit: options.bodyLimitBytes,
    requestTimeout,
    connectionTimeout: options.idleTimeoutMs,
    keepAliveTimeout: options.keepAliveMs,
    http: {
      maxHeaderSize: HEADER_LIMIT_BYTES,
      headersTimeout: requestTimeout,
      connectionsCheckingInterval: requestTimeout / LOOKS_PER_TIMEOUT,
    },
    ...options.more,
  });
  server.server.maxConnections = options.maxConnections;
  answerErrors(server, options);
  return server;
}

/** 4xx with a reason, 503 while the database is away, 500 without any for everything else. */
function answerErrors(server: FastifyInstance, { logger, request, refusal }: HttpServerOptions): void {
  server.setErrorHandler((error, _, reply) => {
    const code = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
    if (code >= 400 && code < 500 && error instanceof Error)
      return reply.code(code).send({ error: refusal(error) });
    if (isDatabaseUnavailable(error)) {
      logger.warn(
        { event: 'database_lost', err: error },
        `the database cannot be asked; ${request} was put off`,
      );
      return reply.code(503).header('retry-after', PUT_OFF_S).send({ error: 'not now; try again later' });
    }
    logger.error({ event: 'request_failed', err: error }, `${request} failed`);
    return reply.code(500).send({ error: 'internal error' });
  });
}

export interface HttpListenOptions {
  /** For the log and /status, and the FileDescriptorName of systemd. */
  readonly name: string;
  /** How the sentence of a failure begins. */
  readonly title: string;
  readonly endpoint: Endpoint;
  /** Of a unix socket, octal; default: what the umask leaves. */
  readonly mode?: string | undefined;
  /** Of a unix socket; default: the group of the process. */
  readonly group?: string | undefined;
  /** A socket passed by systemd, used instead of opening `endpoint`. */
  readonly fd?: number | undefined;
  readonly logger: Logger;
  /** Called first when the listener closes: ends the answers that would go on for ever. */
  readonly endStreams?: () => Promise<void>;
}

export interface HttpListener {
  readonly name: string;
  /** As a person writes it; the port that was really opened. */
  readonly address: string;
  readonly endpoint: Endpoint;
  readonly connections: number;
  /** Takes no new requests, and gives answers so many milliseconds; then every connection ends. Twice is harmless. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Opens a server on its endpoint.
 * @throws Error with one sentence that names the listener, its address and the reason; the server is closed then
 */
export async function listenHttp(
  server: FastifyInstance,
  { name, logger, endStreams, ...where }: HttpListenOptions,
): Promise<HttpListener> {
  const open = new Set<unknown>();
  server.server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  let endpoint: Endpoint;
  try {
    await server.ready();
    endpoint = await openListener(server.server, {
      ...where,
      logger: logger.child({ listener: name }),
      // On its own, fastify opens both addresses of "localhost".
      open: (opening) => server.listen(opening),
    });
  } catch (error) {
    await server.close();
    throw error;
  }
  let closing: Promise<void> | undefined;
  return {
    name,
    address: formatEndpoint(endpoint),
    endpoint,
    get connections() {
      return open.size;
    },
    close(graceMs = CLOSE_GRACE_MS) {
      closing ??= (async () => {
        await endStreams?.();
        await finish(server, () => open.size, graceMs);
      })();
      return closing;
    },
  };
}

async function finish(server: FastifyInstance, connections: () => number, graceMs: number): Promise<void> {
  const { server: sockets } = server;
  sockets.close();
  for (const until = Date.now() + graceMs; ; ) {
    sockets.closeIdleConnections();
    if (connections() === 0 || Date.now() >= until) break;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
  // fastify ends only those of a server that it opened itself.
  sockets.closeAllConnections();
  await server.close();
}

// The portal's HTTP server: limits, headers, cookies and tokens before any page, and errors as pages that tell nothing of the
// inside. TLS is spoken by the site's proxy in front of it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import cookie from '@fastify/cookie';
import csrf from '@fastify/csrf-protection';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { packageRoot } from '../src/config/package.ts';
import { isDatabaseUnavailable } from '../src/database/open.ts';
import { createHttpServer } from '../src/http/server.ts';
import { boundTo, limitedClient, type PortalContext, sendMessage } from './frame/context.ts';
import { isOwnHost, isOwnSource } from './frame/hosts.ts';
import { cookieName, cookieOptions, recogniseVisitor } from './frame/session.ts';
import { addPages } from './pages/pages.ts';
import { addPublishing, LONGEST_PART } from './publishing/publishing.ts';
import { type TrustedProxies, trustProxy } from './trust.ts';

/** A certificate of 256 KiB, in base64 and percent-encoded, comes to less. */
const BODY_LIMIT_BYTES = 640 * 1024;
const MOST_CONNECTIONS = 500;
const IDLE_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 10_000;
/** Requests a minute from one address (IPv6: a /64), whatever they ask. What costs more has limits of its own, in the database. */
const MOST_REQUESTS = 300;
const MINUTE_MS = 60_000;
const STYLE_AGE_S = 3600;

/** The tokens of forms are bound to the session's secret, which nobody guesses; this key only separates them from other uses. */
const FORM_KEY = 'sealpost portal: the token of a form';

const POLICY = {
  defaultSrc: ["'none'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  formAction: ["'self'"],
  frameAncestors: ["'none'"],
  baseUri: ["'none'"],
  // No page has a script; if one came in all the same, it could not write markup.
  requireTrustedTypesFor: ["'script'"],
  trustedTypes: ["'none'"],
};

/** Makes the server, without a socket. */
export async function createPortal(
  context: PortalContext,
  proxies: TrustedProxies,
): Promise<FastifyInstance> {
  const { logger } = context;
  const server = createHttpServer({
    logger,
    request: 'a request to the portal',
    refusal: () => 'bad request',
    bodyLimitBytes: BODY_LIMIT_BYTES,
    maxConnections: MOST_CONNECTIONS,
    idleTimeoutMs: IDLE_TIMEOUT_MS,
    keepAliveMs: KEEP_ALIVE_MS,
    more: { trustProxy: trustProxy(proxies), routerOptions: { maxParamLength: LONGEST_PART } },
  });
  server.decorateRequest('signedIn', null);
  server.decorateRequest('language', 'en');
  // Each in a context of its own: hooks, limits, cookies and headers of the one are none of the other's.
  if (context.door === null) await server.register(async (open) => addPublishing(open, context));
  await server.register(async (site) => addSite(site, context));
  return server;
}

/** All that people see; every path that is not published keys. */
async function addSite(server: FastifyInstance, context: PortalContext): Promise<void> {
  const { own } = context;
  server.addHook('onRequest', async (request, reply) => refuseStranger(context, request, reply));
  await server.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: POLICY },
    // The proxy that speaks TLS decides for its whole host.
    strictTransportSecurity: false,
    // With "no-referrer" browsers would write "Origin: null" into our own forms.
    referrerPolicy: { policy: 'same-origin' },
    frameguard: { action: 'deny' },
  });
  await server.register(cookie);
  await server.register(formbody, { bodyLimit: BODY_LIMIT_BYTES });
  await server.register(csrf, {
    cookieKey: cookieName('form', own),
    cookieOpts: cookieOptions(own),
    csrfOpts: { hmacKey: FORM_KEY },
    getToken: tokenOf,
    getUserInfo: boundTo,
  });
  // Before the session is looked up, and for pages that are not there too: what is refused asks the database nothing.
  await server.register(rateLimit, {
    global: false,
    max: MOST_REQUESTS,
    timeWindow: MINUTE_MS,
    keyGenerator: limitedClient,
  });
  server.addHook('onRequest', server.rateLimit());
  server.addHook('onSend', async (_, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
  addFiles(server);
  await server.register(async (pages) => {
    pages.addHook('onRequest', async (request, reply) =>
      recogniseVisitor(context, request as Parameters<typeof recogniseVisitor>[1], reply),
    );
    pages.addHook('preHandler', (request, reply, done) => {
      if (request.method === 'GET') done();
      else pages.csrfProtection(request, reply, done);
    });
    pages.setErrorHandler((error, request, reply) => sendError(context, error, request, reply));
    pages.setNotFoundHandler((request, reply) =>
      sendMessage(context, request, reply, { status: 404, key: 'not_found' }),
    );
    addPages(pages, context);
  });
}

/** Foreign names, and changes that another site's page asks for, get no page. */
async function refuseStranger(
  { own }: PortalContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const refuse = (code: number, text: string): FastifyReply =>
    reply.code(code).header('connection', 'close').type('text/plain').send(`${text}\n`);
  if (request.method !== 'GET' && request.method !== 'POST') return refuse(405, 'only GET and POST');
  // RFC 9110, section 15.5.20.
  if (!isOwnHost(request.headers.host, own)) return refuse(421, 'this is another host');
  const source = {
    'sec-fetch-site': oneOf(request.headers['sec-fetch-site']),
    origin: request.headers.origin,
  };
  if (request.method === 'POST' && !isOwnSource(source, own)) return refuse(403, 'only from our own pages');
  // What says that it is too long is not even read; what does not say it is cut off by the parsers.
  if (Number(request.headers['content-length'] ?? 0) > BODY_LIMIT_BYTES) return refuse(413, 'too large');
  return undefined;
}

function oneOf(field: string | string[] | undefined): string | undefined {
  return Array.isArray(field) ? field.join(',') : field;
}

/** The token of a form; a second one of its name counts as none. */
function tokenOf({ body }: FastifyRequest): string {
  const token = typeof body === 'object' && body !== null && '_csrf' in body ? body._csrf : '';
  return typeof token === 'string' ? token : '';
}

function addFiles(server: FastifyInstance): void {
  const files = [
    ['portal.css', 'text/css; charset=utf-8'],
    ['icon.svg', 'image/svg+xml'],
  ] as const;
  for (const [name, type] of files) {
    const content = readFileSync(join(packageRoot(), 'web', name));
    server.get(`/${name}`, async (_, reply) =>
      reply.type(type).header('cache-control', `max-age=${STYLE_AGE_S}`).send(content),
    );
  }
}

/** Which text an error's status has. */
const ERROR_TEXTS: ReadonlyMap<number, string> = new Map([
  [403, 'old_form'],
  [413, 'too_large'],
  [415, 'bad_request'],
  [429, 'too_often'],
]);

function sendError(
  context: PortalContext,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const code = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (code >= 400 && code < 500) {
    return sendMessage(context, request, reply, {
      status: code,
      key: ERROR_TEXTS.get(code) ?? 'bad_request',
    });
  }
  if (isDatabaseUnavailable(error)) {
    context.logger.warn(
      { event: 'portal_put_off', err: error },
      'the database cannot be asked; a request to the portal was put off',
    );
    reply.header('retry-after', 5);
    return sendMessage(context, request, reply, { status: 503, key: 'not_now' });
  }
  context.logger.error({ event: 'request_failed', err: error }, 'a request to the portal failed');
  return sendMessage(context, request, reply, { status: 500, key: 'failed' });
}

// Published keys over HTTP: the Web Key Directory (draft-koch-openpgp-webkey-service-21) under the names of our domains, and beside
// it what keys.openpgp.org calls VKS. There are no cookies here, no pages, and nothing that could be changed. Whatever is not
// found, for whatever reason, is answered in the same words and after the same time.
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DIRECTORY_HASH } from '../../src/address/directory-hash.ts';
import { parseTyped } from '../../src/address/normalise.ts';
import { isDatabaseUnavailable } from '../../src/database/open.ts';
import { armorCertificates } from '../../src/keys/export.ts';
import type { PublishingDomain } from '../../src/publishing/published.ts';
import { createPublisher, type Found, type Publisher } from '../../src/publishing/publisher.ts';
import { limitedClient, type PortalContext } from '../frame/context.ts';
import { isOwnHost } from '../frame/hosts.ts';
import {
  advancedDomain,
  domainOfHost,
  hostName,
  LONGEST_LOCAL,
  localOf,
  readFingerprint,
  readKeyId,
} from './asked.ts';

/** Of one part of a path, as the router takes it: an address, percent-encoded. */
export const LONGEST_PART = LONGEST_LOCAL * 3;

/** Requests a minute from one address (IPv6: a /64). */
const MOST_REQUESTS = 300;
const MINUTE_MS = 60_000;
/** "Not found" leaves that long after the request came: how long the search took says who is here, though unpublished. */
const NOT_FOUND_MS = 60;
/** Seconds, for Retry-After. */
const PUT_OFF_S = 5;

const WKD = '/.well-known/openpgpkey';
const VKS = '/vks/v1';

type Route = { Params: Readonly<Record<string, string>> };
/** Answers a request, or finds nothing. */
type Answer = (request: FastifyRequest<Route>, reply: FastifyReply) => Promise<FastifyReply | null>;

/** Adds the routes to a context of their own. */
export async function addPublishing(server: FastifyInstance, context: PortalContext): Promise<void> {
  const { database, config, flow, logger } = context;
  const publisher = createPublisher({ database, config, now: flow.now });
  server.addHook('onRequest', async (_, reply) => {
    reply.headers({
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
      'x-content-type-options': 'nosniff',
      // What is published no more shall be found no more.
      'cache-control': 'no-store',
    });
  });
  await server.register(rateLimit, {
    max: MOST_REQUESTS,
    timeWindow: MINUTE_MS,
    keyGenerator: limitedClient,
    // Who asks learns nothing from how much is left.
    addHeaders: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
    addHeadersOnExceeding: {
      'x-ratelimit-limit': false,
      'x-ratelimit-remaining': false,
      'x-ratelimit-reset': false,
    },
    errorResponseBuilder: (_, { statusCode }) =>
      Object.assign(new Error('too many requests'), { statusCode }),
  });
  server.setErrorHandler((error, _, reply) => {
    const code = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
    if (code >= 400 && code < 500)
      return say(reply, code, code === 429 ? 'too many requests' : 'bad request');
    // A database that is away is not "no key": who is told so writes in the clear.
    if (isDatabaseUnavailable(error)) {
      logger.warn(
        { event: 'portal_put_off', err: error },
        'the database cannot be asked; a request for a published key was put off',
      );
      return say(reply.header('retry-after', PUT_OFF_S), 503, 'not now; try again later');
    }
    logger.error({ event: 'request_failed', err: error }, 'a request for a published key failed');
    return say(reply, 500, 'internal error');
  });
  addDirectory(server, publisher);
  addKeyServer(server, publisher, context);
}

function addDirectory(server: FastifyInstance, publisher: Publisher): void {
  const direct = async ({ headers }: FastifyRequest) => {
    const host = hostName(headers.host);
    return host === null ? null : publisher.domain(host);
  };
  const advanced = async ({ headers, params }: FastifyRequest<Route>) => {
    const { domain = '' } = params;
    const name = advancedDomain(hostName(headers.host), domain);
    return name === null ? null : publisher.domain(name);
  };
  for (const [path, domainOf] of [
    [WKD, direct],
    [`${WKD}/:domain`, advanced],
  ] as const) {
    add(server, `${path}/policy`, async (request, reply) => {
      const domain = await domainOf(request);
      if (domain === null) return null;
      const submission = await publisher.submission(domain);
      return sendText(reply, submission === null ? '' : `submission-address: ${submission}\n`);
    });
    add(server, `${path}/submission-address`, async (request, reply) => {
      const domain = await domainOf(request);
      const submission = domain === null ? null : await publisher.submission(domain);
      return submission === null ? null : sendText(reply, `${submission}\n`);
    });
    add(server, `${path}/hu/:hash`, async (request, reply) => {
      const domain = await domainOf(request);
      const { hash = '' } = request.params;
      const local = localOf(request.url);
      if (domain === null || local === undefined || !DIRECTORY_HASH.test(hash)) return null;
      const found = await publisher.byHash(domain, hash, local);
      if (found.length === 0) return null;
      return reply
        .type('application/octet-stream')
        .send(Buffer.concat(found.map(({ certificate }) => certificate)));
    });
  }
  add(server, `${WKD}/*`, async () => null);
}

/** The reading half of what keys.openpgp.org documents at /about/api. */
function addKeyServer(server: FastifyInstance, publisher: Publisher, { own }: PortalContext): void {
  /** Whose keys may be asked for: the host's own domain's, and at the portal's name everybody's. */
  const scopeOf = async ({ headers }: FastifyRequest): Promise<PublishingDomain | 'all' | null> => {
    for (const name of domainOfHost(hostName(headers.host))) {
      const domain = await publisher.domain(name);
      if (domain !== null) return domain;
    }
    return isOwnHost(headers.host, own) ? 'all' : null;
  };
  add(server, `${VKS}/by-email/:address`, async (request, reply) => {
    const scope = await scopeOf(request);
    // The router has undone the percent-encoding.
    const { address = '' } = request.params;
    const parts = parseTyped(address.slice(0, LONGEST_PART));
    if (scope === null || parts === null || parts.local === '') return null;
    if (scope !== 'all' && scope.name !== parts.domain) return null;
    const domain = scope === 'all' ? await publisher.domain(parts.domain) : scope;
    return domain === null ? null : sendArmored(reply, await publisher.byEmail(domain, parts.local));
  });
  const byDigits = (path: string, read: (text: string) => Parameters<Publisher['byFingerprint']>[0] | null) =>
    add(server, path, async (request, reply) => {
      const scope = await scopeOf(request);
      const { digits = '' } = request.params;
      const asked = read(digits);
      if (scope === null || asked === null) return null;
      return sendArmored(reply, await publisher.byFingerprint(asked, scope === 'all' ? null : scope));
    });
  byDigits(`${VKS}/by-fingerprint/:digits`, (text) => {
    const fingerprint = readFingerprint(text);
    return fingerprint === null ? null : { fingerprint };
  });
  byDigits(`${VKS}/by-keyid/:digits`, (text) => {
    const keyId = readKeyId(text);
    return keyId === null ? null : { keyId };
  });
  add(server, `${VKS}/*`, async () => null);
}

/** Adds a path that answers, or is not found. */
function add(server: FastifyInstance, url: string, answer: Answer): void {
  server.route<Route>({
    method: ['GET', 'HEAD'],
    url,
    handler: async (request, reply) => {
      const begun = performance.now();
      const answered = await answer(request, reply);
      if (answered !== null) return answered;
      const left = NOT_FOUND_MS - (performance.now() - begun);
      if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
      return say(reply, 404, 'not found');
    },
  });
}

function sendText(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('text/plain; charset=utf-8').send(text);
}

function sendArmored(reply: FastifyReply, found: readonly Found[]): FastifyReply | null {
  if (found.length === 0) return null;
  const blocks = found.map(({ fingerprint, certificate }) => ({
    certificate,
    version: fingerprint.length === 64 ? 6 : 4,
  }));
  return reply.type('application/pgp-keys').send(armorCertificates(blocks));
}

function say(reply: FastifyReply, code: number, text: string): FastifyReply {
  return sendText(reply.code(code), `${text}\n`);
}

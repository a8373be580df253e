// Who may ask, and how often. Runs before every route that wants a token: address, token, rate.
import { createHash } from 'node:crypto';
import { normalizeIP } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { recognise } from '../queue/tokens.ts';
import type { ApiContext } from './context.ts';

const MINUTE_MS = 60_000;
/** Clients of one provider's customer share this much of an IPv6 address. */
const IPV6_SUBNET = 64;

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** The hooks for routes without and with a token. The plugin @fastify/rate-limit must be registered. */
export function createGuard(
  server: FastifyInstance,
  context: ApiContext,
): { readonly open: Hook; readonly token: Hook } {
  const { config, database } = context;
  const limit = (max: number, keyGenerator: (request: FastifyRequest) => string) =>
    server.createRateLimit({ max, timeWindow: MINUTE_MS, keyGenerator });
  const addresses = limit(config.address_rate, addressOf);
  const refusals = limit(config.refused_rate, addressOf);
  const tokens = limit(config.token_rate, ({ bearer }) => String(bearer?.tokenId));

  /** Answers 429 where a limit is exceeded. A reply is a thenable: whether it was sent must not be told by returning it. */
  async function stopped(
    check: ReturnType<typeof limit>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<boolean> {
    const state = await check(request);
    if (state.isAllowed || !state.isExceeded) return false;
    reply
      .code(429)
      .header('retry-after', Math.max(1, state.ttlInSeconds))
      .send({ error: 'too many requests; try again later' });
    return true;
  }

  return {
    async open(request, reply) {
      return (await stopped(addresses, request, reply)) ? reply : undefined;
    },
    async token(request, reply) {
      if (await stopped(addresses, request, reply)) return reply;
      const token = bearerToken(request.headers.authorization);
      // A database that is away throws: that is 503, and never "wrong token".
      const bearer = token === null ? null : await recognise(database, token);
      if (bearer === null) {
        if (await stopped(refusals, request, reply)) return reply;
        return reply
          .code(401)
          .header('www-authenticate', 'Bearer realm="sealpost"')
          .send({ error: 'a valid token is needed' });
      }
      request.bearer = bearer;
      return (await stopped(tokens, request, reply)) ? reply : undefined;
    },
  };
}

/** The token of `Authorization: Bearer TOKEN` (RFC 6750, section 2.1); null where there is none. Pure. */
export function bearerToken(header: string | undefined): string | null {
  return /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(header ?? '')?.[1] ?? null;
}

/** What requests from one place are counted under: a hash, since addresses are nobody's business. */
function addressOf(request: FastifyRequest): string {
  const ip: string | undefined = request.ip;
  const place = ip === undefined || ip === '' ? 'unix' : normalizeIP(ip, IPV6_SUBNET);
  return createHash('sha256').update(place).digest('base64');
}

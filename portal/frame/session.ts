// Cookies: the session's secret and the language. What is behind a session stands in the database.
import type { CookieSerializeOptions } from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LANGUAGES } from '../../src/enrolment/letters/language.ts';
import { isSecret } from '../../src/enrolment/secrets.ts';
import {
  findSession,
  openSession,
  SESSION_MOST_MS,
  setSessionLanguage,
} from '../../src/enrolment/sessions.ts';
import type { Proof } from '../../src/enrolment/types.ts';
import type { PortalContext } from './context.ts';
import type { OwnOrigin } from './hosts.ts';
import { chooseLanguage } from './texts.ts';

const YEAR_S = 365 * 86_400;

/** With __Host- a browser takes a cookie from this very host by TLS only (RFC 6265bis, section 4.1.3.2): no neighbour sets one. */
export function cookieName(name: 'session' | 'form' | 'language', { secure }: OwnOrigin): string {
  return secure ? `__Host-sealpost-${name}` : `sealpost-${name}`;
}

/** Lax: who comes from a link in a letter is still signed in; nothing changes by GET. */
export function cookieOptions({ secure }: OwnOrigin): CookieSerializeOptions {
  return { path: '/', httpOnly: true, secure, sameSite: 'lax' };
}

/** Finds who asks, and in which language. Runs before the body is read. */
export async function recogniseVisitor(
  context: PortalContext,
  request: FastifyRequest<{ Querystring: { lang?: unknown } }>,
  reply: FastifyReply,
): Promise<void> {
  const { own, flow } = context;
  const secret = request.cookies[cookieName('session', own)];
  if (secret !== undefined && isSecret(secret)) {
    const session = await findSession(flow, secret);
    if (session !== null) request.signedIn = { secret, session };
    else reply.clearCookie(cookieName('session', own), cookieOptions(own));
  }
  const asked =
    request.method === 'GET' ? LANGUAGES.find((language) => language === request.query.lang) : undefined;
  const kept = request.cookies[cookieName('language', own)] ?? request.signedIn?.session.language;
  request.language = asked ?? chooseLanguage(kept, request.headers['accept-language']);
  if (asked === undefined) return;
  reply.setCookie(cookieName('language', own), asked, { ...cookieOptions(own), maxAge: YEAR_S });
  if (request.signedIn !== null) await setSessionLanguage(flow, request.signedIn.secret, asked);
}

/** Gives the browser a session: always a new one, and a new secret for forms, so that none is known from before. */
export function giveSession({ own }: PortalContext, reply: FastifyReply, secret: string): void {
  reply.clearCookie(cookieName('form', own), cookieOptions(own));
  reply.setCookie(cookieName('session', own), secret, {
    ...cookieOptions(own),
    maxAge: Math.floor(SESSION_MOST_MS / 1000),
  });
}

/** Opens a session for who proved the mailbox without a letter. @returns false: the user is not there */
export async function openFor(
  context: PortalContext,
  request: FastifyRequest,
  reply: FastifyReply,
  user: { readonly userId: number; readonly proof: Proof },
): Promise<boolean> {
  const secret = await openSession(context.flow, { ...user, language: request.language });
  if (secret === null) return false;
  giveSession(context, reply, secret);
  return true;
}

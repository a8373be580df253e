// Signing in: by a letter, by the mailbox password, by a proxy's word. Known and unknown addresses are answered alike.
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MAX_TYPED } from '../../src/address/normalise.ts';
import { LIMITS, takeTurn } from '../../src/enrolment/limits.ts';
import { countedName } from '../../src/enrolment/named-user.ts';
import { closeSession } from '../../src/enrolment/sessions.ts';
import { requestSignIn } from '../../src/enrolment/sign-in.ts';
import type { Outcome } from '../../src/enrolment/types.ts';
import { clientOf, type PortalContext, sendPage } from '../frame/context.ts';
import { field, wordOf } from '../frame/form.ts';
import { sendRefusal } from '../frame/refusals.ts';
import { cookieName, cookieOptions, openFor } from '../frame/session.ts';
import { canBeAsked, parseImapServer } from '../sign-in/imap.ts';
import { type Person, personAt } from '../sign-in/person.ts';
import { type ToldUser, toldUser } from '../sign-in/trusted-header.ts';

/** An answer comes no sooner: what the database needs for a known and for an unknown address disappears in it. */
const LEAST_ANSWER_MS = 300;
/** The same for what comes before the mail server's own answer, which takes its time as well. */
const LEAST_LOOK_UP_MS = 100;
const HOUR_MS = 3_600_000;
/** Texts of `sign_in`. */
type Problem = 'wrong' | 'unavailable' | 'proxy_refused' | 'proxy_unknown' | 'no_address';

/**
 * Gives the result of some work, and not before a moment that is the same for every result. Where a slow database has missed that
 * moment, it waits for the next one: what it needed longer is not to be read from the time either.
 */
export async function noSoonerThan<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let ended = false;
  const settled = Promise.allSettled([work]).finally(() => {
    ended = true;
  });
  do await wait(milliseconds);
  while (!ended);
  const [result] = await settled;
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

/** Who the proxy says is there, as far as this listener believes it. */
function toldBy({ door }: PortalContext, request: FastifyRequest): ToldUser {
  return door === null ? { kind: 'nobody' } : toldUser(request.raw.rawHeaders, door.field, door.secret);
}

/** The page for who is not signed in. */
export function sendSignIn(
  context: PortalContext,
  request: FastifyRequest,
  reply: FastifyReply,
  refused?: { readonly problem: Problem; readonly status: number; readonly address?: string },
): FastifyReply {
  const told = toldBy(context, request);
  return sendPage(context, request, reply, {
    template: 'sign-in',
    here: '',
    status: refused?.status ?? 200,
    values: {
      imap: context.config().portal.imap !== '',
      told: told.kind === 'user' ? told.name : null,
      address: refused?.address ?? '',
      problemKey: refused === undefined ? null : `sign_in.${refused.problem}`,
    },
  });
}

export function addSignIn(server: FastifyInstance, context: PortalContext): void {
  server.post('/sign-in/letter', (request, reply) => byLetter(context, request, reply));
  server.post('/sign-in/password', (request, reply) => byPassword(context, request, reply));
  if (context.door !== null)
    server.post('/sign-in/proxy', (request, reply) => byProxy(context, request, reply));
  server.post('/sign-out', async (request, reply) => {
    if (request.signedIn !== null) await closeSession(context.flow, request.signedIn.secret);
    reply.clearCookie(cookieName('session', context.own), cookieOptions(context.own));
    reply.clearCookie(cookieName('form', context.own), cookieOptions(context.own));
    return reply.redirect('/', 303);
  });
}

async function byLetter(context: PortalContext, request: FastifyRequest, reply: FastifyReply) {
  const address = field(request.body, 'address', MAX_TYPED).trim();
  if (!/^[^\s\p{Cc}]+@[^\s\p{Cc}]+$/u.test(address))
    return sendSignIn(context, request, reply, { problem: 'no_address', status: 422 });
  const clear = wordOf(request.body, 'plain', ['yes']) !== null;
  const { language } = request;
  const asked = requestSignIn(context.flow, { address, client: clientOf(request), language, clear });
  const outcome = await noSoonerThan(LEAST_ANSWER_MS, asked);
  if (!outcome.ok) return sendRefusal(context, request, reply, outcome);
  return sendPage(context, request, reply, {
    template: 'sign-in-sent',
    here: '',
    values: {
      address,
      plain: clear,
      hours: Math.max(1, Math.floor(context.config().portal.token_lifetime / HOUR_MS)),
    },
  });
}

async function byPassword(context: PortalContext, request: FastifyRequest, reply: FastifyReply) {
  const address = field(request.body, 'address', MAX_TYPED).trim();
  const password = field(request.body, 'password', 1024);
  const server = parseImapServer(context.config().portal.imap);
  const refuse = (problem: Problem, status: number) =>
    sendSignIn(context, request, reply, { problem, status, address });
  if (server === null || !canBeAsked({ login: address, password })) return refuse('wrong', 403);
  // Before the mail server is asked: a thousand guesses here are none there.
  const asking = await noSoonerThan(LEAST_LOOK_UP_MS, mayAskFor(context, request, address));
  if (!asking.ok) return sendRefusal(context, request, reply, asking);
  const { person } = asking;
  // An unknown name is put to the mail server too, and takes as long as a wrong password; with one that nobody has, so that the
  // time tells nothing of the one that was typed.
  const login = person?.login ?? address;
  const put = person === null ? randomBytes(18).toString('base64url') : password;
  const client = clientOf(request);
  const verdict = await noSoonerThan(
    LEAST_ANSWER_MS,
    context.outside.askImap(server, { login, password: put, client: client === 'unix' ? null : client }),
  );
  if (verdict === 'unavailable') return refuse('unavailable', 503);
  if (verdict === 'wrong' || person === null || !(await signInAs(context, request, reply, person)))
    return refuse('wrong', 403);
  return reply.redirect('/', 303);
}

/** Whether the mail server may be asked for an address once more, and for whom; a person of null: for nobody. */
async function mayAskFor(
  context: PortalContext,
  request: FastifyRequest,
  address: string,
): Promise<Outcome<{ readonly person: Person | null }>> {
  const person = await personAt(context.database, address);
  const delimiters = context.config().recipient_delimiter;
  const name = countedName(address, delimiters);
  for (const [limit, subject] of [
    [LIMITS.passwordClient, clientOf(request)],
    [LIMITS.passwordAddress, name],
  ] as const) {
    const retryAt = await takeTurn(context.flow, limit, subject);
    if (retryAt !== null) return { ok: false, because: 'limited', retryAt };
  }
  // Guesses by a mailbox's other names count together, too. That they are over is not told: it would say whose name it is. Where
  // there is no other name, something is counted all the same: the time of one statement more would say it.
  const isOther = person !== null && countedName(person.login, delimiters) !== name;
  const over = await takeTurn(context.flow, LIMITS.passwordAlias, isOther ? person.login : `own ${name}`);
  return { ok: true, person: over === null ? person : null };
}

function signInAs(context: PortalContext, request: FastifyRequest, reply: FastifyReply, { userId }: Person) {
  return openFor(context, request, reply, { userId, proof: { level: 'mailbox' } });
}

async function byProxy(context: PortalContext, request: FastifyRequest, reply: FastifyReply) {
  const told = toldBy(context, request);
  if (told.kind !== 'user') {
    if (told.kind === 'refused')
      context.logger.warn(
        { event: 'portal_header_refused', because: told.because },
        'a trusted header of the portal was refused',
      );
    return sendSignIn(context, request, reply, { problem: 'proxy_refused', status: 403 });
  }
  const person = await personAt(context.database, told.name);
  if (person === null || !(await signInAs(context, request, reply, person)))
    return sendSignIn(context, request, reply, { problem: 'proxy_unknown', status: 403 });
  return reply.redirect('/', 303);
}

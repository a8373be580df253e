// The first page: who is not signed in signs in here; everybody else reads whether the mail is sealed, and what to do next.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { endPause, sendTestLetter } from '../../src/enrolment/flow.ts';
import { type Home, readHome } from '../../src/enrolment/home.ts';
import { askerOf, type PortalContext, sendPage, signedIn } from '../frame/context.ts';
import { MOST_COUNTED, sealedLetters } from '../frame/letters.ts';
import { sendRefusal } from '../frame/refusals.ts';
import { stateOf } from '../frame/state.ts';
import { sendSignIn } from './sign-in.ts';

/** What a page may say was just done: texts of `done`. */
const DONE = [
  'test_letter',
  'submitted',
  'resent',
  'withdrawn',
  'changed',
  'unchanged',
  'recovery_started',
  'recovery_stopped',
  'to_administrator',
  'pause',
  'pause_ended',
  'undone',
  'left',
  'device_revoked',
  'revoked',
] as const;
export type Done = (typeof DONE)[number];

/** Leads to a page that says what was done. */
export function redirectDone(reply: FastifyReply, path: string, done: Done): FastifyReply {
  return reply.redirect(`${path}?done=${done}`, 303);
}

/** What the page that was led to says; null where the query names nothing of ours. */
export function doneOf({ query }: FastifyRequest): Done | null {
  const given = typeof query === 'object' && query !== null && 'done' in query ? query.done : null;
  return DONE.find((done) => done === given) ?? null;
}

/** The user's state; null where the user is gone, and with them the session. */
export function homeOf({ flow }: PortalContext, request: FastifyRequest): Promise<Home | null> {
  return readHome(flow, signedIn(request).session.userId);
}

export function addHome(server: FastifyInstance, context: PortalContext): void {
  server.get('/', async (request, reply) => {
    const home = request.signedIn === null ? null : await homeOf(context, request);
    return home === null ? sendSignIn(context, request, reply) : sendHome(context, request, reply, home);
  });
  server.post('/test-letter', async (request, reply) => {
    if (request.signedIn === null) return reply.redirect('/', 303);
    const outcome = await sendTestLetter(context.flow, askerOf(request));
    return outcome.ok
      ? redirectDone(reply, '/', 'test_letter')
      : sendRefusal(context, request, reply, outcome);
  });
  server.post('/pause/end', async (request, reply) => {
    if (request.signedIn === null) return reply.redirect('/', 303);
    const outcome = await endPause(context.flow, askerOf(request));
    return outcome.ok
      ? redirectDone(reply, '/', 'pause_ended')
      : sendRefusal(context, request, reply, outcome);
  });
}

async function sendHome(context: PortalContext, request: FastifyRequest, reply: FastifyReply, home: Home) {
  const now = context.flow.now();
  const letters = await sealedLetters(context.database, context.config(), home.address);
  return sendPage(context, request, reply, {
    template: 'home',
    here: 'home',
    values: {
      home,
      now,
      state: stateOf(home, now),
      letters,
      mostCounted: MOST_COUNTED,
      done: doneOf(request),
      level: signedIn(request).session.proof.level,
    },
  });
}

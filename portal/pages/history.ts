// Every change of who can read the user's mail, and whether the chain of these rows is whole.
import type { FastifyInstance } from 'fastify';
import { readHistory } from '../../src/enrolment/home.ts';
import { type PortalContext, sendPage, signedIn } from '../frame/context.ts';

/** Newest first; older ones are for the administrator (`sealpost key events`). */
const MOST_SHOWN = 200;

export function addHistory(server: FastifyInstance, context: PortalContext): void {
  server.get('/history', async (request, reply) => {
    const { events, whole } = await readHistory(context.flow, signedIn(request).session.userId);
    const values = { events: events.slice(0, MOST_SHOWN), whole, more: events.length > MOST_SHOWN };
    return sendPage(context, request, reply, { template: 'history', here: 'history', values });
  });
}

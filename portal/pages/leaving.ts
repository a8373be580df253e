// No sealing for a day, or never again.
import type { FastifyInstance } from 'fastify';
import { requestChange } from '../../src/enrolment/flow.ts';
import { LONGEST_PAUSE_MS } from '../../src/enrolment/types.ts';
import { changeFields } from '../frame/changes.ts';
import { askerOf, type PortalContext, sendPage } from '../frame/context.ts';
import { homeOf, redirectDone } from './home.ts';
import { sendHindered } from './proof.ts';

export function addLeaving(server: FastifyInstance, context: PortalContext): void {
  const { flow } = context;
  server.get('/leave', async (request, reply) => {
    const home = await homeOf(context, request);
    if (home === null) return reply.redirect('/', 303);
    const values = { home, now: flow.now() };
    return sendPage(context, request, reply, { template: 'leave', here: 'leave', values });
  });
  server.post('/leave', async (request, reply) => {
    const change = { kind: 'leave' } as const;
    const outcome = await requestChange(flow, askerOf(request), change);
    if (outcome.ok) return redirectDone(reply, '/', 'left');
    return sendHindered(context, request, reply, outcome, changeFields(change));
  });
  server.post('/pause', async (request, reply) => {
    const until = flow.now() + LONGEST_PAUSE_MS;
    const outcome = await requestChange(flow, askerOf(request), { kind: 'pause', until });
    if (outcome.ok) return redirectDone(reply, '/', 'pause');
    // Who waits for a week needs no pause of a day.
    return sendHindered(context, request, reply, outcome, null);
  });
}

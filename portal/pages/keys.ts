// The keys that a user has and the ones that wait for their letter to be read.
import type { FastifyInstance } from 'fastify';
import { requestChange, resendLetter, undoFirstKey, withdrawKey } from '../../src/enrolment/flow.ts';
import { changeFields, type FormChange } from '../frame/changes.ts';
import { askerOf, type PortalContext, sendPage } from '../frame/context.ts';
import { fingerprintOf, numberOf } from '../frame/form.ts';
import { sendRefusal } from '../frame/refusals.ts';
import { doneOf, homeOf, redirectDone } from './home.ts';
import { sendHindered } from './proof.ts';

export function addKeys(server: FastifyInstance, context: PortalContext): void {
  const { flow } = context;
  server.get('/key', async (request, reply) => {
    const home = await homeOf(context, request);
    if (home === null) return reply.redirect('/', 303);
    const values = { home, now: flow.now(), done: doneOf(request) };
    return sendPage(context, request, reply, { template: 'keys', here: 'key', values });
  });
  server.post('/key/resend', async (request, reply) => {
    const outcome = await resendLetter(flow, askerOf(request), numberOf(request.body, 'submission') ?? 0);
    if (outcome.ok) return redirectDone(reply, '/', 'resent');
    return sendHindered(context, request, reply, outcome, null);
  });
  server.post('/key/withdraw', async (request, reply) => {
    const outcome = await withdrawKey(flow, askerOf(request), numberOf(request.body, 'submission') ?? 0);
    if (outcome.ok) return redirectDone(reply, '/key', 'withdrawn');
    // What was handed over by the key expires within a day: nobody has to wait longer than that.
    return sendHindered(context, request, reply, outcome, null);
  });
  server.post('/key/undo', async (request, reply) => {
    const outcome = await undoFirstKey(flow, askerOf(request));
    return outcome.ok ? redirectDone(reply, '/', 'undone') : sendRefusal(context, request, reply, outcome);
  });
  server.post('/key/remove', async (request, reply) => {
    const fingerprint = fingerprintOf(request.body, 'fingerprint');
    if (fingerprint === null) return sendRefusal(context, request, reply, { because: 'key unknown' });
    const change: FormChange = { kind: 'remove key', fingerprint };
    const outcome = await requestChange(flow, askerOf(request), change);
    if (outcome.ok) return redirectDone(reply, '/key', 'changed');
    return sendHindered(context, request, reply, outcome, changeFields(change));
  });
}

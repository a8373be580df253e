// The key is lost: the change that needs it comes after a wait, and may be stopped.
import type { FastifyInstance } from 'fastify';
import { startRecovery, stopRecovery } from '../../src/enrolment/flow.ts';
import { carriedKey, readChange } from '../frame/changes.ts';
import { askerOf, type PortalContext } from '../frame/context.ts';
import { wordOf } from '../frame/form.ts';
import { sendRefusal } from '../frame/refusals.ts';
import { homeOf, redirectDone } from './home.ts';

export function addRecovery(server: FastifyInstance, context: PortalContext): void {
  const { flow } = context;
  server.post('/recovery/start', async (request, reply) => {
    const upload = carriedKey(request.body);
    const home = upload === null ? await homeOf(context, request) : null;
    const change = upload === null ? readChange(request.body, home?.ownSettings ?? {}) : null;
    if (upload === null && change === null)
      return sendRefusal(context, request, reply, { because: 'nothing there' });
    const intent = wordOf(request.body, 'intent', ['replace', 'add']) ?? 'replace';
    const wanted = upload !== null ? { upload, intent } : change !== null ? { change } : null;
    if (wanted === null) return sendRefusal(context, request, reply, { because: 'nothing there' });
    const outcome = await startRecovery(flow, askerOf(request), wanted);
    return outcome.ok
      ? redirectDone(reply, '/', 'recovery_started')
      : sendRefusal(context, request, reply, outcome);
  });
  server.post('/recovery/stop', async (request, reply) => {
    const outcome = await stopRecovery(flow, askerOf(request));
    if (!outcome.ok) return sendRefusal(context, request, reply, outcome);
    return redirectDone(reply, '/', outcome.result === 'stopped' ? 'recovery_stopped' : 'to_administrator');
  });
}

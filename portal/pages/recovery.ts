// The key is lost: the change that needs it comes after a wait, and may be stopped.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { startRecovery, stopRecovery } from '../../src/enrolment/flow.ts';
import { carriedKey, intentOf, readChange } from '../frame/changes.ts';
import { askerOf, type PortalContext } from '../frame/context.ts';
import { sendRefusal } from '../frame/refusals.ts';
import { homeOf, redirectDone } from './home.ts';

export function addRecovery(server: FastifyInstance, context: PortalContext): void {
  const { flow } = context;
  server.post('/recovery/start', async (request, reply) => {
    const wanted = await wantedBy(context, request);
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

/** A key that was carried on, or another change; null where the form asks for neither. */
async function wantedBy(context: PortalContext, request: FastifyRequest) {
  const upload = carriedKey(request.body);
  if (upload !== null) return { upload, intent: intentOf(request.body) };
  const home = await homeOf(context, request);
  const change = readChange(request.body, home?.ownSettings ?? {});
  return change === null ? null : { change };
}

// Devices: tokens with which a user's own programs fetch the sealed queue (`sealpost-pull`).
import type { FastifyInstance } from 'fastify';
import { addToken, devicesOf, revokeDevice } from '../../receiver/queue/tokens.ts';
import { mayAddDevice } from '../../src/enrolment/flow.ts';
import { askerOf, type PortalContext, sendPage, signedIn } from '../frame/context.ts';
import { field, numberOf } from '../frame/form.ts';
import { sendRefusal } from '../frame/refusals.ts';
import { shown } from '../frame/render.ts';
import { doneOf, redirectDone } from './home.ts';
import { sendHindered } from './proof.ts';

const LONGEST_NAME = 60;
const MOST_DEVICES = 50;

export function addDevices(server: FastifyInstance, context: PortalContext): void {
  const { pool } = context.database;
  server.get('/devices', async (request, reply) => {
    const devices = await devicesOf(pool, signedIn(request).session.userId, MOST_DEVICES);
    const values = { devices, token: null, done: doneOf(request) };
    return sendPage(context, request, reply, { template: 'devices', here: 'devices', values });
  });
  server.post('/devices/add', async (request, reply) => {
    const { userId } = signedIn(request).session;
    const name = shown(field(request.body, 'name', LONGEST_NAME).trim());
    const allowed = await mayAddDevice(context.flow, askerOf(request), { reads: true });
    if (!allowed.ok) return sendHindered(context, request, reply, allowed, null);
    const before = await devicesOf(pool, userId, MOST_DEVICES);
    if (before.length >= MOST_DEVICES)
      return sendRefusal(context, request, reply, { because: 'not allowed' });
    const { token } = await addToken(pool, userId, name);
    const values = { devices: await devicesOf(pool, userId, MOST_DEVICES), token, done: null };
    return sendPage(context, request, reply, { template: 'devices', here: 'devices', values });
  });
  server.post('/devices/revoke', async (request, reply) => {
    const id = numberOf(request.body, 'device') ?? 0;
    const revoked = await revokeDevice(pool, signedIn(request).session.userId, id);
    if (!revoked) return sendRefusal(context, request, reply, { because: 'nothing there' });
    return redirectDone(reply, '/devices', 'device_revoked');
  });
}

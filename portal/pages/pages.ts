// All pages, in the order in which a person meets them.
import type { FastifyInstance } from 'fastify';
import type { PortalContext } from '../frame/context.ts';
import { addDevices } from './devices.ts';
import { addHandOver } from './hand-over.ts';
import { addHistory } from './history.ts';
import { addHome } from './home.ts';
import { addKeys } from './keys.ts';
import { addLeaving } from './leaving.ts';
import { addLinks } from './links.ts';
import { addRecovery } from './recovery.ts';
import { addSettings } from './settings.ts';
import { addSignIn } from './sign-in.ts';

export function addPages(server: FastifyInstance, context: PortalContext): void {
  addHome(server, context);
  addSignIn(server, context);
  addLinks(server, context);
  server.register(async (members) => {
    // Before the body is read: a stranger uploads nothing.
    members.addHook('onRequest', async (request, reply) =>
      request.signedIn === null ? reply.redirect('/', 303) : undefined,
    );
    addKeys(members, context);
    addHandOver(members, context);
    addRecovery(members, context);
    addSettings(members, context);
    addDevices(members, context);
    addHistory(members, context);
    addLeaving(members, context);
  });
}

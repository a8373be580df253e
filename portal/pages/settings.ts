// The settings that a person chooses for their own mail.
import type { FastifyInstance } from 'fastify';
import { requestChange } from '../../src/enrolment/flow.ts';
import { choosePublishing, isPublishing, mayChoose, readChoice } from '../../src/publishing/choice.ts';
import { CHOICES, changeFields, choiceOf, INHERITED, OWN_SETTINGS, readChange } from '../frame/changes.ts';
import { askerOf, type PortalContext, sendMessage, sendPage } from '../frame/context.ts';
import { wordOf } from '../frame/form.ts';
import { doneOf, homeOf, redirectDone } from './home.ts';
import { sendHindered } from './proof.ts';

export function addSettings(server: FastifyInstance, context: PortalContext): void {
  server.get('/settings', async (request, reply) => {
    const home = await homeOf(context, request);
    const choice = home === null ? null : await readChoice(context.database, home.userId);
    if (home === null || choice === null) return reply.redirect('/', 303);
    const settings = OWN_SETTINGS.map((name) => ({
      name,
      own: choiceOf(home.ownSettings[name]),
      // What counts now: of an own one the domain's value is not known here.
      effective: choiceOf(home.settings.values[name]),
      choices: CHOICES[name],
    }));
    const publishing = {
      now: isPublishing(choice),
      // What the button would say; null: there is none.
      button: isPublishing(choice) ? 'off' : mayChoose(choice, 'on') ? 'on' : null,
      asked: choice.own === null && choice.domain === 'ask',
    };
    const values = { settings, publishing, inherited: INHERITED, done: doneOf(request) };
    return sendPage(context, request, reply, { template: 'settings', here: 'settings', values });
  });
  server.post('/settings/publishing', async (request, reply) => {
    const home = await homeOf(context, request);
    if (home === null) return reply.redirect('/', 303);
    const wanted = wordOf(request.body, 'publish', ['on', 'off'] as const);
    if (wanted === null) return redirectDone(reply, '/settings', 'unchanged');
    // The mailbox is proof enough: nobody reads more mail by it.
    const chosen = await choosePublishing(context.database, home.userId, wanted);
    return chosen
      ? redirectDone(reply, '/settings', 'changed')
      : sendMessage(context, request, reply, { status: 403, key: 'not_allowed' });
  });
  server.post('/settings', async (request, reply) => {
    const home = await homeOf(context, request);
    if (home === null) return reply.redirect('/', 303);
    const change = readChange(request.body, home.ownSettings);
    if (change?.kind !== 'settings') return redirectDone(reply, '/settings', 'unchanged');
    const outcome = await requestChange(context.flow, askerOf(request), change);
    if (outcome.ok) return redirectDone(reply, '/settings', 'changed');
    return sendHindered(context, request, reply, outcome, changeFields(change));
  });
}

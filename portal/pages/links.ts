// The links in letters: GET shows a button and changes nothing, since mail scanners follow links; POST acts.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { confirmKey, stopByLink, undoByLink } from '../../src/enrolment/flow.ts';
import { isSecret } from '../../src/enrolment/secrets.ts';
import { signIn } from '../../src/enrolment/sign-in.ts';
import { readToken, TOKEN_ACTIONS, type TokenAction } from '../../src/enrolment/tokens.ts';
import { clientOf, type PortalContext, sendMessage, sendPage } from '../frame/context.ts';
import { sendRefusal, textKey } from '../frame/refusals.ts';
import { giveSession } from '../frame/session.ts';
import { formatsOf } from '../frame/texts.ts';

type LinkRequest = FastifyRequest<{ Params: { token: string } }>;
type Act = (request: LinkRequest, reply: FastifyReply, token: string) => Promise<FastifyReply>;

export function addLinks(server: FastifyInstance, context: PortalContext): void {
  for (const action of TOKEN_ACTIONS) {
    const path = `/${action}/:token`;
    server.get<{ Params: { token: string } }>(path, (request, reply) =>
      showLink(context, action, request, reply),
    );
    server.post<{ Params: { token: string } }>(path, async (request, reply) => {
      const { token } = request.params;
      if (!isSecret(token)) return sendRefusal(context, request, reply, { because: 'token unknown' });
      return actions(context)[action](request, reply, token);
    });
  }
}

async function showLink(
  context: PortalContext,
  action: TokenAction,
  request: LinkRequest,
  reply: FastifyReply,
) {
  const { token } = request.params;
  const view = await readToken(context.flow, token);
  if (view === null || view.action !== action)
    return sendRefusal(context, request, reply, { because: 'token unknown' });
  const { address, fingerprint } = view;
  return sendPage(context, request, reply, {
    template: 'link',
    here: '',
    values: { action: textKey(action), target: `/${action}/${token}`, address, fingerprint },
  });
}

function actions(context: PortalContext): Readonly<Record<TokenAction, Act>> {
  const { flow } = context;
  return {
    async 'sign-in'(request, reply, token) {
      const { language } = request;
      const outcome = await signIn(flow, token, { client: clientOf(request), language });
      if (!outcome.ok) return sendRefusal(context, request, reply, outcome);
      giveSession(context, reply, outcome.secret);
      return reply.redirect('/', 303);
    },
    async confirm(request, reply, token) {
      const outcome = await confirmKey(flow, token, { client: clientOf(request) });
      if (!outcome.ok) return sendRefusal(context, request, reply, outcome);
      if (outcome.result === 'active')
        return sendMessage(context, request, reply, { status: 200, key: 'sealed_now' });
      const when = formatsOf(request.language).moment(new Date(outcome.dueAt));
      return sendMessage(context, request, reply, { status: 200, key: 'sealed_later', values: { when } });
    },
    async undo(request, reply, token) {
      const outcome = await undoByLink(flow, token, { client: clientOf(request) });
      if (!outcome.ok) return sendRefusal(context, request, reply, outcome);
      return sendMessage(context, request, reply, { status: 200, key: 'undone' });
    },
    async stop(request, reply, token) {
      const outcome = await stopByLink(flow, token, { client: clientOf(request) });
      if (!outcome.ok) return sendRefusal(context, request, reply, outcome);
      const key = outcome.result === 'stopped' ? 'stopped' : 'to_administrator';
      return sendMessage(context, request, reply, { status: 200, key });
    },
  };
}

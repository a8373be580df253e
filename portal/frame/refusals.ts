// What a person reads where the flow says no: the text's key, the status, and what may be done instead.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FlowRefusal, RefusalCode } from '../../src/enrolment/types.ts';
import { type PortalContext, sendMessage } from './context.ts';
import { formatsOf } from './texts.ts';

/** The status of each refusal (RFC 9110, section 15). */
const STATUS: Readonly<Record<RefusalCode, number>> = {
  'needs key': 403,
  limited: 429,
  'token unknown': 410,
  'token used': 410,
  'token expired': 410,
  'no user': 403,
  'key refused': 422,
  'secret key': 422,
  'several keys': 422,
  'key known': 409,
  'key unknown': 409,
  'nothing there': 409,
  'recovery runs': 409,
  'too late': 409,
  'no portal': 503,
  'not allowed': 403,
};

/** A code with spaces and dots as the catalogue has it: `X.509` is `x_509`. */
export function textKey(code: string): string {
  return code.toLowerCase().replace(/[^a-z0-9]+/g, '_');
}

/** The page that says why something was not done. */
export function sendRefusal(
  context: PortalContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { because, retryAt }: Omit<FlowRefusal, 'ok'>,
): FastifyReply {
  const now = context.flow.now();
  if (retryAt !== undefined) reply.header('retry-after', Math.max(1, Math.ceil((retryAt - now) / 1000)));
  const when = retryAt === undefined ? '' : formatsOf(request.language).moment(new Date(retryAt));
  const timed = because === 'limited' && retryAt !== undefined;
  return sendMessage(context, request, reply, {
    status: STATUS[because],
    key: timed ? 'limited_until' : textKey(because),
    values: timed ? { when } : {},
  });
}

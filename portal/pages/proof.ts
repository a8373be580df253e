// Where the mailbox alone is not enough: read a sealed letter, or wait.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FlowRefusal } from '../../src/enrolment/types.ts';
import { type PortalContext, sendPage } from '../frame/context.ts';
import { sendRefusal } from '../frame/refusals.ts';

/**
 * The hidden fields that say once more what a person wanted when more proof was asked for, for waiting; null: it cannot be had by
 * waiting.
 */
export type WantedFields = readonly (readonly [name: string, value: string])[] | null;

/** The page with both ways on. */
export function sendNeedsKey(
  context: PortalContext,
  request: FastifyRequest,
  reply: FastifyReply,
  fields: WantedFields,
): FastifyReply {
  const days = Math.max(1, Math.round(context.config().portal.recovery / 86_400_000));
  return sendPage(context, request, reply, {
    template: 'needs-key',
    here: '',
    status: 403,
    values: { fields, days, address: request.signedIn?.session.address ?? '' },
  });
}

/** The answer to a change that was refused: the page with both ways on where the proof was too weak, else why. */
export function sendHindered(
  context: PortalContext,
  request: FastifyRequest,
  reply: FastifyReply,
  refusal: FlowRefusal,
  fields: WantedFields,
): FastifyReply {
  return refusal.because === 'needs key'
    ? sendNeedsKey(context, request, reply, fields)
    : sendRefusal(context, request, reply, refusal);
}

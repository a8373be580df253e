// Where the mailbox alone is not enough: read a sealed letter, or wait.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type PortalContext, sendPage } from '../frame/context.ts';

/** What a person wanted when more proof was asked for. */
export interface Wanted {
  /** The hidden fields that say it once more, for waiting; null: it cannot be had by waiting. */
  readonly fields: readonly (readonly [name: string, value: string])[] | null;
}

/** The page with both ways on. */
export function sendNeedsKey(
  context: PortalContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { fields }: Wanted,
): FastifyReply {
  const days = Math.max(1, Math.round(context.config().portal.recovery / 86_400_000));
  return sendPage(context, request, reply, {
    template: 'needs-key',
    here: '',
    status: 403,
    values: { fields, days, address: request.signedIn?.session.address ?? '' },
  });
}

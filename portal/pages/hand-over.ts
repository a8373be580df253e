// Handing a key over: pasted, uploaded or fetched; what was understood of it; and only then its letter.
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MAX_TYPED } from '../../src/address/normalise.ts';
import { submitKey, understandKey } from '../../src/enrolment/flow.ts';
import { countedAsker, LIMITS, type Limit, takeTurn } from '../../src/enrolment/limits.ts';
import type { FlowRefusal } from '../../src/enrolment/types.ts';
import type { Understood } from '../../src/enrolment/understand.ts';
import { MAX_UPLOAD } from '../../src/keys/refusals.ts';
import { algorithmInWords } from '../../src/keys/view.ts';
import { findKey } from '../fetch/find-key.ts';
import { carriedKey, intentOf } from '../frame/changes.ts';
import { askerOf, type PortalContext, sendPage, signedIn } from '../frame/context.ts';
import { field } from '../frame/form.ts';
import { sendRefusal, textKey } from '../frame/refusals.ts';
import { homeOf, redirectDone } from './home.ts';
import { sendNeedsKey } from './proof.ts';

export function addHandOver(server: FastifyInstance, context: PortalContext): void {
  server.post('/key/paste', (request, reply) => {
    const text = field(request.body, 'key', MAX_UPLOAD);
    return review(context, request, reply, Buffer.from(text, 'utf8'));
  });
  server.post('/key/fetch', (request, reply) => fetched(context, request, reply));
  server.post('/key/submit', (request, reply) => submit(context, request, reply));
  server.register(async (upload) => {
    // Whole in memory, since a key is small, and nothing of it touches the disk.
    await upload.register(multipart, {
      attachFieldsToBody: 'keyValues',
      limits: { fileSize: MAX_UPLOAD, files: 1, fields: 2, fieldSize: 1024, parts: 3, headerPairs: 20 },
    });
    upload.post('/key/upload', (request, reply) => {
      const { body } = request;
      const file: unknown = typeof body === 'object' && body !== null && 'key' in body ? body.key : null;
      const bytes = Buffer.isBuffer(file) ? file : Buffer.from(typeof file === 'string' ? file : '', 'utf8');
      return review(context, request, reply, bytes);
    });
  });
}

async function fetched(context: PortalContext, request: FastifyRequest, reply: FastifyReply) {
  const address = field(request.body, 'address', MAX_TYPED).trim();
  const retryAt = await turnOf(context, request, LIMITS.fetchUser);
  if (retryAt !== null) return sendRefusal(context, request, reply, { because: 'limited', retryAt });
  const server = context.config().portal.key_server;
  const found = await findKey(address, server === '' ? null : server, context.outside.internet);
  if (found.ok) return review(context, request, reply, found.bytes, found.host);
  return sendNotTaken(context, request, reply, `fetch.${textKey(found.because)}`, 422);
}

/** @returns null where it may go on, else the moment from which it may (Unix milliseconds) */
async function turnOf(context: PortalContext, request: FastifyRequest, limit: Limit): Promise<number | null> {
  const counted = countedAsker(askerOf(request));
  return counted === null ? null : takeTurn(context.flow, limit, counted);
}

/** The page of handing over once more, with the reason why what came was not taken. */
function sendNotTaken(
  context: PortalContext,
  request: FastifyRequest,
  reply: FastifyReply,
  problemKey: string,
  status: number,
): FastifyReply {
  return sendPage(context, request, reply, {
    template: 'hand-over',
    here: 'key',
    status,
    values: { problemKey },
  });
}

function sendKeyRefusal(
  context: PortalContext,
  request: FastifyRequest,
  reply: FastifyReply,
  refusal: FlowRefusal,
): FastifyReply {
  // A secret key is named by its code alone: nothing of it is repeated, and nothing logged.
  if (refusal.because === 'secret key' || refusal.key?.code === 'secret key')
    return sendNotTaken(context, request, reply, 'refused_key.secret_key', 422);
  if (refusal.because === 'key refused' && refusal.key !== undefined)
    return sendNotTaken(context, request, reply, `refused_key.${textKey(refusal.key.code)}`, 422);
  return sendRefusal(context, request, reply, refusal);
}

async function review(
  context: PortalContext,
  request: FastifyRequest,
  reply: FastifyReply,
  upload: Buffer,
  host: string | null = null,
): Promise<FastifyReply> {
  const { userId } = signedIn(request).session;
  const retryAt = await turnOf(context, request, LIMITS.reviewUser);
  if (retryAt !== null) return sendRefusal(context, request, reply, { because: 'limited', retryAt });
  const outcome = await understandKey(context.flow, userId, upload);
  if (!outcome.ok) return sendKeyRefusal(context, request, reply, outcome);
  const home = await homeOf(context, request);
  return sendPage(context, request, reply, {
    template: 'review',
    here: 'key',
    values: {
      ...viewOf(outcome.key),
      host,
      carried: upload.toString('base64url'),
      hasKeys: (home?.keys.length ?? 0) > 0,
    },
  });
}

function viewOf({ fingerprint, kind, facts, userIds, expires, relation, revokes }: Understood) {
  const expiresAt = expires === null ? null : new Date(expires);
  const algorithm = algorithmInWords(facts.algorithm);
  return { fingerprint, kind, algorithm, userIds: userIds.slice(0, 20), expiresAt, relation, revokes };
}

async function submit(context: PortalContext, request: FastifyRequest, reply: FastifyReply) {
  const upload = carriedKey(request.body);
  if (upload === null) return sendNotTaken(context, request, reply, 'refused_key.empty', 422);
  const intent = intentOf(request.body);
  const outcome = await submitKey(context.flow, askerOf(request), upload, intent);
  if (outcome.ok) return redirectDone(reply, '/', outcome.result === 'revoked' ? 'revoked' : 'submitted');
  if (outcome.because !== 'needs key') return sendKeyRefusal(context, request, reply, outcome);
  const fields = [
    ['carried', upload.toString('base64url')],
    ['intent', intent],
  ] as const;
  return sendNeedsKey(context, request, reply, fields);
}

// The routes of the queue for its clients. Each is its schema, which also becomes the OpenAPI document, and a few lines.
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import * as z from 'zod';
import {
  acknowledgedSchema,
  BATCH_TYPE,
  errorSchema,
  idsSchema,
  listSchema,
  MESSAGE_TYPE,
  MOST_IN_ONE,
} from '../../src/queue-api/shapes.ts';
import { acknowledge, findInQueue, lastNumber, listQueue, readMessage } from '../queue/fetch.ts';
import type { Bearer } from '../queue/tokens.ts';
import { MESSAGE_ID } from '../queue/types.ts';
import { batchStream } from './batch.ts';
import type { ApiContext } from './context.ts';
import { eventStream } from './events.ts';
import { createGuard } from './guard.ts';
import { waitingOf } from './waiting.ts';

const DEFAULT_LIMIT = 100;

/** A cursor is a number that JavaScript can hold, and that nobody but us makes. */
const cursorSchema = z
  .string()
  .regex(/^\d{1,15}$/)
  .meta({ description: '"next" of an earlier list' });

/** JSON Schema as fastify's validator reads it. */
function schemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  return json;
}

const ERROR = schemaOf(errorSchema);
const failure = (description: string) => ({ description, ...ERROR });
const REFUSALS = {
  401: failure('no token, or one that is not good; the same for every reason'),
  429: failure('too many requests; Retry-After tells the seconds'),
  503: failure('the database is away; try again'),
};
const NOT_FOUND = failure("no such message, another user's included");
const security = [{ token: [] }];
const messageParams = schemaOf(z.object({ id: z.string() }));
const binary = (type: string, description: string) => ({
  description,
  content: { [type]: { schema: { type: 'string', format: 'binary' } } },
});

/** What a route that wants a token begins with. */
interface WithToken {
  readonly onRequest: ReturnType<typeof createGuard>['token'];
}

/** Adds the routes to a server that has its plugins. */
export function addRoutes(server: FastifyInstance, context: ApiContext): void {
  const guard = createGuard(server, context);
  const withToken: WithToken = { onRequest: guard.token };
  addList(server, context, withToken);
  addFetch(server, context, withToken);
  addBatch(server, context, withToken);
  addAcknowledge(server, context, withToken);
  addEvents(server, context, withToken);
  server.get('/v1/openapi.json', { onRequest: guard.open, schema: { hide: true } }, async () =>
    server.swagger(),
  );
}

function addList(server: FastifyInstance, { database }: ApiContext, withToken: WithToken): void {
  server.get<{ Querystring: { after?: string; limit?: number } }>(
    '/v1/messages',
    {
      ...withToken,
      schema: {
        summary: 'List what waits, oldest first',
        security,
        querystring: schemaOf(
          z.object({
            after: cursorSchema.optional(),
            limit: z
              .int()
              .min(1)
              .optional()
              .meta({
                description: `default ${DEFAULT_LIMIT}; more than ${MOST_IN_ONE} counts as ${MOST_IN_ONE}`,
              }),
          }),
        ),
        response: {
          200: { description: 'the list', ...schemaOf(listSchema) },
          400: failure('malformed'),
          ...REFUSALS,
        },
      },
    },
    async (request) => {
      const limit = Math.min(request.query.limit ?? DEFAULT_LIMIT, MOST_IN_ONE);
      const messages = await listQueue(
        database,
        bearerOf(request).userId,
        Number(request.query.after ?? 0),
        limit,
      );
      const last = messages.at(-1);
      return { messages: messages.map(waitingOf), next: last === undefined ? null : String(last.number) };
    },
  );
}

function addFetch(server: FastifyInstance, { database }: ApiContext, withToken: WithToken): void {
  server.get<{ Params: { id: string } }>(
    '/v1/messages/:id',
    {
      ...withToken,
      schema: {
        summary: 'Fetch one message: binary OpenPGP, as it is stored',
        security,
        params: messageParams,
        response: { 200: binary(MESSAGE_TYPE, 'the stored bytes'), 404: NOT_FOUND, ...REFUSALS },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const [message] = MESSAGE_ID.test(id)
        ? await findInQueue(database, bearerOf(request).userId, [id])
        : [];
      if (message === undefined) return answerNotFound(reply);
      return reply
        .type(MESSAGE_TYPE)
        .header('content-length', message.size)
        .send(Readable.from(readMessage(database, message), { objectMode: false }));
    },
  );
}

function addBatch(server: FastifyInstance, { database }: ApiContext, withToken: WithToken): void {
  server.post<{ Body: { ids: string[] } }>(
    '/v1/batch',
    {
      ...withToken,
      schema: {
        summary: 'Fetch several messages in one answer, oldest first',
        description:
          'For each message a line {"id","size","received"} and then exactly "size" bytes of binary OpenPGP; at the end the line ' +
          '{"end":true}, without which the answer was cut off. Ids that do not wait are left out.',
        security,
        body: schemaOf(idsSchema),
        response: { 200: binary(BATCH_TYPE, 'the messages'), 400: failure('malformed'), ...REFUSALS },
      },
    },
    async (request, reply) => {
      const messages = await findInQueue(database, bearerOf(request).userId, idsIn(request.body));
      return reply
        .type(BATCH_TYPE)
        .send(Readable.from(batchStream(database, messages), { objectMode: false }));
    },
  );
}

function addAcknowledge(server: FastifyInstance, { database }: ApiContext, withToken: WithToken): void {
  server.delete<{ Params: { id: string } }>(
    '/v1/messages/:id',
    {
      ...withToken,
      schema: {
        summary: 'Acknowledge a message: it leaves the queue. May be repeated',
        security,
        params: messageParams,
        response: { 204: { description: 'it is gone', type: 'null' }, 404: NOT_FOUND, ...REFUSALS },
      },
    },
    async (request, reply) => {
      const ids = idsIn({ ids: [request.params.id] });
      const gone = ids.length === 0 ? null : await acknowledge(database, bearerOf(request).userId, ids);
      return gone === null || gone.size === 0 ? answerNotFound(reply) : reply.code(204).send();
    },
  );

  server.post<{ Body: { ids: string[] } }>(
    '/v1/acknowledge',
    {
      ...withToken,
      schema: {
        summary: 'Acknowledge several messages. May be repeated',
        security,
        body: schemaOf(idsSchema),
        response: {
          200: { description: 'done', ...schemaOf(acknowledgedSchema) },
          400: failure('malformed'),
          ...REFUSALS,
        },
      },
    },
    async (request) => {
      const gone = await acknowledge(database, bearerOf(request).userId, idsIn(request.body));
      return { acknowledged: gone.size };
    },
  );
}

function addEvents(server: FastifyInstance, context: ApiContext, withToken: WithToken): void {
  const { database, arrivals, config } = context;
  server.get(
    '/v1/events',
    {
      ...withToken,
      schema: {
        summary: 'Server-sent events: one for each new message',
        description:
          'Each event has the cursor as its id and {"id","size","received"} as its data. With Last-Event-ID the stream begins ' +
          'with what came after that one and still waits, else with what comes from now on.',
        security,
        headers: schemaOf(z.object({ 'last-event-id': cursorSchema.optional() })),
        response: { 200: binary('text/event-stream', 'the stream'), 400: failure('malformed'), ...REFUSALS },
      },
    },
    async (request, reply) => {
      const bearer = bearerOf(request);
      const last = request.headers['last-event-id'];
      const after = typeof last === 'string' ? Number(last) : await lastNumber(database, bearer.userId);
      // From here to the stream nothing is waited for: of requests at the same moment each sees the streams of those before it.
      if (arrivals.streams(bearer.userId) >= config.max_events) {
        return reply
          .code(429)
          .header('retry-after', 60)
          .send({ error: 'too many event streams of this user' });
      }
      const gone = new AbortController();
      // The socket's end, since an answer that waits for the one before it on its connection is told of none.
      const { socket } = request.raw;
      if (socket.destroyed) gone.abort();
      else socket.once('close', () => gone.abort());
      return reply
        .type('text/event-stream')
        .header('x-accel-buffering', 'no')
        .send(Readable.from(eventStream(context, bearer, after, gone.signal), { objectMode: false }));
    },
  );
}

function bearerOf(request: FastifyRequest): Bearer {
  if (request.bearer === null) throw new Error('a route without its guard');
  return request.bearer;
}

/** What cannot be an id of ours is nobody's message. */
function idsIn(body: { readonly ids: readonly string[] }): readonly string[] {
  return [...new Set(body.ids.filter((id) => MESSAGE_ID.test(id)))];
}

function answerNotFound(reply: FastifyReply): FastifyReply {
  return reply.code(404).send({ error: 'no such message' });
}

// The HTTP interface as `pull` uses it: a thin client over fetch, which checks every answer.
import type * as z from 'zod';
import { BrokenBatch, type Frame, readFrames } from '../../src/queue-api/frames.ts';
import { acknowledgedSchema, listSchema, MOST_IN_ONE } from '../../src/queue-api/shapes.ts';
import { createEventReader, type ServerEvent } from './event-stream.ts';
import { type Endpoint, type RequestOptions, readText, request } from './request.ts';
import { ServerAway, ServerRefused } from './server-errors.ts';

export interface ServerOptions {
  /** http(s)://host[:port][/path], without /v1. */
  readonly url: URL;
  readonly token: string;
  /** Milliseconds without a byte, after which a connection counts as lost. Default 60,000; heartbeats come every 15 s. */
  readonly silence?: number;
}

export type List = z.output<typeof listSchema>;

export interface Server {
  list(after: string | null, signal: AbortSignal): Promise<List>;
  /** The messages of these ids that still wait, one after the other. */
  batch(ids: readonly string[], signal: AbortSignal): AsyncGenerator<Frame>;
  /** @returns how many of them are gone now, those acknowledged before included as far as the server remembers */
  acknowledge(ids: readonly string[]): Promise<number>;
  /** Ends with an error when the connection does. The first value, null, says that it stands. */
  events(lastId: string, signal: AbortSignal): AsyncGenerator<ServerEvent | null>;
}

const SILENCE_MS = 60_000;

/** Connects to nothing yet: each call is a request of its own, and throws ServerAway or ServerRefused. */
export function createServerClient({ url, token, silence = SILENCE_MS }: ServerOptions): Server {
  const endpoint: Endpoint = { base: url.href.replace(/\/+$/, ''), token, silence };
  return {
    list(after, signal) {
      const cursor = after === null ? '' : `&after=${encodeURIComponent(after)}`;
      return json(endpoint, `/v1/messages?limit=${MOST_IN_ONE}${cursor}`, listSchema, {}, signal);
    },
    batch: (ids, signal) => batch(endpoint, ids, signal),
    async acknowledge(ids) {
      const init = { method: 'POST', body: { ids } };
      return (await json(endpoint, '/v1/acknowledge', acknowledgedSchema, init, null)).acknowledged;
    },
    events: (lastId, signal) => events(endpoint, lastId, signal),
  };
}

async function json<T>(
  endpoint: Endpoint,
  path: string,
  schema: z.ZodType<T>,
  init: RequestOptions,
  signal: AbortSignal | null,
): Promise<T> {
  const answer = await readText(endpoint, await request(endpoint, path, init, signal));
  try {
    return schema.parse(JSON.parse(answer));
  } catch {
    throw new ServerRefused(`${endpoint.base} does not answer as sealpost does; is --server right?`);
  }
}

async function* batch(
  endpoint: Endpoint,
  ids: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Frame> {
  const pieces = await request(endpoint, '/v1/batch', { method: 'POST', body: { ids } }, signal);
  try {
    yield* readFrames(pieces);
  } catch (error) {
    throw error instanceof BrokenBatch ? new ServerAway(`${endpoint.base}: ${error.message}`) : error;
  }
}

async function* events(
  endpoint: Endpoint,
  lastId: string,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent | null> {
  const headers = { accept: 'text/event-stream', ...(lastId === '' ? {} : { 'last-event-id': lastId }) };
  const pieces = await request(endpoint, '/v1/events', { headers }, signal);
  yield null;
  const reader = createEventReader();
  const decoder = new TextDecoder();
  for await (const piece of pieces) yield* reader(decoder.decode(piece, { stream: true }));
  throw new ServerAway(`${endpoint.base}: the event stream ended`);
}

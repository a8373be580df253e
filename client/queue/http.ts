// The HTTP interface as `pull` uses it: a thin client over fetch, with a limit on silence and one kind of error for each thing
// that can be done about it.
import type { z } from 'zod';
import { BrokenBatch, type Frame, readFrames } from '../../src/queue-api/frames.ts';
import { acknowledgedSchema, listSchema } from '../../src/queue-api/shapes.ts';
import { createEventReader, type ServerEvent } from './event-stream.ts';

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

/** The server will say the same again: the token is not good, or this is not sealpost. Exit 1. */
export class ServerRefused extends Error {
  override readonly name = 'ServerRefused';
}

/** The connection was lost, or the server cannot answer now. Worth another try. */
export class ServerAway extends Error {
  override readonly name = 'ServerAway';
  /** Milliseconds that the server asks us to wait; null: it did not say. */
  readonly retryAfter: number | null;
  constructor(message: string, retryAfter: number | null = null, options?: ErrorOptions) {
    super(message, options);
    this.retryAfter = retryAfter;
  }
}

const SILENCE_MS = 60_000;
/** A JSON answer of ours is shorter. */
const MAX_JSON = 4 * 1024 * 1024;

export function createServerClient({ url, token, silence = SILENCE_MS }: ServerOptions): Server {
  const base = url.href.replace(/\/+$/, '');

  /** One request; `use` reads the answer and is cut off when nothing has come for too long. */
  async function request(
    path: string,
    init: { readonly method?: string; readonly body?: unknown; readonly headers?: Record<string, string> },
    signal: AbortSignal | null,
  ): Promise<{ readonly response: Response; readonly pieces: AsyncGenerator<Uint8Array> }> {
    const watchdog = new AbortController();
    const abort = () => watchdog.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    let timer = setTimeout(() => watchdog.abort(), silence);
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => watchdog.abort(), silence);
    };
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    let response: Response;
    try {
      response = await fetch(`${base}${path}`, {
        method: init.method ?? 'GET',
        headers: {
          authorization: `Bearer ${token}`,
          ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...init.headers,
        },
        ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
        // A redirection would carry the token to somebody else.
        redirect: 'error',
        signal: watchdog.signal,
      });
    } catch (error) {
      done();
      throw lost(error, signal);
    }
    async function* pieces(): AsyncGenerator<Uint8Array> {
      try {
        for await (const piece of response.body ?? []) {
          heard();
          yield piece;
        }
      } catch (error) {
        throw lost(error, signal);
      } finally {
        done();
        // Ends the connection of an answer that was not read to its end.
        watchdog.abort();
      }
    }
    return { response, pieces: pieces() };
  }

  function lost(error: unknown, signal: AbortSignal | null): Error {
    if (signal?.aborted) return signal.reason instanceof Error ? signal.reason : new Error('stopped');
    if (error instanceof ServerAway || error instanceof ServerRefused) return error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const what = code === '' ? 'the connection was lost' : `the connection failed (${code})`;
    return new ServerAway(`${base}: ${what}`, null, { cause: error });
  }

  async function text(pieces: AsyncGenerator<Uint8Array>): Promise<string> {
    const all: Uint8Array[] = [];
    let length = 0;
    for await (const piece of pieces) {
      all.push(piece);
      length += piece.length;
      if (length > MAX_JSON) throw new ServerRefused(`${base}: the answer is too long; is this sealpost?`);
    }
    return Buffer.concat(all).toString('utf8');
  }

  /** Judges the status; reads what an error says to its end. */
  async function expectOk(response: Response, pieces: AsyncGenerator<Uint8Array>): Promise<void> {
    if (response.ok) return;
    await text(pieces).catch(() => '');
    throw judgeStatus(response.status, response.headers.get('retry-after'), base);
  }

  async function json<T>(
    path: string,
    schema: z.ZodType<T>,
    signal: AbortSignal | null,
    init: { readonly method?: string; readonly body?: unknown } = {},
  ): Promise<T> {
    const { response, pieces } = await request(path, init, signal);
    await expectOk(response, pieces);
    const answer = await text(pieces);
    try {
      return schema.parse(JSON.parse(answer));
    } catch {
      throw new ServerRefused(`${base} does not answer as sealpost does; is --server right?`);
    }
  }

  return {
    list: (after, signal) =>
      json(
        `/v1/messages?limit=1000${after === null ? '' : `&after=${encodeURIComponent(after)}`}`,
        listSchema,
        signal,
      ),
    async *batch(ids, signal) {
      const { response, pieces } = await request('/v1/batch', { method: 'POST', body: { ids } }, signal);
      await expectOk(response, pieces);
      try {
        yield* readFrames(pieces);
      } catch (error) {
        throw error instanceof BrokenBatch ? new ServerAway(`${base}: ${error.message}`) : error;
      }
    },
    async acknowledge(ids) {
      const init = { method: 'POST', body: { ids } };
      return (await json('/v1/acknowledge', acknowledgedSchema, null, init)).acknowledged;
    },
    async *events(lastId, signal) {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastId !== '') headers['last-event-id'] = lastId;
      const { response, pieces } = await request('/v1/events', { headers }, signal);
      await expectOk(response, pieces);
      yield null;
      const read = createEventReader();
      const decoder = new TextDecoder();
      for await (const piece of pieces) yield* read(decoder.decode(piece, { stream: true }));
      throw new ServerAway(`${base}: the event stream ended`);
    },
  };
}

/** What an answer other than 2xx means for the client. Pure. */
export function judgeStatus(
  status: number,
  retryAfter: string | null,
  base: string,
): ServerRefused | ServerAway {
  if (status === 401) {
    return new ServerRefused(
      `${base} does not take the token: it is wrong or was revoked; ask for a new one ("sealpost token add ADDRESS" on the server)`,
    );
  }
  if (status === 429 || status >= 500) {
    const seconds = retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : null;
    const what = status === 429 ? 'too many requests' : `the server answered ${status}`;
    return new ServerAway(`${base}: ${what}`, seconds === null ? null : seconds * 1000);
  }
  return new ServerRefused(
    `${base} answered ${status}; expected the HTTP interface of sealpost there: check --server`,
  );
}

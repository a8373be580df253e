// One request over fetch: the token, a limit on silence, no redirection, and an error that says what can be done about it.
import { judgeStatus, ServerAway, ServerRefused } from './server-errors.ts';

/** Where every request goes, and as whom. */
export interface Endpoint {
  /** http(s)://host[:port][/path], without a slash at the end. */
  readonly base: string;
  readonly token: string;
  /** Milliseconds without a byte, after which a connection counts as lost. */
  readonly silence: number;
}

export interface RequestOptions {
  readonly method?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A JSON answer of ours is shorter. */
const MAX_JSON = 4 * 1024 * 1024;

/**
 * Sends a request.
 * @param path behind the endpoint's base, with its query
 * @param signal gives the request up, and the answer with it; null: nothing does
 * @returns the answer's bytes as they come; its status was 2xx
 * @throws ServerAway, ServerRefused; the reason of `signal` when that was aborted
 */
export async function request(
  endpoint: Endpoint,
  path: string,
  init: RequestOptions,
  signal: AbortSignal | null,
): Promise<AsyncGenerator<Uint8Array>> {
  const watchdog = createWatchdog(endpoint, signal);
  const sent = orAborted(send(endpoint, path, init, watchdog.signal), watchdog.signal);
  const response = await sent.catch((error: unknown) => {
    watchdog.done();
    throw lost(endpoint, error, signal);
  });
  const pieces = read(response, watchdog, (error) => lost(endpoint, error, signal));
  if (response.ok) return pieces;
  // What an error says is read to its end, and not told: it may be anybody's.
  await readText(endpoint, pieces).catch(() => '');
  throw judgeStatus(response.status, response.headers.get('retry-after'), endpoint.base);
}

/**
 * Reads an answer to its end, as UTF-8.
 * @throws ServerRefused when it is longer than any of ours, and what reading throws
 */
export async function readText({ base }: Endpoint, pieces: AsyncGenerator<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    all.push(piece);
    length += piece.length;
    if (length > MAX_JSON) throw new ServerRefused(`${base}: the answer is too long; is this sealpost?`);
  }
  return Buffer.concat(all).toString('utf8');
}

function send(
  { base, token }: Endpoint,
  path: string,
  { method = 'GET', body, headers = {} }: RequestOptions,
  signal: AbortSignal,
): Promise<Response> {
  return fetch(`${base}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    // A redirection would carry the token to somebody else.
    redirect: 'error',
    signal,
  });
}

async function* read(
  response: Response,
  watchdog: Watchdog,
  toError: (error: unknown) => Error,
): AsyncGenerator<Uint8Array> {
  const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = response.body?.getReader();
  try {
    while (reader !== undefined) {
      const next = await orAborted(reader.read(), watchdog.signal);
      if (next.done) return;
      watchdog.heard();
      yield next.value;
    }
  } catch (error) {
    throw toError(error);
  } finally {
    watchdog.done();
    // Ends the connection of an answer that was not read to its end.
    watchdog.abort();
    void reader?.cancel().catch(() => undefined);
  }
}

/**
 * Waits for `work`, or until the signal is aborted: then it rejects with the signal's reason. fetch() alone does not do that for
 * a body: it holds the signal weakly, and once that was collected a server that falls silent is waited for without end.
 */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Cuts a request off when nothing has come for too long, or when the caller's signal says so. */
interface Watchdog {
  readonly signal: AbortSignal;
  /** A byte has come: the silence begins anew. */
  heard(): void;
  /** Watches no more. */
  done(): void;
  abort(): void;
}

function createWatchdog({ base, silence }: Endpoint, caller: AbortSignal | null): Watchdog {
  const controller = new AbortController();
  const abort = (): void => controller.abort(caller?.reason);
  const bark = (): void => controller.abort(new ServerAway(`${base}: nothing came for ${silence / 1000} s`));
  const start = () => setTimeout(bark, silence);
  let timer = start();
  caller?.addEventListener('abort', abort, { once: true });
  if (caller?.aborted) abort();
  return {
    signal: controller.signal,
    heard() {
      clearTimeout(timer);
      timer = start();
    },
    done() {
      clearTimeout(timer);
      caller?.removeEventListener('abort', abort);
    },
    abort: () => controller.abort(),
  };
}

function lost({ base }: Endpoint, error: unknown, signal: AbortSignal | null): Error {
  if (signal?.aborted) return signal.reason instanceof Error ? signal.reason : new Error('stopped');
  if (error instanceof ServerAway || error instanceof ServerRefused) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const what = code === '' ? 'the connection was lost' : `the connection failed (${code})`;
  return new ServerAway(`${base}: ${what}`, null, { cause: error });
}

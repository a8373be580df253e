// GET /v1/events: server-sent events (WHATWG HTML, section 9.2), one for each new message of the token's user.
import { listQueue } from '../queue/fetch.ts';
import type { Bearer } from '../queue/tokens.ts';
import type { QueuedMessage } from '../queue/types.ts';
import type { Subscription } from './arrivals.ts';
import type { ApiContext } from './context.ts';
import { waitingOf } from './waiting.ts';

/** Messages that one query brings. */
const AT_ONCE = 100;

/** Milliseconds after which a client should come back, told at the beginning of a stream. */
const RETRY_MS = 3000;

/** One event. Its id is the cursor that Last-Event-ID brings back. */
export function eventOf(message: QueuedMessage): string {
  return `id: ${message.number}\ndata: ${JSON.stringify(waitingOf(message))}\n\n`;
}

/**
 * The text of an event stream, piece by piece as the client takes it: what waits behind the cursor, then what comes. Ends when
 * the token is revoked, the database fails, or `gone` is aborted; the client comes back with the last id. It counts among the
 * user's streams from the call on, before anything of it is read.
 * @param after a cursor
 */
export function eventStream(
  context: ApiContext,
  bearer: Bearer,
  after: number,
  gone: AbortSignal,
): AsyncGenerator<string> {
  const subscription = context.arrivals.subscribe(bearer);
  // A stream whose client left before the first piece is never read, and so never ends by itself.
  if (gone.aborted) subscription.close();
  else gone.addEventListener('abort', () => subscription.close(), { once: true });
  return textOf(context, bearer, subscription, after);
}

async function* textOf(
  { database, heartbeat }: ApiContext,
  { userId }: Bearer,
  subscription: Subscription,
  after: number,
): AsyncGenerator<string> {
  try {
    yield `retry: ${RETRY_MS}\n: connected\n\n`;
    for (let cursor = after; !subscription.ended; ) {
      const messages = await listQueue(database, userId, cursor, AT_ONCE);
      for (const message of messages) yield eventOf(message);
      cursor = messages.at(-1)?.number ?? cursor;
      if (messages.length === AT_ONCE) continue;
      let heard = await subscription.wait(heartbeat);
      while (heard === 'quiet') {
        yield ': still here\n\n';
        heard = await subscription.wait(heartbeat);
      }
    }
  } finally {
    subscription.close();
  }
}

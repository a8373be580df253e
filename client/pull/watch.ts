// `pull --watch`: the server's events wake us; what is new is then read from the list, so that a lost event loses nothing.
import { waitingSchema } from '../../src/queue-api/shapes.ts';
import type { ServerEvent } from '../queue/event-stream.ts';
import { drain } from './drain.ts';
import { type PullRun, RETRY_FAILED_MS } from './run.ts';

type Events = AsyncGenerator<ServerEvent | null>;
type News = IteratorResult<ServerEvent | null>;

/**
 * Keeps the queue empty for as long as the event stream stands.
 * @throws ServerAway or ServerRefused when the stream ends, and what draining throws
 */
export async function watch(run: PullRun): Promise<void> {
  const { server, outage, progress, stop } = run;
  const events = server.events('', stop);
  try {
    // What came before the stream stood is in the list.
    await events.next();
    await drain(run);
    // The server is back, also where there is nothing to fetch.
    outage.attempts = 0;
    progress.waiting();
    let next = nextEvent(events);
    while (!stop.aborted) {
      const news = await newsOrQuiet(run, next);
      if (news !== null) {
        if (news.done) return;
        next = nextEvent(events);
        // One event for each message; the list that the first of them led to held the others too.
        if (news.value !== null && isKnown(run, news.value)) continue;
      }
      await drain(run);
    }
  } finally {
    // A generator that waits for the network ends with its signal; nobody waits for it here.
    events.return(undefined).catch(() => undefined);
  }
}

function nextEvent(events: Events): Promise<News> {
  const next = events.next();
  // Should the stream end while the list is read, whoever waits for it afterwards is told.
  next.catch(() => undefined);
  return next;
}

/** The next event; null when none came until it is time to try again what could not be decrypted. */
async function newsOrQuiet({ pause, stop }: PullRun, next: Promise<News>): Promise<News | null> {
  const heard = new AbortController();
  const quiet = pause(RETRY_FAILED_MS, AbortSignal.any([stop, heard.signal]));
  // A pause that nobody waits for any more would keep the process alive.
  return Promise.race([next, quiet.then(() => null)]).finally(() => heard.abort());
}

function isKnown({ maildir, failures }: PullRun, { data }: ServerEvent): boolean {
  const message = waitingSchema.safeParse(parseJson(data));
  return message.success && (maildir.has(message.data.id) || failures.lately(message.data.id));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

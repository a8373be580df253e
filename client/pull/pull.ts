// `sealpost pull`: from the server's queue into a local Maildir. For each message: fetch, decrypt, write, flush, rename, flush,
// acknowledge, in this order; whatever is interrupted anywhere goes on from there.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Frame } from '../../src/queue-api/frames.ts';
import { type Waiting, waitingSchema } from '../../src/queue-api/shapes.ts';
import { createCollector, type Decryptor, type Opened } from '../decrypt/decryptor.ts';
import { withVerdict } from '../decrypt/verdict.ts';
import type { ServerEvent } from '../queue/event-stream.ts';
import { type Server, ServerAway } from '../queue/http.ts';
import type { Maildir, Staged } from './maildir.ts';
import { groupsOf, type Outage, pauseAfter } from './plan.ts';
import type { Progress } from './progress.ts';

export interface PullOptions {
  readonly server: Server;
  readonly maildir: Maildir;
  readonly decryptor: Decryptor;
  readonly progress: Progress;
  /** Go on when the queue is empty, and take new mail as it comes. */
  readonly watch: boolean;
  /** Stops before the next message; what has arrived is delivered. */
  readonly stop: AbortSignal;
  /** Messages that are decrypted at once. */
  readonly parallel: number;
  /** For tests: milliseconds between attempts and so on. */
  readonly pause?: (ms: number, stop: AbortSignal) => Promise<void>;
}

export interface PullResult {
  readonly delivered: number;
  readonly bytes: number;
  /** Left on the server, with the reason. */
  readonly failed: readonly { readonly id: string; readonly reason: string }[];
}

/** Larger messages are decrypted as they come, alone. */
const SMALL_BYTES = 1024 * 1024;

/** A plaintext that is so much larger than what was sealed is not what the server accepted as mail. */
const mostPlaintext = (size: number): number => size * 4 + 64 * 1024 * 1024;

/** In --watch, a message that could not be decrypted is tried again after so long. */
const RETRY_FAILED_MS = 600_000;

/**
 * Empties the queue, and with `watch` keeps it empty.
 * @returns when the queue is empty, or after `stop`
 * @throws ServerRefused, KeyNotUsable; ServerAway when the server stays away, which with `watch` is waited for; the file
 * system's errors
 */
export async function pull(options: PullOptions): Promise<PullResult> {
  const { server, maildir, decryptor, progress, stop } = options;
  const pause = options.pause ?? pauseUntil;
  const failed = new Map<string, { readonly reason: string; readonly at: number }>();
  const outage: Outage = { attempts: 0, deliveredBefore: 0 };
  let delivered = 0;
  let bytes = 0;

  /**
   * What an earlier run delivered and could not acknowledge. What this server and this user do not know belongs to another
   * token, whose turn may come again.
   */
  async function acknowledgeEarlier(ids: readonly string[]): Promise<void> {
    for (let from = 0; from < ids.length; from += 1000) {
      const some = ids.slice(from, from + 1000);
      if ((await server.acknowledge(some)) === some.length) await maildir.acknowledged(some);
      else
        for (const id of some) {
          if ((await server.acknowledge([id])) === 1) await maildir.acknowledged([id]);
          else await maildir.unknown(id);
        }
    }
  }

  async function acknowledge(ids: readonly string[]): Promise<void> {
    for (let from = 0; from < ids.length; from += 1000) {
      const some = ids.slice(from, from + 1000);
      await server.acknowledge(some);
      await maildir.acknowledged(some);
    }
  }

  /** Everything that waits, page by page, until a page is empty. */
  async function drain(): Promise<void> {
    for (let after: string | null = null; !stop.aborted; ) {
      const page = await server.list(after, stop);
      if (page.messages.length === 0) return;
      await acknowledge(page.messages.flatMap(({ id }) => (maildir.has(id) ? [id] : [])));
      const wanted = page.messages.filter(({ id }) => !maildir.has(id) && !failedLately(id));
      progress.found(wanted.length);
      for (const group of groupsOf(wanted)) {
        if (stop.aborted) return;
        await take(group);
      }
      after = page.next;
    }
  }

  function failedLately(id: string): boolean {
    const at = failed.get(id)?.at;
    return at !== undefined && Date.now() - at < RETRY_FAILED_MS;
  }

  /** Fetches and delivers some messages. What was complete when the connection broke is delivered before the error goes on. */
  async function take(group: readonly Waiting[]): Promise<void> {
    const wanted = new Map(group.map((message) => [message.id, message]));
    const staged: Staged[] = [];
    const running = new Set<Promise<void>>();
    let fatal: unknown;
    let size = 0;

    async function one(message: Waiting, sealed: AsyncIterable<Uint8Array>): Promise<void> {
      const opened = await decryptor.open(sealed, message.size, mostPlaintext(message.size), true);
      if (!opened.ok) return fail(message, opened);
      const mail = await withVerdict(opened.plaintext, decryptor);
      const file = await maildir.stage(message);
      try {
        await file.write(mail);
        staged.push(await file.finish());
      } catch (error) {
        await file.discard();
        throw error;
      }
      failed.delete(message.id);
      size += message.size;
    }

    function start(message: Waiting, sealed: AsyncIterable<Uint8Array>): Promise<void> {
      const task = one(message, sealed)
        .catch((error: unknown) => {
          fatal ??= error;
        })
        .finally(() => running.delete(task));
      running.add(task);
      return task;
    }

    try {
      for await (const frame of server.batch([...wanted.keys()], stop)) {
        // The name of the file comes from what the list said, so that it is the same at every attempt.
        const message = wanted.get(frame.message.id);
        wanted.delete(frame.message.id);
        if (message === undefined || frame.message.size !== message.size)
          throw new ServerAway('the server sent another message than it was asked for');
        if (message.size > SMALL_BYTES) await start(message, frame.bytes);
        else {
          const sealed = await collect(frame);
          void start(message, once(sealed));
        }
        while (running.size >= options.parallel) await Promise.race(running);
        if (fatal !== undefined) break;
      }
    } catch (error) {
      fatal ??= error;
    }
    await Promise.all(running);
    if (staged.length > 0) {
      await maildir.deliver(staged);
      delivered += staged.length;
      bytes += size;
      progress.delivered(staged.length, size);
      await acknowledge(staged.map(({ id }) => id));
    }
    if (fatal !== undefined) throw fatal;
  }

  function fail({ id }: Waiting, { reason }: Extract<Opened, { ok: false }>): void {
    if (!failed.has(id)) progress.failed(id, SENTENCES[reason]);
    failed.set(id, { reason: SENTENCES[reason], at: Date.now() });
  }

  function isKnown({ data }: ServerEvent): boolean {
    const message = waitingSchema.safeParse(parseJson(data));
    return message.success && (maildir.has(message.data.id) || failedLately(message.data.id));
  }

  /** Events wake us; what is new is then read from the list. Ends with an error when the stream does. */
  async function watch(): Promise<void> {
    const events = server.events('', stop);
    const nextEvent = () => {
      const next = events.next();
      // Should the stream end while the list is read, whoever waits for it afterwards is told.
      next.catch(() => undefined);
      return next;
    };
    try {
      // What came before the stream stood is in the list.
      await events.next();
      await drain();
      // The server is back, also where there is nothing to fetch.
      outage.attempts = 0;
      progress.waiting();
      let next = nextEvent();
      while (!stop.aborted) {
        const heard = new AbortController();
        const quiet = pause(RETRY_FAILED_MS, AbortSignal.any([stop, heard.signal]));
        // A pause that nobody waits for any more would keep the process alive.
        const news = await Promise.race([next, quiet.then(() => null)]).finally(() => heard.abort());
        if (news !== null) {
          if (news.done) return;
          next = nextEvent();
          // One event for each message; the list that the first of them led to held the others too.
          if (news.value !== null && isKnown(news.value)) continue;
        }
        await drain();
      }
    } finally {
      await closeQuietly(events);
    }
  }

  const fresh = new Set(maildir.unacknowledged);
  while (!stop.aborted) {
    try {
      if (fresh.size > 0) {
        await acknowledgeEarlier([...fresh]);
        fresh.clear();
      }
      if (!options.watch) {
        await drain();
        break;
      }
      await watch();
    } catch (error) {
      if (stop.aborted) break;
      if (!(error instanceof ServerAway)) throw error;
      if (delivered > outage.deliveredBefore) outage.attempts = 0;
      outage.deliveredBefore = delivered;
      const wait = pauseAfter(outage.attempts, error.retryAfter, options.watch);
      if (wait === null) throw error;
      outage.attempts += 1;
      progress.away(error.message, wait);
      await pause(wait, stop);
    }
  }
  return { delivered, bytes, failed: [...failed].map(([id, { reason }]) => ({ id, reason })) };
}

const SENTENCES: Readonly<Record<Extract<Opened, { ok: false }>['reason'], string>> = {
  'no secret key': 'it is sealed to a key whose secret part is not here',
  damaged: 'it is damaged, or was changed after it was sealed',
  'too large': 'it is far larger than its sealed size allows',
};

async function collect({ message, bytes }: Frame): Promise<Buffer> {
  const collector = createCollector(message.size, SMALL_BYTES);
  for await (const piece of bytes) collector.add(piece);
  return collector.bytes();
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function closeQuietly(events: AsyncGenerator<ServerEvent | null>): Promise<void> {
  // A generator that waits for the network ends with its signal; nobody waits for it here.
  events.return(undefined).catch(() => undefined);
}

async function pauseUntil(ms: number, stop: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: stop }).catch(() => undefined);
}

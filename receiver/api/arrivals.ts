// Wakes the event streams of a user when the database tells of new mail, and ends them when the token is no longer good. A
// notification is a hint only: what there is to tell is read from the queue, so that a lost one is made good by the next.
import type { Config } from '../../src/config/schema.ts';
import { listenForChanges } from '../../src/database/notifications.ts';
import type { Logger } from '../../src/observe/log.ts';
import type { Bearer } from '../queue/tokens.ts';
import { INCOMING_CHANNEL, parseArrival } from '../queue/types.ts';

/** One event stream that waits. */
export interface Subscription {
  /** The token is no longer good, or the stream was closed: nothing more is to be told. */
  readonly ended: boolean;
  /** Resolves when there may be something new, when `ms` have passed, or when the stream is to end. */
  wait(ms: number): Promise<'news' | 'quiet' | 'end'>;
  close(): void;
}

export interface Arrivals {
  /** How many streams a user has open. */
  streams(userId: number): number;
  /** All of them. */
  count(): number;
  /** Counts as a stream at once. The token is asked for once more: it may have been revoked since it was looked at. */
  subscribe(bearer: Bearer): Subscription;
  close(): Promise<void>;
}

interface Waiting {
  readonly bearer: Bearer;
  news: boolean;
  ended: boolean;
  wake: () => void;
}

export interface ArrivalsBoard extends Arrivals {
  /** There may be new mail for a user; null: for anybody. */
  arrived(userId: number | null): void;
  /** Something about the tokens of a user (null: of anybody) has changed. */
  tokensChanged(userId: number | null): void;
}

/** After so many milliseconds tokens are asked for again where the database gave no answer. */
const ASK_AGAIN_MS = 5000;

/**
 * The streams and who wakes them, without a database.
 * @param stillGood which of these tokens are good; a failure keeps the streams, and is followed by another question
 * @param askAgain milliseconds between them
 */
export function createArrivals(
  stillGood: (tokens: readonly number[]) => Promise<ReadonlySet<number>>,
  askAgain = ASK_AGAIN_MS,
): ArrivalsBoard {
  const streams = new Map<number, Set<Waiting>>();
  const of = (userId: number | null): Waiting[] =>
    userId === null ? [...streams.values()].flatMap((set) => [...set]) : [...(streams.get(userId) ?? [])];

  function end(waiting: Waiting): void {
    waiting.ended = true;
    waiting.wake();
  }

  /** Streams whose tokens the database could not tell of. */
  const unsure = new Set<Waiting>();
  let again: NodeJS.Timeout | undefined;

  function endUnlessGood(affected: readonly Waiting[]): void {
    if (affected.length === 0) return;
    stillGood([...new Set(affected.map(({ bearer }) => bearer.tokenId))]).then(
      (good) => {
        for (const waiting of affected) if (!good.has(waiting.bearer.tokenId)) end(waiting);
      },
      () => {
        for (const waiting of affected) unsure.add(waiting);
        again ??= setTimeout(askForUnsure, askAgain).unref();
      },
    );
  }

  function askForUnsure(): void {
    again = undefined;
    const affected = [...unsure].filter(({ ended }) => !ended);
    unsure.clear();
    endUnlessGood(affected);
  }

  return {
    streams: (userId) => streams.get(userId)?.size ?? 0,
    count: () => of(null).length,
    subscribe(bearer) {
      const waiting: Waiting = { bearer, news: false, ended: false, wake: () => undefined };
      const mine = streams.get(bearer.userId) ?? new Set();
      streams.set(bearer.userId, mine.add(waiting));
      endUnlessGood([waiting]);
      return {
        get ended() {
          return waiting.ended;
        },
        async wait(ms) {
          if (!waiting.news && !waiting.ended) {
            await new Promise<void>((resolve) => {
              const timer = setTimeout(resolve, ms);
              waiting.wake = () => {
                clearTimeout(timer);
                resolve();
              };
            });
          }
          if (waiting.ended) return 'end';
          const { news } = waiting;
          waiting.news = false;
          return news ? 'news' : 'quiet';
        },
        close() {
          end(waiting);
          mine.delete(waiting);
          if (mine.size === 0 && streams.get(bearer.userId) === mine) streams.delete(bearer.userId);
        },
      };
    },
    arrived(userId) {
      for (const waiting of of(userId)) {
        waiting.news = true;
        waiting.wake();
      }
    },
    tokensChanged(userId) {
      endUnlessGood(of(userId));
    },
    async close() {
      clearTimeout(again);
      for (const waiting of of(null)) end(waiting);
    },
  };
}

/**
 * Connects the board with the database's notifications. While the connection is away nothing is told; when it is back every
 * stream looks for itself.
 * @throws DatabaseUnavailable
 */
export async function listenForArrivals(
  config: Config,
  board: ArrivalsBoard,
  logger: Logger,
): Promise<Arrivals> {
  const everything = (): void => {
    board.arrived(null);
    board.tokensChanged(null);
  };
  const listening = await listenForChanges(
    config,
    {
      onChange: ({ table, key }) => {
        if (table === 'api_tokens' || table === 'users')
          board.tokensChanged(key === null ? null : Number(key));
      },
      onLost: () => undefined,
      onRestored: everything,
    },
    {
      logger,
      also: {
        channel: INCOMING_CHANNEL,
        onPayload: (payload) => board.arrived(parseArrival(payload)?.user ?? null),
      },
    },
  );
  return {
    ...board,
    close: async () => {
      await board.close();
      await listening.close();
    },
  };
}

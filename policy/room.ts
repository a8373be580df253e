// How many connections the lookup daemons of one process may have, all listeners together. Descriptors stay in reserve for mail
// that comes in and goes out: a lookup that is put off delays one letter, a filter without descriptors delays all of them.
import type { Config } from '../src/config/schema.ts';
import type { Logger } from '../src/observe/log.ts';
import { createRation } from '../src/pacing/ration.ts';

/** The database, the log, the listeners themselves, files that are read, and the ends of worker threads. */
const OWN_DESCRIPTORS = 200;
/** Connections that are told that there are too many, at once. */
export const MOST_PUT_OFF = 50;
/** Lines a minute about connections that were put off. */
const LINES = 2;
const SPAN_MS = 60_000;

/** What a new connection may have: its requests answered; one temporary answer; nothing. */
export type Place = 'served' | 'put off' | 'none';

export interface Room {
  /** Asks for a place, which is given back unless it is `none`. @param listener for the log */
  take(listener: string): Place;
  giveBack(place: Place): void;
}

/**
 * How many connections the lookup daemons serve: `policy.max_connections`, or what the limit of open files leaves beside all
 * other connections that the configuration allows, and never less than a quarter of it. Pure.
 * @param config limits of this process
 * @param openFiles the limit; null: unknown, or none
 */
export function lookupConnections(
  { policy, filter, receiver }: Pick<Config, 'policy' | 'filter' | 'receiver'>,
  openFiles: number | null,
): number {
  if (openFiles === null) return policy.max_connections;
  const others =
    OWN_DESCRIPTORS +
    MOST_PUT_OFF +
    filter.max_connections +
    filter.next_hop_connections +
    (receiver.api.listen === null ? 0 : receiver.api.max_connections);
  return Math.min(policy.max_connections, Math.max(openFiles - others, Math.floor(openFiles / 4)));
}

/**
 * @param most connections that are served
 * @param refused told of each one that is not
 * @param clock Unix milliseconds
 */
export function createRoom(
  most: number,
  logger: Logger,
  refused: (listener: string) => void,
  clock: () => number = Date.now,
): Room {
  const taken: Record<Exclude<Place, 'none'>, number> = { served: 0, 'put off': 0 };
  const ration = createRation(LINES, SPAN_MS);
  function tell(listener: string, place: Place): void {
    refused(listener);
    const leftOut = ration.next(clock());
    if (leftOut === null) return;
    logger.warn(
      { event: 'lookups_full', listener, place, connections: taken.served, most, not_logged: leftOut },
      'too many lookup connections: further ones get a temporary answer (policy.max_connections)',
    );
  }
  return {
    take(listener) {
      if (taken.served < most) {
        taken.served += 1;
        return 'served';
      }
      const place = taken['put off'] < MOST_PUT_OFF ? 'put off' : 'none';
      if (place === 'put off') taken['put off'] += 1;
      tell(listener, place);
      return place;
    },
    giveBack(place) {
      if (place !== 'none') taken[place] -= 1;
    },
  };
}

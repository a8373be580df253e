// What `pull` decides: which messages it asks for together, and how long it waits for a server that is away. Pure.
import type { Waiting } from '../../src/queue-api/shapes.ts';

/** Fetched, delivered and acknowledged together: one flush of each folder for all of them. */
const GROUP_MESSAGES = 64;
const GROUP_BYTES = 8 * 1024 * 1024;

/** Divides a list, in its order: groups of a few megabytes, a larger message alone. */
export function groupsOf(messages: readonly Waiting[]): readonly (readonly Waiting[])[] {
  const groups: Waiting[][] = [];
  let bytes = 0;
  for (const message of messages) {
    const group = groups.at(-1);
    if (group === undefined || group.length === GROUP_MESSAGES || bytes + message.size > GROUP_BYTES) {
      groups.push([message]);
      bytes = message.size;
    } else {
      group.push(message);
      bytes += message.size;
    }
  }
  return groups;
}

/** Attempts in a row that brought nothing. */
export interface Outage {
  attempts: number;
  deliveredBefore: number;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
/** Without --watch: 0.5 + 1 + 2 + 4 + 8 seconds. */
const ATTEMPTS = 5;
/** A server that asks for more patience than this is away. */
const MOST_PATIENCE_MS = 300_000;

/**
 * How long to wait before the next attempt, in milliseconds; null: give up.
 * @param attempts in vain, without a message delivered between them
 * @param retryAfter what the server asked for
 */
export function pauseAfter(attempts: number, retryAfter: number | null, watch: boolean): number | null {
  if (!watch && (attempts >= ATTEMPTS || (retryAfter ?? 0) > MOST_PATIENCE_MS)) return null;
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts, 20), LONGEST_PAUSE_MS);
  return Math.max(pause, Math.min(retryAfter ?? 0, MOST_PATIENCE_MS));
}

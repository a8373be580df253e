// Which names changed, and when: what tells a cached answer from a true one. An answer notes the moment at which it was read
// and the names that it rests on; it holds as long as none of them changed after that moment.
import { LRUCache } from 'lru-cache';

export interface ChangeLog {
  /** The current moment: a number that grows with every change. Take it before reading. */
  now(): number;
  /** The moment of the last change that may not be overlooked even by somebody who asks again at once. */
  lastStrict(): number;
  /**
   * Notes a change.
   * @param lenient a change that answers under way may still overlook (what a mailbox holds)
   */
  note(name: string, lenient?: boolean): void;
  /** Everything may have changed. */
  noteAll(): void;
  /** Whether nothing among `names` changed after `since`. */
  holds(since: number, names: readonly string[]): boolean;
}

/** Changed names that are told apart; when more change, the oldest count as "everything before this moment". */
const MOST_NAMES = 50_000;

export function createChangeLog(mostNames = MOST_NAMES): ChangeLog {
  let moment = 0;
  let strict = 0;
  let floor = 0;
  const changed = new LRUCache<string, number>({
    // And not `max`, which would have memory made ready for all of them.
    maxSize: mostNames,
    sizeCalculation: () => 1,
    dispose: (at, _name, reason) => {
      if (reason === 'evict') floor = Math.max(floor, at);
    },
  });
  return {
    now: () => moment,
    lastStrict: () => strict,
    note(name, lenient = false) {
      moment += 1;
      changed.set(name, moment);
      if (!lenient) strict = moment;
    },
    noteAll() {
      moment += 1;
      strict = moment;
      floor = moment;
      changed.clear();
    },
    holds(since, names) {
      if (since === moment) return true;
      if (since < floor) return false;
      return names.every((name) => (changed.peek(name) ?? 0) <= since);
    },
  };
}

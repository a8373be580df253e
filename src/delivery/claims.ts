// Which messages are on their way to which recipients right now, so that a second attempt waits until the first one's fate
// is known. Pure bookkeeping.
//
// A second one is no fault: local(8) hands on each member of an alias by itself, so that somebody who is named beside the alias
// comes in two transactions of one queue ID at once. It shares the first one's outcome.
//
// Postfix does not try again while it waits for our reply. So the other processes of `serve --workers` need to be told of a
// claim only when nobody waits any more: the client is gone, or was answered at the deadline, before the next hop answered.

import type { Reply } from '../smtp/types.ts';

/** A message key and a recipient key. */
export type ClaimId = string;

/** The way to the other processes of this serve. */
export interface ClaimPeers {
  /** These are under way here, and nobody waits for them. */
  announce(ids: readonly ClaimId[]): void;
  /** Their fate is known now. */
  withdraw(ids: readonly ClaimId[]): void;
}

export interface Claims {
  /** @returns false when it is under way already, here or in another process */
  take(id: ClaimId): boolean;
  /**
   * How the one that has taken it ends.
   * @returns null, at once or later, where nobody will say: it is taken in another process, or abandoned
   */
  fate(id: ClaimId): Promise<Reply | null>;
  /** @param fates what those who wait for one of them are told; without one they are told null */
  release(ids: Iterable<ClaimId>, fates?: ReadonlyMap<ClaimId, Reply>): void;
  /** Nobody waits for these any more: the others must know of them until they are released. */
  abandon(ids: Iterable<ClaimId>): void;
  /** All that this process has in hand, abandoned ones included. */
  underWay(): readonly ClaimId[];
  /** What another process has announced, or withdrawn. */
  heard(kind: 'announce' | 'withdraw', ids: readonly ClaimId[]): void;
}

/** Told the fate of a claim. */
type Waiter = (fate: Reply | null) => void;

/** Those who wait for each claim of this process; null once it is abandoned. */
type Here = Map<ClaimId, Waiter[] | null>;

/** @param peers null where there is one process only */
export function createClaims(peers: ClaimPeers | null): Claims {
  const here: Here = new Map();
  const announced = new Set<ClaimId>();
  const elsewhere = new Set<ClaimId>();
  return {
    take(id) {
      if (here.has(id) || elsewhere.has(id)) return false;
      here.set(id, []);
      return true;
    },
    fate: (id) =>
      new Promise((resolve) => {
        const waiters = here.get(id);
        if (waiters) waiters.push(resolve);
        else resolve(null);
      }),
    release(ids, fates) {
      const withdrawn: ClaimId[] = [];
      for (const id of ids) {
        for (const tell of here.get(id) ?? []) tell(fates?.get(id) ?? null);
        here.delete(id);
        if (announced.delete(id)) withdrawn.push(id);
      }
      if (withdrawn.length > 0) peers?.withdraw(withdrawn);
    },
    abandon(ids) {
      const fresh = [...ids].filter((id) => leave(here, id));
      if (peers === null || fresh.length === 0) return;
      for (const id of fresh) announced.add(id);
      peers.announce(fresh);
    },
    underWay: () => [...here.keys()],
    heard(kind, ids) {
      for (const id of ids) {
        if (kind === 'announce') elsewhere.add(id);
        else elsewhere.delete(id);
      }
    },
  };
}

/** Nobody waits for a claim any more. @returns false where it had been left, or is not taken */
function leave(here: Here, id: ClaimId): boolean {
  const waiters = here.get(id);
  if (!waiters) return false;
  for (const tell of waiters) tell(null);
  here.set(id, null);
  return true;
}

// Which messages are on their way to which recipients right now, so that a second attempt waits until the first one's fate
// is known. Pure bookkeeping.
//
// Postfix does not try again while it waits for our reply. So the other processes of `serve --workers` need to be told of a
// claim only when nobody waits any more: the client is gone, or was answered at the deadline, before the next hop answered.

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
  release(ids: Iterable<ClaimId>): void;
  /** Nobody waits for these any more: the others must know of them until they are released. */
  abandon(ids: Iterable<ClaimId>): void;
  /** What another process has announced, or withdrawn. */
  heard(kind: 'announce' | 'withdraw', ids: readonly ClaimId[]): void;
}

/** @param peers null where there is one process only */
export function createClaims(peers: ClaimPeers | null): Claims {
  const here = new Set<ClaimId>();
  const announced = new Set<ClaimId>();
  const elsewhere = new Set<ClaimId>();
  return {
    take(id) {
      if (here.has(id) || elsewhere.has(id)) return false;
      here.add(id);
      return true;
    },
    release(ids) {
      const withdrawn: ClaimId[] = [];
      for (const id of ids) {
        here.delete(id);
        if (announced.delete(id)) withdrawn.push(id);
      }
      if (withdrawn.length > 0) peers?.withdraw(withdrawn);
    },
    abandon(ids) {
      if (peers === null) return;
      const fresh = [...ids].filter((id) => here.has(id) && !announced.has(id));
      for (const id of fresh) announced.add(id);
      if (fresh.length > 0) peers.announce(fresh);
    },
    heard(kind, ids) {
      for (const id of ids) {
        if (kind === 'announce') elsewhere.add(id);
        else elsewhere.delete(id);
      }
    },
  };
}

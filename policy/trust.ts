// Since when change notifications arrive without a gap: what was read in another epoch may have changed unnoticed.
import type { Trust } from './answer-cache.ts';

export interface TrustKeeper extends Trust {
  /** Notifications are missed from now on. */
  lost(): void;
  /** They arrive again. */
  restored(): void;
}

/**
 * @param staleMax milliseconds after which it no longer matters when an epoch ended
 * @param clock milliseconds
 */
export function createTrust(staleMax: number, clock: () => number): TrustKeeper {
  const ends = new Map<number, number>();
  let epoch = 0;
  let listening = true;
  return {
    epoch: () => (listening ? epoch : null),
    endOf: (past) => ends.get(past),
    lost() {
      if (!listening) return;
      listening = false;
      ends.set(epoch, clock());
      for (const [past, end] of ends) if (clock() - end > staleMax) ends.delete(past);
    },
    restored() {
      if (!listening) epoch += 1;
      listening = true;
    },
  };
}

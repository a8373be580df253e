// What may be filed, decided while the counts of its users are locked: exactly once, and within the quota. Pure.
import type { MessageId } from './types.ts';

/** One sealed copy for one user. */
export interface SealedCopy {
  readonly id: MessageId;
  readonly userId: number;
  readonly ciphertext: Uint8Array | CiphertextInFile;
}

/** Ciphertext that may wait in a file until it is inserted: all copies of a large message at once would take too much memory. */
export interface CiphertextInFile {
  /** Bytes. */
  readonly length: number;
  read(): Promise<Uint8Array>;
}

/** What is filed together or not at all: the copies of one message for one recipient address. */
export interface Parcel {
  readonly copies: readonly SealedCopy[];
  /**
   * The row of `deliveries` that remembers the acceptance until the client has our reply (LMTP); a spool file needs none,
   * since its ids are derived from the file.
   */
  readonly acceptance?: Acceptance;
}

/** What a message was accepted for: the hash of the message and that of the recipient, both hexadecimal. */
export interface Acceptance {
  readonly message: string;
  readonly recipient: string;
}

/** What became of a parcel. `filed before` is as good as `filed`. */
export type Filed = 'filed' | 'filed before' | 'over quota' | 'user gone';

/** What holds of one user while the row is locked. */
export interface UserState {
  readonly quotaBytes: number | null;
  readonly quotaMessages: number | null;
  readonly bytes: number;
  readonly messages: number;
  readonly lastNumber: number;
}

/** What is known of a batch under its locks. */
export interface QueueState {
  readonly users: ReadonlyMap<number, UserState>;
  /** Ids that are in the queue, or were. */
  readonly knownIds: ReadonlySet<MessageId>;
  /** Acceptances that are remembered, as {@link acceptanceName}. */
  readonly accepted: ReadonlySet<string>;
}

export interface NumberedCopy extends SealedCopy {
  readonly number: number;
}

export interface FilingPlan {
  /** In the order of the parcels. */
  readonly outcomes: readonly Filed[];
  readonly copies: readonly NumberedCopy[];
  /** Indices of the parcels whose acceptance is to be remembered. */
  readonly remember: readonly number[];
}

export function acceptanceName(acceptance: Acceptance): string {
  return `${acceptance.message} ${acceptance.recipient}`;
}

/** Decides on a batch, parcel by parcel: what the first ones take counts for the next. */
export function planFiling(parcels: readonly Parcel[], state: QueueState): FilingPlan {
  const running = new Map([...state.users].map(([id, user]) => [id, { ...user }]));
  const ids = new Set(state.knownIds);
  const accepted = new Set(state.accepted);
  const copies: NumberedCopy[] = [];
  const remember: number[] = [];
  const outcomes = parcels.map((parcel, index): Filed => {
    if (parcel.acceptance !== undefined && accepted.has(acceptanceName(parcel.acceptance)))
      return 'filed before';
    const fresh = parcel.copies.filter(({ id }) => !ids.has(id));
    if (fresh.length === 0) return 'filed before';
    if (fresh.some(({ userId }) => !running.has(userId))) return 'user gone';
    if (!fitsAll(fresh, running)) return 'over quota';
    for (const copy of fresh) {
      const user = running.get(copy.userId);
      if (user === undefined) continue;
      user.bytes += copy.ciphertext.length;
      user.messages += 1;
      user.lastNumber += 1;
      ids.add(copy.id);
      copies.push({ ...copy, number: user.lastNumber });
    }
    if (parcel.acceptance !== undefined) {
      accepted.add(acceptanceName(parcel.acceptance));
      remember.push(index);
    }
    return 'filed';
  });
  return { outcomes, copies, remember };
}

function fitsAll(copies: readonly SealedCopy[], users: ReadonlyMap<number, UserState>): boolean {
  return [...new Set(copies.map(({ userId }) => userId))].every((userId) => {
    const user = users.get(userId);
    const own = copies.filter((copy) => copy.userId === userId);
    const bytes = own.reduce((total, { ciphertext }) => total + ciphertext.length, 0);
    if (user === undefined) return false;
    if (user.quotaMessages !== null && user.messages + own.length > user.quotaMessages) return false;
    return user.quotaBytes === null || user.bytes + bytes <= user.quotaBytes;
  });
}

// The memory budget of the filter: how many bytes of messages may be in flight over all connections.

/** The share of one message. */
export interface Lease {
  /**
   * Asks for `bytes` more, because the message turns out larger than declared.
   * @returns false when the budget does not allow it; what was held stays held
   */
  grow(bytes: number): boolean;
  /** The real size is known: from now on the message counts with exactly this many bytes. */
  settle(bytes: number): void;
  /** Gives everything back; further calls do nothing. */
  release(): void;
}

/** What a connection asks before it takes a message. */
export interface Admission {
  /**
   * @param bytes that are held from now on
   * @returns a lease, or null when the budget is used up
   */
  request(bytes: number): Lease | null;
  /** Whether a message of so many bytes would be admitted now. Holds nothing. */
  fits(bytes: number): boolean;
}

export interface Budget extends Admission {
  /** Bytes in flight, for the gauge. */
  used(): number;
}

/**
 * A budget of `limitBytes`. One message is always admitted, and may always grow, while no other one holds anything: else
 * a message larger than the budget would wait for ever.
 */
export function createBudget(limitBytes: number): Budget {
  let used = 0;
  const fits = (bytes: number): boolean => used === 0 || (used < limitBytes && used + bytes <= limitBytes);
  return {
    used: () => used,
    fits,
    request(bytes) {
      if (!fits(bytes)) return null;
      used += bytes;
      let held = bytes;
      let open = true;
      return {
        grow(more) {
          if (!open || (used > held && used + more > limitBytes)) return false;
          held += more;
          used += more;
          return true;
        },
        settle(real) {
          if (!open) return;
          used += real - held;
          held = real;
        },
        release() {
          if (!open) return;
          open = false;
          used -= held;
        },
      };
    },
  };
}

// Claims between nodes, the decisions: whether a delivery may begin, and whether it may say its final dot. Pure. Who is alive is
// judged by the database, in the statement that recalls (acceptance-sql.ts); the lease is kept by membership.ts.

/** Who has a message for a recipient in hand, after the statement that asked for it. */
export type Claimed =
  /** Nobody writes it down: this node is alone. */
  | 'alone'
  /** It is ours now, or was before. */
  | 'ours'
  /** It is ours now; the one that had it has not renewed its lease. */
  | 'taken over'
  /** Another process that is alive has it. */
  | 'elsewhere';

/** What becomes of one recipient. */
export type Beginning =
  | { readonly action: 'go on' }
  | { readonly action: 'take over' }
  /** It is answered 451: the client comes again, and finds out then. */
  | { readonly action: 'wait' }
  /** It was accepted before. @see reply the next hop's reply then */
  | { readonly action: 'send nothing'; readonly reply: string };

/** @param accepted the next hop's reply where it has accepted the message before, by way of whichever node */
export function beginning(accepted: string | undefined, claimed: Claimed): Beginning {
  // Whoever may still hold the claim has nothing left to send.
  if (accepted !== undefined) return { action: 'send nothing', reply: accepted };
  switch (claimed) {
    case 'alone':
    case 'ours':
      return { action: 'go on' };
    case 'taken over':
      return { action: 'take over' };
    case 'elsewhere':
      return { action: 'wait' };
  }
}

/** What is known of our own lease when the final dot is to be said. */
export interface LeaseFacts {
  /** false: the lease ended since the delivery began, whatever came of it later. */
  readonly unbroken: boolean;
  /** Since the renewal that was last confirmed was sent, by the clock that went furthest. Milliseconds. */
  readonly ageMs: number;
  readonly leaseMs: number;
  /** Whether the database has been asked to renew it for this very dot; it may have given no answer. */
  readonly asked: boolean;
}

/**
 * Whether the final dot may be said.
 * - A lease that ended may have been taken over: `stop`.
 * - One younger than a third cannot have been: `go on`. An older one is no fault by itself, and `ask`s the database, whose clock
 *   goes on while a frozen machine's stands still.
 * - Without an answer it holds for two thirds: nobody may take it over before it has run out, and the last third is for what
 *   the clocks of two machines differ by and for a dot that is on its way.
 */
export function finalDot({ unbroken, ageMs, leaseMs, asked }: LeaseFacts): 'go on' | 'ask' | 'stop' {
  if (!unbroken) return 'stop';
  if (ageMs <= leaseMs / 3) return 'go on';
  if (!asked) return 'ask';
  return ageMs <= (leaseMs * 2) / 3 ? 'go on' : 'stop';
}

// A delivery that may begin, for some of its recipients: what the memory and the claims said of them.
import type { Found } from './acceptance-steps.ts';
import { beginning } from './claim-rules.ts';
import type { Membership } from './membership.ts';

export interface Begun {
  /** Recipient hash -> the next hop's reply: accepted before. */
  readonly accepted: ReadonlyMap<string, string>;
  /** Recipient hashes: under way at another node. */
  readonly elsewhere: ReadonlySet<string>;
  /** Recipient hashes: another node had them in hand, and is gone. */
  readonly takenOver: ReadonlySet<string>;
  /** Whether the final dot may be said: no other node can have taken over by now. Never throws. */
  mayFinish(): Promise<boolean>;
  /** These were not accepted: whoever comes again may have them. Never throws, may happen later. */
  giveUp(recipients: readonly string[]): void;
}

/** Where nothing is remembered and nobody else is there. */
export const BEGUN_ALONE: Begun = {
  accepted: new Map(),
  elsewhere: new Set(),
  takenOver: new Set(),
  mayFinish: async () => true,
  giveUp: () => undefined,
};

/**
 * @param found by recipient hash
 * @param membership null: no claims are kept
 * @param giveUp takes recipients whose claim may be ours
 */
export function begunOf(
  found: ReadonlyMap<string, Found>,
  membership: Membership | null,
  giveUp: (recipients: readonly string[]) => void,
): Begun {
  const accepted = new Map<string, string>();
  const elsewhere = new Set<string>();
  const takenOver = new Set<string>();
  for (const [recipient, { reply, claimed }] of found) {
    const verdict = beginning(reply, claimed);
    if (verdict.action === 'send nothing') accepted.set(recipient, verdict.reply);
    else if (verdict.action === 'wait') elsewhere.add(recipient);
    else if (verdict.action === 'take over') takenOver.add(recipient);
  }
  const terms = new Set([...found.values()].map(({ term }) => term));
  return {
    accepted,
    elsewhere,
    takenOver,
    async mayFinish() {
      if (membership === null) return true;
      for (const term of terms) if (!(await membership.mayFinish(term))) return false;
      return true;
    },
    giveUp: (recipients) => giveUp(recipients.filter((each) => !elsewhere.has(each))),
  };
}

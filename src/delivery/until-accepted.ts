// A database that was restored from a backup may lack what came after it: keys, users, settings. Until somebody accepts it
// (`sealpost restore --accept`), nothing is let out in plaintext and nothing is refused for good for want of a key. Pure.
import { NOT_ACCEPTED } from '../smtp/our-replies.ts';
import { type Decision, refuse, type Verdict } from './decision.ts';

/**
 * The decision as it counts now. What is sealed is sealed, and what was encrypted already goes on; a rule that rejects was
 * somebody's will. Everything else waits.
 */
export function untilAccepted(decision: Decision): Decision {
  const { restoredFrom } = decision.facts;
  if (restoredFrom === undefined || !isForMissing(decision)) return decision;
  const { facts, readers, leftOut } = decision;
  const reason = `${decision.reason}; the database is as a backup of ${restoredFrom} had it, which may lack newer keys: see "sealpost restore --accept"`;
  return {
    ...refuse('defer', 'restored from a backup', reason, NOT_ACCEPTED),
    leftOut,
    facts,
    readers,
  };
}

/** Whether a newer key, user or setting could have decided otherwise. */
function isForMissing({ action, because }: Verdict): boolean {
  switch (action) {
    case 'pass':
      return because !== 'already encrypted';
    case 'reject':
      return because !== 'rule';
    // The user whose key it is may be missing.
    case 'take':
      return true;
    case 'seal':
    case 'defer':
      return false;
  }
}

// Who reads the mail of an address.
import type { Reader, RecipientFacts } from './types.ts';

/** The people behind an address; none where it is nobody's, and where the alias is a loop. */
export function readersOf({ resolution }: RecipientFacts): readonly Reader[] {
  return 'readers' in resolution ? resolution.readers : [];
}

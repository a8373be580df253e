// Whose a recipient is, where no decision tells it: only what the log shows hangs on it.
import type { Directory } from '../directory/types.ts';
import { within } from '../pacing/within.ts';

/** Milliseconds that the answer to a message may wait for it. */
export const OWNERS_DEADLINE_MS = 500;

/**
 * Whether a recipient is in a domain of ours, for what is told of it. Never rejects.
 * @param until Unix milliseconds; what is not known then counts as foreign, and is not shown
 */
export async function isInDomainOfOurs(
  path: string,
  directory: Pick<Directory, 'recipient'>,
  until = Date.now() + OWNERS_DEADLINE_MS,
): Promise<boolean> {
  const left = until - Date.now();
  if (left <= 0) return false;
  const domain = directory.recipient(path).then(
    (facts) => facts.domain,
    () => null,
  );
  return (await within(left, domain, null)) !== null;
}

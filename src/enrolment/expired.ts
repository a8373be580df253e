// How long a key that was handed over waits for its letter to be read. Pure.
import type { Question } from './question.ts';
import type { StateSubmission } from './state.ts';

/**
 * Whether the time for reading a submission's letter is over. One of a recovery that waits ends with the recovery; one that was
 * read waits as long as the recovery does, with an administrator too.
 */
export function isExpired(
  { state, now }: Pick<Question, 'state' | 'now'>,
  { recoveryId, read, expiresAt }: StateSubmission,
): boolean {
  const { recovery } = state;
  const held = recovery !== null && recovery.id === recoveryId && (read || recovery.state === 'waiting');
  return expiresAt <= now && !held;
}

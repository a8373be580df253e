// The keys of a small server, read and verified before mail comes for them. A large one has mail for its busiest users within
// seconds, and could not keep all the others.
import type { Engine } from '../delivery/engine.ts';

/** Addresses of a small server. */
const MOST = 1000;

/**
 * Asks the directory for every address, the oldest first, and inspects the keys; what they hold stays in the caches. Never
 * rejects.
 * @param mayGoOn asked before each address, and may wait; false ends it
 * @returns how many addresses were read; 0 when there are more than {@link MOST}
 */
export async function readAhead(
  { database, directory, decider }: Pick<Engine, 'database' | 'directory' | 'decider'>,
  mayGoOn: () => Promise<boolean>,
): Promise<number> {
  let read = 0;
  try {
    const { rows } = await database.pool.query<{ address: string }>(
      'SELECT address FROM addresses ORDER BY id LIMIT $1',
      [MOST + 1],
    );
    if (rows.length > MOST) return 0;
    for (const { address } of rows) {
      if (!(await mayGoOn())) break;
      const facts = await directory.recipient(address);
      // A key that cannot be inspected now: the mail for it will say so.
      await decider.prepare(facts).catch(() => undefined);
      read += 1;
    }
  } catch {
    // A database that is away: the next mail will say so.
  }
  return read;
}

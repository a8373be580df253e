// Accepts what was restored: mail without a key passes again as the settings say, and enrolment goes on.
import type { Database } from '../database/open.ts';
import { acceptRestored } from '../database/restored.ts';
import { inTransaction } from '../database/transaction.ts';

/**
 * Accepts the restored state. A change of keys that waits begins to wait anew, with its letters: it may have been stopped since
 * the backup, and whose keys they are must hear of it before it comes true.
 * @returns the moment of the backup, RFC 3339; null: there was nothing to accept
 */
export function accept({ pool }: Pick<Database, 'pool'>): Promise<string | null> {
  return inTransaction(pool, async (client) => {
    const from = await acceptRestored(client);
    if (from !== null)
      await client.query(
        `UPDATE enrolment_recoveries SET started_at = now(), due_at = now() + (due_at - started_at), letters = 0
          WHERE state = 'waiting'`,
      );
    return from;
  });
}

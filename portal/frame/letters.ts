// How many letters were sealed for a user, from what `sealpost trace` knows: as long ago as trace.keep reaches.
import type { Config } from '../../src/config/schema.ts';
import type { Database } from '../../src/database/open.ts';
import { keptForm } from '../../src/delivery/tell.ts';
import { pseudonymsOf } from '../../src/observe/pseudonym.ts';

export interface SealedLetters {
  /** At most {@link MOST_COUNTED}. */
  readonly count: number;
  readonly last: Date | null;
  /** Nothing is known of what is older. Milliseconds. */
  readonly keep: number;
}

/** Who has more is told "at least so many": counting on would read the whole table. */
export const MOST_COUNTED = 10_000;

const COUNT = `SELECT count(*)::int AS count, max(at) AS last
  FROM (SELECT at FROM events WHERE recipient = $1 AND event IN ('sealed', 'filed') ORDER BY at DESC LIMIT ${MOST_COUNTED}) AS told`;

/** null: no events are kept. @throws what the database throws */
export async function sealedLetters(
  { pool }: Pick<Database, 'pool'>,
  { log, state_dir, trace }: Pick<Config, 'log' | 'state_dir' | 'trace'>,
  address: string,
): Promise<SealedLetters | null> {
  if (trace.keep === 0) return null;
  const form = keptForm(log.addresses, pseudonymsOf(state_dir));
  const { rows } = await pool.query<{ count: number; last: Date | null }>({
    name: 'sealpost-portal-letters',
    text: COUNT,
    values: [form(address, true)],
  });
  return { count: rows[0]?.count ?? 0, last: rows[0]?.last ?? null, keep: trace.keep };
}

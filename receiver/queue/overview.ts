// How much waits for whom, for the administrator.
import type pg from 'pg';

/** A user's queue. Times are RFC 3339. */
export interface QueueOverview {
  readonly address: string;
  readonly messages: number;
  /** Of ciphertext. */
  readonly bytes: number;
  readonly oldest: string | null;
  readonly newest: string | null;
}

/** Reads at most `count` queues that are not empty behind an address, by address. */
export async function queuesAfter(
  database: Pick<pg.Pool, 'query'>,
  after: string | null,
  count: number,
): Promise<readonly QueueOverview[]> {
  const { rows } = await database.query<{
    address: string;
    messages: string;
    bytes: string;
    oldest: Date | null;
    newest: Date | null;
  }>(
    `SELECT addresses.address, waiting.messages, waiting.bytes,
            (SELECT received FROM incoming WHERE user_id = waiting.user_id ORDER BY number LIMIT 1) AS oldest,
            (SELECT received FROM incoming WHERE user_id = waiting.user_id ORDER BY number DESC LIMIT 1) AS newest
       FROM incoming_counts AS waiting
       JOIN addresses ON addresses.user_id = waiting.user_id AND addresses.kind = 'user'
      WHERE waiting.messages > 0 AND ($1::text IS NULL OR addresses.address > $1)
      ORDER BY addresses.address LIMIT $2`,
    [after, count],
  );
  return rows.map(({ address, messages, bytes, oldest, newest }) => ({
    address,
    messages: Number(messages),
    bytes: Number(bytes),
    oldest: oldest?.toISOString() ?? null,
    newest: newest?.toISOString() ?? null,
  }));
}

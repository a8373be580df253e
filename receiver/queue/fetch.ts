// The queue's way out: what waits for a user, its bytes piece by piece, and its removal. Every query names the user, so that
// nobody reaches another's mail by its id.
import type pg from 'pg';
import type { MessageId, QueuedMessage } from './types.ts';

type Queries = Pick<pg.Pool, 'query'>;

export interface QueueStats {
  readonly messages: number;
  /** Of ciphertext. */
  readonly bytes: number;
  /** When the oldest and the newest of them came, RFC 3339; null: the queue is empty. */
  readonly oldest: string | null;
  readonly newest: string | null;
}

/** A message, or a piece of one, has been acknowledged while it was read. */
export class MessageGone extends Error {
  override readonly name = 'MessageGone';
}

interface Row {
  readonly id: string;
  readonly number: string;
  readonly size: string;
  readonly received: Date;
  readonly chunks: number;
}

const COLUMNS = 'id, number, size, received, chunks';

function queuedMessageOf(row: Row): QueuedMessage {
  return { ...row, number: Number(row.number), size: Number(row.size) };
}

/** What waits for a user behind the cursor (0: from the beginning), oldest first. */
export async function listQueue(
  database: Queries,
  userId: number,
  after: number,
  limit: number,
): Promise<readonly QueuedMessage[]> {
  const { rows } = await database.query<Row>({
    name: 'sealpost_list_queue',
    text: `SELECT ${COLUMNS} FROM incoming WHERE user_id = $1 AND number > $2 ORDER BY number LIMIT $3`,
    values: [userId, after, limit],
  });
  return rows.map(queuedMessageOf);
}

/** Those of the ids that wait for this user, oldest first. Unknown ones and other users' are left out alike. */
export async function findInQueue(
  database: Queries,
  userId: number,
  ids: readonly MessageId[],
): Promise<readonly QueuedMessage[]> {
  const { rows } = await database.query<Row>({
    name: 'sealpost_find_in_queue',
    text: `SELECT ${COLUMNS} FROM incoming WHERE user_id = $1 AND id = ANY ($2) ORDER BY number`,
    values: [userId, ids],
  });
  return rows.map(queuedMessageOf);
}

/**
 * The stored bytes of a message, one piece in memory at a time; the next one is read when it is asked for.
 * @throws MessageGone when it is acknowledged meanwhile
 */
export async function* readMessage(database: Queries, message: QueuedMessage): AsyncGenerator<Buffer> {
  if (message.chunks === 0) {
    const [bytes] = (await readWhole(database, [message])).values();
    if (bytes === undefined) throw new MessageGone('the message was acknowledged meanwhile');
    yield bytes;
    return;
  }
  for (let chunk = 0; chunk < message.chunks; chunk += 1) {
    const { rows } = await database.query<{ content: Buffer }>({
      name: 'sealpost_read_chunk',
      text: 'SELECT content FROM incoming_chunks WHERE id = $1 AND chunk = $2',
      values: [message.id, chunk],
    });
    const [row] = rows;
    if (row === undefined) throw new MessageGone('the message was acknowledged meanwhile');
    yield row.content;
  }
}

/** The bytes of several messages that are one value each; those acknowledged meanwhile are left out. */
export async function readWhole(
  database: Queries,
  messages: readonly QueuedMessage[],
): Promise<ReadonlyMap<MessageId, Buffer>> {
  const { rows } = await database.query<{ id: string; content: Buffer | null }>({
    name: 'sealpost_read_whole',
    text: 'SELECT id, content FROM incoming WHERE id = ANY ($1)',
    values: [messages.map(({ id }) => id)],
  });
  return new Map(rows.flatMap(({ id, content }) => (content === null ? [] : [[id, content] as const])));
}

/**
 * Takes messages out of a user's queue. May be repeated.
 * @returns the ids that are gone now and were this user's: removed by this call or, as far as it is remembered, an earlier one
 */
export async function acknowledge(
  database: Queries,
  userId: number,
  ids: readonly MessageId[],
): Promise<ReadonlySet<MessageId>> {
  // Locked in one order, so that two that acknowledge the same messages cannot wait for each other.
  const { rows } = await database.query<{ id: string }>({
    name: 'sealpost_acknowledge',
    text: `DELETE FROM incoming WHERE id IN (
             SELECT id FROM incoming WHERE user_id = $1 AND id = ANY ($2) ORDER BY number FOR UPDATE
           ) RETURNING id`,
    values: [userId, ids],
  });
  const gone = new Set(rows.map(({ id }) => id));
  if (gone.size === ids.length) return gone;
  const earlier = await database.query<{ id: string }>({
    name: 'sealpost_acknowledged_before',
    text: 'SELECT id FROM incoming_acknowledged WHERE user_id = $1 AND id = ANY ($2)',
    values: [userId, ids],
  });
  for (const { id } of earlier.rows) gone.add(id);
  return gone;
}

/** How much waits for a user. */
export async function queueStats(database: Queries, userId: number): Promise<QueueStats> {
  const { rows } = await database.query<{
    messages: string;
    bytes: string;
    oldest: Date | null;
    newest: Date | null;
  }>(
    `SELECT coalesce((SELECT messages FROM incoming_counts WHERE user_id = $1), 0) AS messages,
            coalesce((SELECT bytes FROM incoming_counts WHERE user_id = $1), 0) AS bytes,
            (SELECT received FROM incoming WHERE user_id = $1 ORDER BY number LIMIT 1) AS oldest,
            (SELECT received FROM incoming WHERE user_id = $1 ORDER BY number DESC LIMIT 1) AS newest`,
    [userId],
  );
  const [row] = rows;
  return {
    messages: Number(row?.messages ?? 0),
    bytes: Number(row?.bytes ?? 0),
    oldest: row?.oldest?.toISOString() ?? null,
    newest: row?.newest?.toISOString() ?? null,
  };
}

/** The highest number that a user's queue has given out: the cursor for "what comes from now on". */
export async function lastNumber(database: Queries, userId: number): Promise<number> {
  const { rows } = await database.query<{ last_number: string }>({
    name: 'sealpost_last_number',
    text: 'SELECT last_number FROM incoming_counts WHERE user_id = $1',
    values: [userId],
  });
  return Number(rows[0]?.last_number ?? 0);
}

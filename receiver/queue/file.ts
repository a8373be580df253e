// Files sealed messages into the queue, within a transaction of the caller's: locks the users' counts, looks what is there
// already, inserts. src/database/schema.ts says what the tables promise to those who read.
import type { ClientBase } from 'pg';
import { RECALL } from '../../src/delivery/acceptance-sql.ts';
import {
  type Acceptance,
  acceptanceName,
  type Filed,
  type NumberedCopy,
  type Parcel,
  planFiling,
  type QueueState,
  type UserState,
} from './filing.ts';
import { CHUNK_BYTES, WHOLE_BYTES } from './types.ts';

/**
 * Files a batch. Nothing counts before the caller's COMMIT.
 * @param client within a transaction (READ COMMITTED)
 * @returns one outcome for each parcel, in order
 * @throws what the client throws; the transaction must be rolled back then
 */
export async function fileParcels(
  client: Pick<ClientBase, 'query'>,
  parcels: readonly Parcel[],
): Promise<readonly Filed[]> {
  if (parcels.length === 0) return [];
  const users = await lockUsers(client, [
    ...new Set(parcels.flatMap(({ copies }) => copies.map(({ userId }) => userId))),
  ]);
  const state: QueueState = {
    users,
    knownIds: await readKnownIds(client, parcels),
    accepted: await readAccepted(client, parcels),
  };
  const plan = planFiling(parcels, state);
  // In the order of their numbers: the tables take no number below one that a user already has.
  let small: ReadCopy[] = [];
  for (const copy of plan.copies) {
    const { length } = copy.ciphertext;
    const together = small.reduce((total, { ciphertext }) => total + ciphertext.length, length);
    if (length > WHOLE_BYTES || together > INSERTED_AT_ONCE) {
      await insertWhole(client, small);
      small = [];
    }
    const read = await withCiphertext(copy);
    if (length <= WHOLE_BYTES) small.push(read);
    else await insertInChunks(client, read);
  }
  await insertWhole(client, small);
  await remember(
    client,
    plan.remember.flatMap((index) => parcels[index]?.acceptance ?? []),
  );
  return plan.outcomes;
}

/** A copy whose ciphertext is at hand. */
type ReadCopy = NumberedCopy & { readonly ciphertext: Uint8Array };

/** Bytes of small copies in one statement. */
const INSERTED_AT_ONCE = 8 * 2 ** 20;

async function withCiphertext(copy: NumberedCopy): Promise<ReadCopy> {
  const { ciphertext } = copy;
  return { ...copy, ciphertext: ciphertext instanceof Uint8Array ? ciphertext : await ciphertext.read() };
}

/**
 * Locks the counts of these users until the commit, always in the order of their ids. The users' own rows come first, as
 * for whoever removes a user.
 */
async function lockUsers(
  client: Pick<ClientBase, 'query'>,
  ids: readonly number[],
): Promise<ReadonlyMap<number, UserState>> {
  const found = await client.query<{ id: number; quota_bytes: string | null; quota_messages: string | null }>(
    {
      name: 'sealpost-queue-users',
      text: `SELECT id, quota_bytes, quota_messages FROM users WHERE id = ANY ($1::int[])
            ORDER BY id FOR KEY SHARE`,
      values: [ids],
    },
  );
  const present = found.rows.map(({ id }) => id);
  let counts = await lockCounts(client, present);
  if (counts.size < present.length) {
    await client.query(
      'INSERT INTO incoming_counts (user_id) SELECT unnest($1::int[]) ORDER BY 1 ON CONFLICT DO NOTHING',
      [present.filter((id) => !counts.has(id))],
    );
    counts = await lockCounts(client, present);
  }
  return new Map(
    found.rows.flatMap(({ id, quota_bytes, quota_messages }) => {
      const count = counts.get(id);
      if (count === undefined) return [];
      return [[id, { ...count, quotaBytes: numberOf(quota_bytes), quotaMessages: numberOf(quota_messages) }]];
    }),
  );
}

async function lockCounts(
  client: Pick<ClientBase, 'query'>,
  ids: readonly number[],
): Promise<ReadonlyMap<number, Pick<UserState, 'bytes' | 'messages' | 'lastNumber'>>> {
  const { rows } = await client.query<{
    user_id: number;
    messages: string;
    bytes: string;
    last_number: string;
  }>({
    name: 'sealpost-queue-counts',
    text: `SELECT user_id, messages, bytes, last_number FROM incoming_counts WHERE user_id = ANY ($1::int[])
            ORDER BY user_id FOR UPDATE`,
    values: [ids],
  });
  return new Map(
    rows.map((row) => [
      row.user_id,
      { messages: Number(row.messages), bytes: Number(row.bytes), lastNumber: Number(row.last_number) },
    ]),
  );
}

function numberOf(column: string | null): number | null {
  return column === null ? null : Number(column);
}

/** A statement of its own behind the locks: it sees what was committed by whoever held them before. */
async function readKnownIds(
  client: Pick<ClientBase, 'query'>,
  parcels: readonly Parcel[],
): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ id: string }>({
    name: 'sealpost-queue-known',
    text: `SELECT id FROM incoming WHERE id = ANY ($1::text[])
           UNION ALL SELECT id FROM incoming_acknowledged WHERE id = ANY ($1::text[])`,
    values: [parcels.flatMap(({ copies }) => copies.map(({ id }) => id))],
  });
  return new Set(rows.map(({ id }) => id));
}

async function readAccepted(
  client: Pick<ClientBase, 'query'>,
  parcels: readonly Parcel[],
): Promise<ReadonlySet<string>> {
  const asked = parcels.flatMap(({ acceptance }) => acceptance ?? []);
  if (asked.length === 0) return new Set();
  const { rows } = await client.query<{ message: string; recipient: string }>({
    name: 'sealpost-queue-accepted',
    text: RECALL,
    values: [asked.map(({ message }) => message), asked.map(({ recipient }) => recipient)],
  });
  return new Set(rows.map(acceptanceName));
}

async function remember(
  client: Pick<ClientBase, 'query'>,
  acceptances: readonly Acceptance[],
): Promise<void> {
  if (acceptances.length === 0) return;
  await client.query({
    name: 'sealpost-queue-remember',
    text: `INSERT INTO deliveries (message_key, recipient_key, reply)
           SELECT decode(m, 'hex'), decode(r, 'hex'), 'Queued' FROM unnest($1::text[], $2::text[]) AS accepted(m, r)`,
    values: [acceptances.map(({ message }) => message), acceptances.map(({ recipient }) => recipient)],
  });
}

/** All small ones in one statement. Their bytes travel as one binary value: an array of bytea would be hexadecimal text. */
async function insertWhole(client: Pick<ClientBase, 'query'>, copies: readonly ReadCopy[]): Promise<void> {
  if (copies.length === 0) return;
  const starts: number[] = [];
  let length = 0;
  for (const { ciphertext } of copies) {
    starts.push(length + 1);
    length += ciphertext.length;
  }
  await client.query({
    name: 'sealpost-queue-file',
    text: `INSERT INTO incoming (id, user_id, number, size, content)
           SELECT id, user_id, number, size, substring($6::bytea FROM start FOR size)
             FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::int[])
               AS copy(id, user_id, number, size, start)`,
    values: [
      copies.map(({ id }) => id),
      copies.map(({ userId }) => userId),
      copies.map(({ number }) => number),
      copies.map(({ ciphertext }) => ciphertext.length),
      starts,
      Buffer.concat(
        copies.map(({ ciphertext }) => ciphertext),
        length,
      ),
    ],
  });
}

/** Chunk by chunk: beside the ciphertext only one chunk is in memory, here and in PostgreSQL. */
async function insertInChunks(client: Pick<ClientBase, 'query'>, copy: ReadCopy): Promise<void> {
  const { id, userId, number, ciphertext } = copy;
  const chunks = Math.ceil(ciphertext.length / CHUNK_BYTES);
  await client.query('INSERT INTO incoming (id, user_id, number, size, chunks) VALUES ($1, $2, $3, $4, $5)', [
    id,
    userId,
    number,
    ciphertext.length,
    chunks,
  ]);
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    const piece = ciphertext.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES);
    await client.query({
      name: 'sealpost-queue-chunk',
      text: 'INSERT INTO incoming_chunks (id, chunk, content) VALUES ($1, $2, $3)',
      values: [id, chunk, Buffer.from(piece.buffer, piece.byteOffset, piece.length)],
    });
  }
}

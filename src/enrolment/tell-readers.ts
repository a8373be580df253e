// From what the triggers noted to letters: each key that could read before a change gets one, whoever made the change. The row is
// removed in the transaction that writes the letters, so that they are written once by however many nodes.
import { asc, eq, sql } from 'drizzle-orm';
import { readerChanges } from '../database/enrolment-tables.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import type { Orm } from '../directory/find.ts';
import { readComponents } from '../keys/components.ts';
import { inspectComponents } from '../keys/inspect.ts';
import { postLetters } from './outbox.ts';
import { type Readers, readerNews, readersSchema } from './readers.ts';
import type { FlowContext } from './types.ts';
import { policyOf } from './understand.ts';

/** At most so many changes in one run: what comes after them waits for the next. */
const CHANGES_IN_A_RUN = 1000;

/**
 * Writes the letters to former keys.
 * @param stopped asked between two changes
 * @returns how many letters were written
 */
export async function tellReaders(
  context: FlowContext,
  stopped: () => boolean = () => false,
): Promise<number> {
  let written = 0;
  for (let count = 0; count < CHANGES_IN_A_RUN && !stopped(); count += 1) {
    const letters = await inOrmTransaction(context.database, (tx) => tellOne(tx, context));
    if (letters === null) break;
    written += letters;
  }
  return written;
}

/** @returns how many letters; null: nothing waits */
async function tellOne(tx: Orm, context: FlowContext): Promise<number | null> {
  const [change] = await tx
    .select()
    .from(readerChanges)
    // A user's changes one after the other: each is compared with what the next one found.
    .where(
      sql`NOT EXISTS (SELECT FROM reader_changes AS older
        WHERE older.user_id = ${readerChanges.user_id} AND older.id < ${readerChanges.id})`,
    )
    .orderBy(asc(readerChanges.id))
    .limit(1)
    .for('update', { skipLocked: true });
  if (change === undefined) return null;
  await tx.delete(readerChanges).where(eq(readerChanges.id, change.id));
  const before = readersSchema.parse(change.before);
  if (before.keys.length === 0) return 0;
  const after = await readersAfter(tx, change.user_id, change.id);
  if (after === null) return 0;
  const { encryption, keys } = context.config();
  const subkeys = await subkeysOf([...before.keys, ...after.keys], policyOf({ keys }));
  const news = readerNews(before, after, encryption, (certificate) => subkeys.get(certificate) ?? []);
  if (news.length === 0) return 0;
  await postLetters(
    tx,
    before.keys.map(({ kind, fingerprint, certificate }) => ({
      userId: change.user_id,
      kind: 'readers',
      seal: 'former',
      details: { at: change.at.getTime(), actor: change.actor, news },
      former: { kind, fingerprint, certificate: Buffer.from(certificate, 'base64') },
    })),
    context.now(),
  );
  return before.keys.length;
}

/** What the next change found, or what is there now: in one statement, so that no change comes in between. */
async function readersAfter(tx: Orm, userId: number, id: number): Promise<Readers | null> {
  const { rows } = await tx.execute<{ after: unknown }>(sql`
    SELECT coalesce(
      (SELECT before FROM reader_changes WHERE user_id = ${userId} AND id > ${id} ORDER BY id LIMIT 1),
      sealpost_readers(${userId})) AS after`);
  const after = rows[0]?.after ?? null;
  return after === null ? null : readersSchema.parse(after);
}

type Policy = ReturnType<typeof policyOf>;

/** The encryption subkeys of each certificate, by its base64. One that cannot be read has none. */
async function subkeysOf(
  keys: Readers['keys'],
  policy: Policy,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const { kind, certificate } of keys) {
    if (kind !== 'openpgp' || found.has(certificate)) continue;
    found.set(certificate, await encryptionSubkeys(certificate, policy));
  }
  return found;
}

async function encryptionSubkeys(certificate: string, policy: Policy): Promise<readonly string[]> {
  try {
    const components = await readComponents(Buffer.from(certificate, 'base64'));
    const { encryptionKeys } = await inspectComponents(components, policy);
    return encryptionKeys.filter(({ revoked }) => !revoked).map(({ fingerprint }) => fingerprint);
  } catch {
    return [];
  }
}

// Letters on subkeys that take over by themselves: no row changes then, so that no trigger notes it. All certificates are looked at
// once a day, a page at a time; each change is told a week before it comes, once, by however many nodes.

import { and, asc, eq, gt, isNotNull } from 'drizzle-orm';
import { enums } from 'openpgp';
import { removeOld } from '../database/remove-old.ts';
import { keyNotices, keys } from '../database/schema.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import { type Components, readComponents, write } from '../keys/components.ts';
import { inspectComponents } from '../keys/inspect.ts';
import { packetPieces } from '../keys/packet-pieces.ts';
import { createBreather } from '../pacing/breather.ts';
import { postLetters } from './outbox.ts';
import { currentKeysOf } from './rows.ts';
import { type SubkeyChange, subkeyChanges } from './subkeys.ts';
import type { FlowContext } from './types.ts';
import { policyOf } from './understand.ts';

const DAY_MS = 86_400_000;
/** Whoever cannot read with the new part has a week to hand over another key; and a change of the last week is told late. */
const AHEAD_MS = 7 * DAY_MS;
const LATE_MS = 7 * DAY_MS;
/** How long it is remembered that a change was told. */
const REMEMBERED_MS = 90 * DAY_MS;
const KEYS_IN_A_PAGE = 200;
/** In `key_notices` these rows are no mail of the daily run, and no threshold of days. */
const NOTICE = { mail: 'subkey', days: 0 } as const;

/** A user's certificate that mail is sealed to. */
interface Looked {
  readonly id: number;
  readonly userId: number;
  readonly fingerprint: string;
  readonly certificate: Uint8Array;
  readonly updatedAt: Date;
}

/**
 * Looks at the next page of certificates, and writes the letters that are due.
 * @param after the id of the last key that was looked at; 0: from the beginning
 * @returns the id to go on behind; null: that was the last page
 */
export async function tellSubkeys(context: FlowContext, after: number): Promise<number | null> {
  const page: readonly Looked[] = await context.database.orm
    .select({
      id: keys.id,
      userId: keys.user_id,
      fingerprint: keys.fingerprint,
      certificate: keys.certificate,
      updatedAt: keys.updated_at,
    })
    .from(keys)
    .where(
      and(
        gt(keys.id, after),
        isNotNull(keys.user_id),
        eq(keys.kind, 'openpgp'),
        eq(keys.status, 'active'),
        eq(keys.revoked, false),
      ),
    )
    .orderBy(asc(keys.id))
    .limit(KEYS_IN_A_PAGE)
    .then((rows) => rows.flatMap(({ userId, ...row }) => (userId === null ? [] : [{ ...row, userId }])));
  const breathe = createBreather();
  for (const key of page) {
    await tellOf(context, key);
    await breathe();
  }
  return page.length < KEYS_IN_A_PAGE ? null : (page.at(-1)?.id ?? null);
}

async function tellOf(context: FlowContext, key: Looked): Promise<void> {
  if (!mayChange(key.certificate)) return;
  // One that cannot be read is no key to seal to; that is told elsewhere.
  const components = await readComponents(key.certificate).catch(() => null);
  if (components === null) return;
  const now = context.now();
  const { windows } = await inspectComponents(components, policyOf(context.config()));
  const changes = subkeyChanges(windows, {
    // What was so when the certificate came was told, or confirmed, then.
    from: Math.max(key.updatedAt.getTime(), now - LATE_MS),
    until: now + AHEAD_MS,
  });
  for (const change of changes) await tellOnce(context, key, components, change);
}

/** Whether there are two parts that could take turns. Most certificates have one, and are not even parsed. */
function mayChange(certificate: Uint8Array): boolean {
  const pieces = packetPieces(certificate) ?? [];
  const subkeys = pieces.filter(({ tag }) => tag === enums.packet.publicSubkey).length;
  // A version 4 or 6 key packet has its algorithm behind version and time (RFC 9580, section 5.5.2).
  const algorithm = pieces[0]?.body[5];
  const primaryEncrypts = algorithm === enums.publicKey.rsaEncryptSign;
  return subkeys + (primaryEncrypts ? 1 : 0) > 1;
}

/** The row that claims it, and the letters, in one transaction. */
async function tellOnce(
  context: FlowContext,
  { userId, fingerprint }: Looked,
  components: Components,
  { at, before, after }: SubkeyChange,
): Promise<void> {
  const moment = new Date(at);
  await inOrmTransaction(context.database, async (tx) => {
    const claimed = await tx
      .insert(keyNotices)
      .values({
        ...NOTICE,
        audience: 'user',
        owner: `user:${userId}`,
        fingerprint: after,
        expires_at: moment,
        state: 'sent',
        mail_date: new Date(context.now()),
        claimed_until: moment,
      })
      .onConflictDoNothing()
      .returning({ id: keyNotices.id });
    if (claimed.length === 0) return;
    const current = await tx
      .select({ kind: keys.kind, fingerprint: keys.fingerprint, certificate: keys.certificate })
      .from(keys)
      .where(currentKeysOf(userId))
      .orderBy(asc(keys.id));
    const former = write(withOnly(components, before));
    await postLetters(
      tx,
      current.map((key) => ({
        userId,
        kind: 'subkey',
        seal: 'former',
        details: { fingerprint, subkey: after, at },
        former: key.fingerprint === fingerprint ? { ...key, certificate: former } : key,
      })),
      context.now(),
    );
  });
}

/** The certificate as mail was sealed to it before: whenever the letter is sent, it is sealed with that part. */
function withOnly(components: Components, subkey: string): Components {
  return { ...components, subkeys: components.subkeys.filter(({ fingerprint }) => fingerprint === subkey) };
}

/** Removes the memory of changes that are long past. */
export async function forgetSubkeys(context: FlowContext): Promise<void> {
  await removeOld(context.database.orm.$client, {
    table: 'key_notices',
    condition: 'mail = $1 AND expires_at <= to_timestamp($2::float8 / 1000)',
    values: [NOTICE.mail, context.now() - REMEMBERED_MS],
  });
}

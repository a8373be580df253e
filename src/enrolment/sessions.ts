// Sessions of the portal, in the database: any node serves them, and a removed user has none.

import { and, eq, gt } from 'drizzle-orm';
import { portalSessions } from '../database/enrolment-tables.ts';
import { removeOld } from '../database/remove-old.ts';
import { addresses, keys, users } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import { languageOf } from './letters/language.ts';
import { currentKeysOf } from './rows.ts';
import { hashSecret, makeSecret } from './secrets.ts';
import type { FlowContext, Language, Proof } from './types.ts';

export interface Session {
  readonly userId: number;
  /** The user's primary address now. */
  readonly address: string;
  /**
   * What counts at this moment: `key` only while the keys whose letter was read are current ones of the user, and for
   * {@link KEY_LEVEL_MS} after the letter was read.
   */
  readonly proof: Proof;
  readonly language: Language;
  /** Unix milliseconds. */
  readonly openedAt: number;
}

/** A session without a request for so long ends. */
export const SESSION_IDLE_MS = 30 * 60_000;
/** And whatever happens after so long. */
export const SESSION_MOST_MS = 12 * 3_600_000;
export const KEY_LEVEL_MS = 3_600_000;

export interface OpenedSession {
  readonly userId: number;
  readonly proof: Proof;
  readonly language: Language;
}

/**
 * Opens a session for somebody who proved the mailbox by other means than a letter: the mailbox password, or a trusted header.
 * @returns the secret for the cookie, base64url of 256 bits; only its hash is stored. null: the user is not there, or disabled
 */
export function openSession(context: FlowContext, opened: OpenedSession): Promise<string | null> {
  return openSessionIn(context.database.orm, opened, context.now());
}

/** The same within a transaction. */
export async function openSessionIn(orm: Orm, opened: OpenedSession, now: number): Promise<string | null> {
  const { userId, proof, language } = opened;
  const [user] = await orm
    .select({ status: users.status })
    .from(users)
    .where(eq(users.id, userId))
    .for('key share');
  if (user?.status !== 'active') return null;
  const { secret, hash } = makeSecret();
  await orm.insert(portalSessions).values({
    secret_hash: hash,
    user_id: userId,
    sealed_to: proof.level === 'key' ? [...proof.fingerprints] : [],
    language,
    opened_at: new Date(now),
    used_at: new Date(now),
  });
  return secret;
}

/** The session of a cookie, whose idle time begins anew; null: there is none (any more). */
export async function findSession(context: FlowContext, secret: string): Promise<Session | null> {
  const hash = hashSecret(secret);
  if (hash === null) return null;
  const now = context.now();
  const { orm } = context.database;
  const [row] = await orm
    .update(portalSessions)
    .set({ used_at: new Date(now) })
    .where(
      and(
        eq(portalSessions.secret_hash, hash),
        gt(portalSessions.used_at, new Date(now - SESSION_IDLE_MS)),
        gt(portalSessions.opened_at, new Date(now - SESSION_MOST_MS)),
      ),
    )
    .returning();
  if (row === undefined) return null;
  const [user] = await orm
    .select({ address: addresses.address, status: users.status })
    .from(users)
    .innerJoin(addresses, and(eq(addresses.user_id, users.id), eq(addresses.kind, 'user')))
    .where(eq(users.id, row.user_id));
  if (user?.status !== 'active') return null;
  const openedAt = row.opened_at.getTime();
  const proven = openedAt + KEY_LEVEL_MS > now && (await areCurrent(orm, row.user_id, row.sealed_to));
  return {
    userId: row.user_id,
    address: user.address,
    proof: proven ? { level: 'key', fingerprints: row.sealed_to } : { level: 'mailbox' },
    language: languageOf(row.language),
    openedAt,
  };
}

/** Whether mail is sealed to all of these keys of a user now; none: no. */
async function areCurrent(
  orm: Pick<Orm, 'select'>,
  userId: number,
  fingerprints: readonly string[],
): Promise<boolean> {
  if (fingerprints.length === 0) return false;
  const current = await orm.select({ fingerprint: keys.fingerprint }).from(keys).where(currentKeysOf(userId));
  return fingerprints.every((each) => current.some(({ fingerprint }) => fingerprint === each));
}

/** Another language for the pages and the letters. */
export async function setSessionLanguage(
  context: FlowContext,
  secret: string,
  language: Language,
): Promise<void> {
  const hash = hashSecret(secret);
  if (hash === null) return;
  await context.database.orm
    .update(portalSessions)
    .set({ language })
    .where(eq(portalSessions.secret_hash, hash));
}

export async function closeSession(context: FlowContext, secret: string): Promise<void> {
  const hash = hashSecret(secret);
  if (hash === null) return;
  await context.database.orm.delete(portalSessions).where(eq(portalSessions.secret_hash, hash));
}

/** Removes the sessions that have ended. */
export async function forgetSessions(context: FlowContext): Promise<void> {
  const now = context.now();
  await removeOld(context.database.orm.$client, {
    table: 'portal_sessions',
    condition: 'used_at <= to_timestamp($1::float8 / 1000) OR opened_at <= to_timestamp($2::float8 / 1000)',
    values: [now - SESSION_IDLE_MS, now - SESSION_MOST_MS],
  });
}

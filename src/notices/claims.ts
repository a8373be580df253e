// The table key_notices: which notices were given or are being given, claimed before the mail is sent. A claim that was not
// settled (its process died, the next hop was away) can be taken again when its time is over, by whichever server comes first.

import { and, eq, gt, inArray, lt, lte, min, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Settings } from '../config/settings.ts';
import { effectiveSettings } from '../config/settings.ts';
import type { Database } from '../database/open.ts';
import { removeOld } from '../database/remove-old.ts';
import { addresses, domains, keyNotices, keys, users } from '../database/schema.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import { type Audience, type DueNotice, type ExpiringKey, noticeId } from './expiring.ts';

type Orm = Pick<Database, 'orm'>;

/** A mail that this process alone may send now. */
export interface ClaimedMail {
  /** The same at every attempt. */
  readonly id: string;
  readonly date: Date;
  readonly audience: Audience;
  readonly notices: readonly ClaimedNotice[];
}

export interface ClaimedNotice {
  readonly rowId: number;
  readonly owner: string;
  readonly fingerprint: string;
  readonly expiresAt: Date;
}

/** Active keys that expire within a time. @param from, until Unix milliseconds */
export async function readExpiring(
  { orm }: Orm,
  from: number,
  until: number,
  global: Settings,
): Promise<readonly ExpiringKey[]> {
  const primary = alias(addresses, 'primary_address');
  const contact = alias(addresses, 'contact_address');
  const home = alias(domains, 'home');
  const rows = await orm
    .select({
      fingerprint: keys.fingerprint,
      expiresAt: keys.expires_at,
      revoked: keys.revoked,
      status: keys.status,
      createdAt: keys.created_at,
      userId: keys.user_id,
      contactId: keys.contact_id,
      domainId: keys.domain_id,
      address: primary.address,
      contact: contact.address,
      domain: domains.name,
      userStatus: users.status,
      userSettings: users.settings,
      homeSettings: home.settings,
      domainSettings: domains.settings,
      outlived: sql<boolean>`EXISTS (SELECT FROM keys other WHERE other.status = 'active' AND NOT other.revoked
        AND other.id <> ${keys.id} AND (other.expires_at IS NULL OR other.expires_at > ${keys.expires_at})
        AND (other.user_id = ${keys.user_id} OR other.contact_id = ${keys.contact_id} OR other.domain_id = ${keys.domain_id}))`,
    })
    .from(keys)
    .leftJoin(users, eq(users.id, keys.user_id))
    .leftJoin(home, eq(home.id, users.domain_id))
    .leftJoin(primary, and(eq(primary.user_id, keys.user_id), eq(primary.kind, 'user')))
    .leftJoin(contact, eq(contact.id, keys.contact_id))
    .leftJoin(domains, eq(domains.id, keys.domain_id))
    .where(and(gt(keys.expires_at, new Date(from)), lte(keys.expires_at, new Date(until))));
  return rows.map((row) => {
    const { fingerprint, expiresAt, revoked, status, createdAt, outlived } = row;
    const settings = effectiveSettings(
      global,
      row.homeSettings ?? row.domainSettings ?? {},
      row.userSettings ?? {},
    );
    return {
      ...addressee(row),
      ownerDisabled: row.userStatus === 'disabled',
      fingerprint,
      expiresAt,
      revoked,
      status,
      createdAt,
      onExpiredKey: settings.values.on_expired_key,
      outlived,
    };
  });
}

function addressee(row: {
  readonly userId: number | null;
  readonly contactId: number | null;
  readonly domainId: number | null;
  readonly address: string | null;
  readonly contact: string | null;
  readonly domain: string | null;
}): Pick<ExpiringKey, 'owner' | 'ownerName' | 'ownerKind'> {
  if (row.userId !== null)
    return { owner: `user:${row.userId}`, ownerName: row.address ?? '', ownerKind: 'user' };
  if (row.contactId !== null)
    return { owner: `contact:${row.contactId}`, ownerName: row.contact ?? '', ownerKind: 'contact' };
  return { owner: `domain:${row.domainId}`, ownerName: `@${row.domain ?? ''}`, ownerKind: 'domain' };
}

/** What was claimed of keys that expire after a moment, as {@link noticeId} has it. */
export async function knownNotices({ orm }: Orm, from: number): Promise<ReadonlySet<string>> {
  const rows = await orm
    .select()
    .from(keyNotices)
    .where(gt(keyNotices.expires_at, new Date(from)));
  return new Set(
    rows.map(({ audience, owner, fingerprint, expires_at: expiresAt, days }) =>
      noticeId(audience, { owner, fingerprint, expiresAt }, days),
    ),
  );
}

/**
 * Claims the notices of one mail; those that another server has claimed meanwhile are left to it.
 * @param leaseMs how long nobody else may try them
 * @returns null where nothing is left
 */
export async function claimMail(
  { orm }: Orm,
  id: string,
  audience: Audience,
  due: readonly DueNotice[],
  leaseMs: number,
): Promise<ClaimedMail | null> {
  const rows = await orm
    .insert(keyNotices)
    .values(
      due.map(({ key, days }) => ({
        audience,
        owner: key.owner,
        fingerprint: key.fingerprint,
        expires_at: key.expiresAt,
        days,
        mail: id,
        mail_date: sql`date_trunc('second', now())`,
        claimed_until: afterLease(leaseMs),
      })),
    )
    .onConflictDoNothing()
    .returning();
  return mailOf(rows);
}

/** The mails whose claim is over without an end, the longest waiting first. */
export async function openMails({ orm }: Orm): Promise<readonly string[]> {
  const rows = await orm
    .select({ mail: keyNotices.mail })
    .from(keyNotices)
    .where(and(eq(keyNotices.state, 'claimed'), lt(keyNotices.claimed_until, sql`now()`)))
    .groupBy(keyNotices.mail)
    .orderBy(min(keyNotices.claimed_until));
  return rows.map(({ mail }) => mail);
}

/** Takes such a mail over; null where another server was quicker. */
export async function reclaimMail({ orm }: Orm, id: string, leaseMs: number): Promise<ClaimedMail | null> {
  return inOrmTransaction({ orm }, async (tx) => {
    // One server takes all rows of a mail, or none.
    await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${`notices ${id}`}, 0))`);
    const rows = await tx
      .update(keyNotices)
      .set({ claimed_until: afterLease(leaseMs), attempts: sql`${keyNotices.attempts} + 1` })
      .where(
        and(
          eq(keyNotices.mail, id),
          eq(keyNotices.state, 'claimed'),
          lt(keyNotices.claimed_until, sql`now()`),
        ),
      )
      .returning();
    return mailOf(rows);
  });
}

/** The database's clock: those of several servers may differ. */
function afterLease(leaseMs: number) {
  return sql`now() + ${`${leaseMs} milliseconds`}::interval`;
}

function mailOf(rows: readonly (typeof keyNotices.$inferSelect)[]): ClaimedMail | null {
  const [first] = rows;
  if (first === undefined) return null;
  return {
    id: first.mail,
    date: first.mail_date,
    audience: first.audience,
    notices: rows.map((row) => ({
      rowId: row.id,
      owner: row.owner,
      fingerprint: row.fingerprint,
      expiresAt: row.expires_at,
    })),
  };
}

/** Ends notices: they are never tried again. */
export async function settleNotices(
  { orm }: Orm,
  notices: readonly ClaimedNotice[],
  state: 'sent' | 'refused' | 'cancelled',
): Promise<void> {
  if (notices.length === 0) return;
  await orm
    .update(keyNotices)
    .set({ state })
    .where(
      inArray(
        keyNotices.id,
        notices.map(({ rowId }) => rowId),
      ),
    );
}

/** Removes what is remembered of keys that expired before a moment. */
export async function forgetNotices({ orm }: Orm, before: number): Promise<void> {
  await removeOld(orm.$client, {
    table: 'key_notices',
    condition: 'expires_at < to_timestamp($1::float8 / 1000)',
    values: [before],
  });
}

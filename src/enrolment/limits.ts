// How often something may be tried, kept in the database: a restart forgets nothing, and all nodes count together.

import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { sql } from 'drizzle-orm';
import { enrolmentLimits } from '../database/enrolment-tables.ts';
import { removeOld } from '../database/remove-old.ts';
import type { Orm } from '../directory/find.ts';
import { bareAddress } from '../host/trusted-clients.ts';
import type { Asker, FlowContext } from './types.ts';

export interface Limit {
  /** What is counted, such as `sign-in address`. */
  readonly name: string;
  /** Times within the window. */
  readonly most: number;
  /** Milliseconds, from the first time on. */
  readonly windowMs: number;
}

const HOUR_MS = 3_600_000;

/** The limits of the portal; its own pages may define more. */
export const LIMITS = {
  /** Letters that one client can have sent to one address: a stranger cannot use up what the owner needs. */
  signInPair: { name: 'sign-in pair', most: 5, windowMs: HOUR_MS },
  signInAddress: { name: 'sign-in address', most: 20, windowMs: HOUR_MS },
  signInClient: { name: 'sign-in client', most: 30, windowMs: HOUR_MS },
  /** Before the IMAP server is asked. */
  passwordAddress: { name: 'password address', most: 10, windowMs: HOUR_MS / 4 },
  /** By aliases of one mailbox together. */
  passwordAlias: { name: 'password alias', most: 10, windowMs: HOUR_MS / 4 },
  passwordClient: { name: 'password client', most: 30, windowMs: HOUR_MS / 4 },
  /** Links that were followed, good or bad. */
  tokenClient: { name: 'token client', most: 60, windowMs: HOUR_MS },
  /** Keys handed over by one user; this and what follows by {@link countedAsker}. */
  submitUser: { name: 'submit user', most: 20, windowMs: 24 * HOUR_MS },
  /** Keys that one user has looked at before handing them over: to read one costs time. */
  reviewUser: { name: 'review user', most: 60, windowMs: HOUR_MS },
  /** Keys fetched from elsewhere (WKD, key servers). */
  fetchUser: { name: 'fetch user', most: 20, windowMs: HOUR_MS },
  /** Letters to the key address that name a user as their author, and are read. */
  mailUser: { name: 'mail user', most: 10, windowMs: 24 * HOUR_MS },
  /** Letters that tell a user of a key that came so. */
  mailNotice: { name: 'mail notice', most: 2, windowMs: 24 * HOUR_MS },
  /** Letters that a user asks for: new keys', and tests, which use up nobody's new keys. */
  lettersUser: { name: 'letters user', most: 30, windowMs: 24 * HOUR_MS },
  testLetters: { name: 'test letters', most: 30, windowMs: 24 * HOUR_MS },
} as const satisfies Record<string, Limit>;

/**
 * Counts one try, in a statement of its own: a try that is refused later was one all the same.
 * @param subject an address, a client's address (an IPv6 one counts by its /64), a user's id; stored as a hash
 * @returns null where it may go on, else the moment from which it may (Unix milliseconds)
 */
export function takeTurn(context: FlowContext, limit: Limit, subject: string): Promise<number | null> {
  return takeTurnIn(context.database.orm, limit, subject, context.now());
}

/** The same within a transaction: what is rolled back was no try. */
export async function takeTurnIn(
  orm: Pick<Orm, 'insert'>,
  limit: Limit,
  subject: string,
  now: number,
): Promise<number | null> {
  const { name, most, windowMs } = limit;
  const moment = new Date(now);
  const over = sql`${enrolmentLimits.ends_at} <= ${moment.toISOString()}::timestamptz`;
  const ends = new Date(now + windowMs);
  const [row] = await orm
    .insert(enrolmentLimits)
    .values({ name, subject: hashOf(subject), count: 1, ends_at: ends })
    .onConflictDoUpdate({
      target: [enrolmentLimits.name, enrolmentLimits.subject],
      set: {
        // It stops above the limit: no flood makes the number overflow.
        count: sql`CASE WHEN ${over} THEN 1 ELSE least(${enrolmentLimits.count} + 1, ${most + 1}) END`,
        ends_at: sql`CASE WHEN ${over} THEN ${ends.toISOString()}::timestamptz ELSE ${enrolmentLimits.ends_at} END`,
      },
    })
    .returning();
  return row === undefined || row.count <= most ? null : row.ends_at.getTime();
}

/**
 * As whom a user is counted: two who read one mailbox do not use up each other's tries, and nobody who reads it those of who has
 * read a sealed letter. null: an administrator, who is not counted. Pure.
 */
export function countedAsker({
  userId,
  proof,
  client,
}: Pick<Asker, 'userId' | 'proof' | 'client'>): string | null {
  if (proof.level === 'administrator') return null;
  return `${userId} ${proof.level} ${client === undefined ? '' : countedAs(client)}`;
}

function hashOf(subject: string): Buffer {
  return createHash('sha256').update(countedAs(subject)).digest();
}

/** A whole /64 is one household's; an IPv4 client of a dual-stack listener is itself, and not all of them. Pure. */
export function countedAs(subject: string): string {
  if (!isIPv6(subject)) return subject;
  const address = bareAddress(subject);
  if (!isIPv6(address)) return address;
  // The URL parser writes an IPv6 address in its one canonical form.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail === undefined) return `${groups.slice(0, 4).join(':')}::/64`;
  const behind = tail === '' ? [] : tail.split(':');
  const all = [...groups, ...Array<string>(8 - groups.length - behind.length).fill('0'), ...behind];
  return `${all.slice(0, 4).join(':')}::/64`;
}

/** Removes the counts whose window is over. */
export async function forgetTurns(context: FlowContext): Promise<void> {
  await removeOld(context.database.orm.$client, {
    table: 'enrolment_limits',
    condition: 'ends_at <= to_timestamp($1::float8 / 1000)',
    values: [context.now()],
    order: 'ends_at',
  });
}

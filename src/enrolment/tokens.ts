// Links in letters: 256 random bits each, of which only the SHA-256 is stored. A token is for one action of one user at one
// address, counts once, and ends when a newer one for the same is made.

import { and, eq, isNull } from 'drizzle-orm';
import { enrolmentTokens } from '../database/enrolment-tables.ts';
import { removeOld } from '../database/remove-old.ts';
import { addresses, users } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import { isFingerprint } from '../keys/fingerprint.ts';
import { hashSecret, makeSecret } from './secrets.ts';
import type { FlowContext, FlowRefusal } from './types.ts';

/**
 * What a token is for. The link in the letter is `portal.url` + `/` + action + `/` + token, a page with a button that posts.
 * - `sign-in`: opens a session; at key level where its letter was sealed;
 * - `confirm`: a new key's letter was read;
 * - `undo`: takes the first key back within its seven days (mailbox level);
 * - `stop`: stops a recovery (mailbox level).
 */
export const TOKEN_ACTIONS = ['sign-in', 'confirm', 'undo', 'stop'] as const;
export type TokenAction = (typeof TOKEN_ACTIONS)[number];

/** What a page may show before the button is pressed. */
export interface TokenView {
  readonly action: TokenAction;
  /** The user's address; the token counts for no other. */
  readonly address: string;
  readonly userId: number;
  /** Of `confirm` and `undo`: the key. */
  readonly fingerprint: string | null;
  /** What following it proves, as things are now. */
  readonly level: 'mailbox' | 'key';
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

/** What a new token is bound to. */
export interface TokenBinding {
  readonly userId: number;
  readonly address: string;
  readonly action: TokenAction;
  /** Of the key that it is about, or {@link SUPPORT}. */
  readonly fingerprint?: string;
  readonly submissionId?: number | null;
  readonly recoveryId?: number | null;
  readonly sealedTo?: readonly string[];
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

/**
 * In the place of a fingerprint, the name of what a sign-in link comes from: else anybody who asks for a letter to an address would
 * end the link that support has given its owner.
 */
export const SUPPORT = 'support';

type TokenRow = typeof enrolmentTokens.$inferSelect;

/** Makes a token, and ends the older ones for the same. @returns what stands in the link */
export async function makeToken(tx: Orm, binding: TokenBinding): Promise<string> {
  const { userId, action, fingerprint = '' } = binding;
  const { secret, hash } = makeSecret();
  await tx
    .delete(enrolmentTokens)
    .where(
      and(
        eq(enrolmentTokens.user_id, userId),
        eq(enrolmentTokens.action, action),
        eq(enrolmentTokens.fingerprint, fingerprint),
        isNull(enrolmentTokens.used_at),
      ),
    );
  await tx.insert(enrolmentTokens).values({
    token_hash: hash,
    user_id: userId,
    address: binding.address,
    action,
    fingerprint,
    submission_id: binding.submissionId ?? null,
    recovery_id: binding.recoveryId ?? null,
    sealed_to: [...(binding.sealedTo ?? [])],
    expires_at: new Date(binding.expiresAt),
  });
  return secret;
}

/** The address of the portal's page for a token. */
export function linkOf(portalUrl: string, action: TokenAction, token: string): string {
  return `${portalUrl}/${action}/${token}`;
}

/** The token in a link of {@link linkOf}. */
export function tokenOfLink(link: string): string {
  return link.slice(link.lastIndexOf('/') + 1);
}

/** Looks a token up for a GET; changes nothing. null: it does not count (any more), for whatever reason. */
export async function readToken(context: FlowContext, token: string): Promise<TokenView | null> {
  const row = await findToken(context.database.orm, token, context.now());
  if ('ok' in row) return null;
  return {
    action: row.action,
    address: row.address,
    userId: row.user_id,
    fingerprint: isFingerprint(row.fingerprint) ? row.fingerprint : null,
    level: row.sealed_to.length > 0 ? 'key' : 'mailbox',
    expiresAt: row.expires_at.getTime(),
  };
}

/** The row of a token that counts, or why it does not. */
export async function findToken(
  orm: Pick<Orm, 'select'>,
  token: string,
  now: number,
): Promise<TokenRow | FlowRefusal> {
  const hash = hashSecret(token);
  if (hash === null) return { ok: false, because: 'token unknown' };
  const [found] = await orm
    .select({ row: enrolmentTokens, address: addresses.address, status: users.status })
    .from(enrolmentTokens)
    .innerJoin(users, eq(users.id, enrolmentTokens.user_id))
    .innerJoin(addresses, and(eq(addresses.user_id, users.id), eq(addresses.kind, 'user')))
    .where(eq(enrolmentTokens.token_hash, hash));
  if (found === undefined) return { ok: false, because: 'token unknown' };
  const { row, address, status } = found;
  if (row.used_at !== null) return { ok: false, because: 'token used' };
  if (row.expires_at.getTime() <= now) return { ok: false, because: 'token expired' };
  // The user was renamed: whoever has the old address now must not act for the new one.
  if (row.address !== address) return { ok: false, because: 'token unknown' };
  return status === 'disabled' ? { ok: false, because: 'no user' } : row;
}

/**
 * Uses a token up, in the transaction that acts: of two at once the second finds it used. The user's row must be locked already.
 * @param action what the page does; a token for anything else is unknown to it
 */
export async function useToken(
  tx: Orm,
  token: string,
  action: TokenAction,
  now: number,
): Promise<TokenRow | FlowRefusal> {
  const found = await findToken(tx, token, now);
  if ('ok' in found) return found;
  if (found.action !== action) return { ok: false, because: 'token unknown' };
  const used = await tx
    .update(enrolmentTokens)
    .set({ used_at: new Date(now) })
    .where(and(eq(enrolmentTokens.token_hash, found.token_hash), isNull(enrolmentTokens.used_at)))
    .returning({ hash: enrolmentTokens.token_hash });
  return used.length === 1 ? found : { ok: false, because: 'token used' };
}

/** How long a token that has ended is remembered: "used" and "expired" are better answers than "unknown". */
const REMEMBERED_MS = 7 * 86_400_000;

/** Removes the tokens that have ended long ago. */
export async function forgetTokens(context: FlowContext): Promise<void> {
  await removeOld(context.database.orm.$client, {
    table: 'enrolment_tokens',
    condition: 'coalesce(used_at, expires_at) <= to_timestamp($1::float8 / 1000)',
    values: [context.now() - REMEMBERED_MS],
  });
}

// Signing in by letter, and the link for support.
import { sql } from 'drizzle-orm';
import { MAX_ADDRESS } from '../address/normalise.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import { findUser } from '../directory/find.ts';
import { ChangeRefused } from '../directory/refused.ts';
import { countedAs, LIMITS, takeTurn, takeTurnIn } from './limits.ts';
import { countedName, NOBODY, userNamed } from './named-user.ts';
import { withdrawUnsent } from './outbox.ts';
import { loadAddressee, remember } from './rows.ts';
import { openSessionIn } from './sessions.ts';
import { findToken, linkOf, makeToken, SUPPORT, useToken } from './tokens.ts';
import type { FlowContext, FlowRefusal, Language, Outcome, Proof } from './types.ts';

/**
 * Asks for a letter with a sign-in link: sealed to the user's current keys where there are any, else in the clear. It is sent
 * by `serve`. Known and unknown addresses are answered alike: the statements are the same ones, and each transaction writes.
 * @param asked `address` as typed; an alias of one user counts. `client`: its IP address, for the limits. `clear`: "I cannot read
 * it": a letter in the clear, whose link is of mailbox level
 * @returns ok also where nobody has the address; refused only where a limit is reached, or `portal.url` is not set
 */
export async function requestSignIn(
  context: FlowContext,
  asked: {
    readonly address: string;
    readonly client: string;
    readonly language: Language;
    readonly clear: boolean;
  },
): Promise<Outcome> {
  if (context.config().portal.url === '') return { ok: false, because: 'no portal' };
  const typed = asked.address.slice(0, MAX_ADDRESS).trim();
  const delimiters = context.config().recipient_delimiter;
  const subject = countedName(typed, delimiters);
  for (const [limit, what] of [
    [LIMITS.signInClient, asked.client],
    [LIMITS.signInPair, `${countedAs(asked.client)} ${subject}`],
  ] as const) {
    const retryAt = await takeTurn(context, limit, what);
    if (retryAt !== null) return { ok: false, because: 'limited', retryAt };
  }
  const { orm } = context.database;
  const { userId } = (await userNamed(orm, typed, { kind: 'recipient', delimiters })) ?? { userId: NOBODY };
  const addressee = await loadAddressee(orm, userId);
  const sealed = !asked.clear && addressee !== null && addressee.keys.length > 0;
  const now = new Date(context.now()).toISOString();
  return inOrmTransaction(context.database, async (tx): Promise<Outcome> => {
    // Counted in here: then the transaction of an unknown address has something to write as well, and its COMMIT waits for the disk.
    const retryAt = await takeTurnIn(tx, LIMITS.signInAddress, subject, context.now());
    if (retryAt !== null) return { ok: false, because: 'limited', retryAt };
    await withdrawUnsent(tx, userId, 'sign in');
    await tx.execute(sql`
      INSERT INTO enrolments (user_id, language)
        SELECT id, ${asked.language} FROM users WHERE id = ${userId} AND status = 'active'
        ON CONFLICT (user_id) DO NOTHING`);
    await tx.execute(sql`
      INSERT INTO enrolment_letters (user_id, kind, seal, created_at, next_at)
        SELECT id, 'sign in', ${sealed ? 'current' : 'clear'}, ${now}::timestamptz, ${now}::timestamptz
          FROM users WHERE id = ${userId} AND status = 'active'`);
    return { ok: true };
  });
}

/**
 * A sign-in link was followed and its button pressed: the token is used up, and a session opened, in one transaction.
 * @returns the session's secret for the cookie
 */
export async function signIn(
  context: FlowContext,
  token: string,
  visit: { readonly client: string; readonly language: Language },
): Promise<Outcome<{ readonly secret: string; readonly userId: number }>> {
  const now = context.now();
  const retryAt = await takeTurn(context, LIMITS.tokenClient, visit.client);
  if (retryAt !== null) return { ok: false, because: 'limited', retryAt };
  const found = await findToken(context.database.orm, token, now);
  if ('ok' in found) return found;
  return inOrmTransaction(
    context.database,
    async (
      tx,
    ): Promise<FlowRefusal | { readonly ok: true; readonly secret: string; readonly userId: number }> => {
      const user = await findUser(tx, found.user_id, 'no key update');
      if (user === null) return { ok: false, because: 'no user' };
      const used = await useToken(tx, token, 'sign-in', now);
      if ('ok' in used) return used;
      const proof: Proof =
        used.sealed_to.length > 0 ? { level: 'key', fingerprints: used.sealed_to } : { level: 'mailbox' };
      const secret = await openSessionIn(tx, { userId: user.id, proof, language: visit.language }, now);
      if (secret === null) return { ok: false, because: 'no user' };
      await remember(tx, user.id, { language: visit.language });
      return { ok: true, secret, userId: user.id };
    },
  );
}

/**
 * `sealpost portal link`: a sign-in link of mailbox level for support, to be given to the person by other means than mail.
 * @param asked `address` as typed
 * @throws ChangeRefused where there is no such user, or `portal.url` is not set
 */
export async function supportLink(
  context: FlowContext,
  asked: { readonly address: string },
): Promise<{ readonly url: string; readonly address: string; readonly expiresAt: number }> {
  const { portal, recipient_delimiter: delimiters } = context.config();
  if (portal.url === '') throw new ChangeRefused('portal.url is not set: the link would lead nowhere');
  const { orm } = context.database;
  const named = await userNamed(orm, asked.address, { kind: 'recipient', delimiters });
  if (named === null) {
    throw new ChangeRefused(`${asked.address} leads to no single user; see "sealpost user list"`);
  }
  const expiresAt = context.now() + portal.token_lifetime;
  return inOrmTransaction(context.database, async (tx) => {
    const user = await findUser(tx, named.userId, 'no key update');
    const addressee = user === null ? null : await loadAddressee(tx, user.id);
    if (addressee === null || addressee.status === 'disabled') {
      throw new ChangeRefused(`${asked.address} is disabled or was removed; see "sealpost user list"`);
    }
    const { address, userId } = addressee;
    const about = { action: 'sign-in', fingerprint: SUPPORT } as const;
    const token = await makeToken(tx, { userId, address, ...about, expiresAt });
    return { url: linkOf(portal.url, 'sign-in', token), address, expiresAt };
  });
}

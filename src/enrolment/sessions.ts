// Sessions of the portal, in the database: any node serves them, and a removed user has none.
import { notBuilt } from './not-built.ts';
import type { FlowContext, Language, Proof } from './types.ts';

export interface Session {
  readonly userId: number;
  /** The user's primary address now. */
  readonly address: string;
  /**
   * What counts at this moment: `key` only while the key whose letter was read is a current one of the user, and for
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

/**
 * Opens a session for somebody who proved the mailbox by other means than a letter: the mailbox password, or a trusted header.
 * @returns the secret for the cookie, base64url of 256 bits; only its hash is stored. null: the user is not there, or disabled
 */
export async function openSession(
  context: FlowContext,
  opened: { readonly userId: number; readonly proof: Proof; readonly language: Language },
): Promise<string | null> {
  return notBuilt(context, opened);
}

/** The session of a cookie, whose idle time begins anew; null: there is none (any more). */
export async function findSession(context: FlowContext, secret: string): Promise<Session | null> {
  return notBuilt(context, secret);
}

/** Another language for the pages and the letters. */
export async function setSessionLanguage(
  context: FlowContext,
  secret: string,
  language: Language,
): Promise<void> {
  return notBuilt(context, secret, language);
}

export async function closeSession(context: FlowContext, secret: string): Promise<void> {
  return notBuilt(context, secret);
}

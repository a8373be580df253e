// Links in letters: 256 random bits each, of which only the SHA-256 is stored. A token is for one action of one user at one
// address, counts once, and ends when a newer one for the same is made.
import { notBuilt } from './not-built.ts';
import type { FlowContext } from './types.ts';

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
  /** What following it proves. */
  readonly level: 'mailbox' | 'key';
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

/** Looks a token up for a GET; changes nothing. null: it does not count (any more), for whatever reason. */
export async function readToken(context: FlowContext, token: string): Promise<TokenView | null> {
  return notBuilt(context, token);
}

// Signing in by letter, and the link for support.
import { notBuilt } from './not-built.ts';
import type { FlowContext, Language, Outcome } from './types.ts';

/**
 * Asks for a letter with a sign-in link: sealed to the user's current keys where there are any, else in the clear. It is sent
 * by `serve`. Known and unknown addresses are answered alike: the statements are the same ones.
 * @param asked `address` as typed; an alias of one user counts. `client`: its IP address, for the limits. `clear`: "I cannot read
 * it": a letter in the clear, whose link is of mailbox level
 * @returns ok also where nobody has the address; refused only where a limit is reached
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
  return notBuilt(context, asked);
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
  return notBuilt(context, token, visit);
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
  return notBuilt(context, asked);
}

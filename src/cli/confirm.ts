// Asking before something is removed.
import { Refused, WrongUsage } from '../host/exit-codes.ts';

/**
 * Returns when the removal is confirmed: on a terminal, else --yes is needed.
 * @param what such as `remove the user alice@example.org with 2 keys`
 * @throws WrongUsage without --yes and without a terminal
 * @throws Refused when the answer is not yes
 */
export async function confirm(what: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY)
    throw new WrongUsage(`this would ${what}; there is no terminal to ask on: add --yes`);
  // A word and not a single key: y, pressed by accident, would be a yes.
  const { terminal } = await import('./ask.ts');
  const answer = await terminal.text(`sealpost: ${what}? [y/N]`, '');
  if (!/^y(es)?$/i.test(answer.trim())) throw new Refused('nothing was removed');
}

/**
 * As {@link confirm}, for what clients and scripts do all day: without a terminal nobody has to be asked.
 * @throws Refused when the answer is not yes
 */
export async function confirmAtTerminal(what: string, yes: boolean): Promise<void> {
  if (process.stdin.isTTY) await confirm(what, yes);
}

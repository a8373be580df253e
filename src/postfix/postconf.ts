// Asks a Postfix for its settings, by postconf(1).
import { machineLiterals } from '../host/own-names.ts';
import { lastLineOf, PostfixSilent, runPostfix } from './ask.ts';
import { type AddressSettings, ASKED_SETTINGS, OPERATORS, readAddressSettings } from './settings.ts';

/** A Postfix that was asked, or why it could not be. */
export type AskedPostfix =
  | { readonly kind: 'found'; readonly settings: AddressSettings }
  /** There is no postconf(1) on this machine. */
  | { readonly kind: 'none' }
  /** It is there, and gave no answer. */
  | { readonly kind: 'silent'; readonly because: string };

const PATIENCE_MS = 10_000;

/**
 * Asks for what Postfix's settings say of addresses. Never throws.
 * @param configDir as Postfix's own -c; null: $MAIL_CONFIG, or where Postfix has it
 */
export async function askPostfix(configDir: string | null): Promise<AskedPostfix> {
  try {
    const main = await postconf(configDir, ['-x', ...ASKED_SETTINGS]);
    const services = await postconf(configDir, [
      '-P',
      ...Object.values(OPERATORS).map((name) => `*/*/${name}`),
    ]);
    return { kind: 'found', settings: readAddressSettings(main, services, machineLiterals()) };
  } catch (error) {
    if (!(error instanceof PostfixSilent)) return { kind: 'silent', because: String(error) };
    return error.missing ? { kind: 'none' } : { kind: 'silent', because: error.message };
  }
}

/**
 * Runs postconf(1).
 * @param configDir as Postfix's own -c; null: $MAIL_CONFIG, or where Postfix has it
 * @returns its standard output
 * @throws PostfixSilent, also where it fails: with the last thing that it said
 */
export async function postconf(configDir: string | null, args: readonly string[]): Promise<string> {
  const said = await runPostfix('postconf', configDir, args, { patienceMs: PATIENCE_MS });
  if (said.code === 0) return said.stdout;
  throw new PostfixSilent(lastLineOf(said) || `postconf ended with status ${said.code}`, false);
}

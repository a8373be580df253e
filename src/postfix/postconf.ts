// Asks a Postfix for its settings, by postconf(1).
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { machineLiterals } from '../host/own-names.ts';
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
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { kind: 'none' };
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    return { kind: 'silent', because: said.split('\n').at(-1) || String(error) };
  }
}

/**
 * Runs postconf(1).
 * @param configDir as Postfix's own -c; null: $MAIL_CONFIG, or where Postfix has it
 * @returns its standard output
 * @throws Error of execFile: with code ENOENT where there is none, else with what it said in `stderr`
 */
export async function postconf(configDir: string | null, args: readonly string[]): Promise<string> {
  const where = configDir === null ? [] : ['-c', configDir];
  const { stdout } = await promisify(execFile)('postconf', [...where, ...args], {
    timeout: PATIENCE_MS,
    env: postfixEnvironment(),
  });
  return stdout;
}

/** Where Postfix's programs are, whoever asks. */
export function postfixEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin` };
}

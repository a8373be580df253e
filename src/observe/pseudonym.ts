// Addresses that are not ours, in the log and in the table of events: told apart, and named by nobody who lacks the key.
import { createHmac, randomBytes } from 'node:crypto';
import { closeSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { AddressForm } from './events.ts';

const KEY_BYTES = 32;
/** 64 bits: two of a million addresses are alike by chance once in forty million logs. */
const DIGITS = 16;

/**
 * The key of this machine's pseudonyms, from `state_dir`; made at the first call, so that the same address has the same digits
 * after a restart. Where the folder cannot be written, a key of this process alone.
 * @param stateDir the configured state_dir
 */
export function pseudonymKey(stateDir: string): Buffer {
  const path = join(stateDir, 'log.key');
  try {
    return readKey(path) ?? makeKey(stateDir, path);
  } catch {
    return randomBytes(KEY_BYTES);
  }
}

/**
 * The key of this machine's pseudonyms, for whoever looks up what was written with it; null where there is none yet.
 * @throws the file system's error where it cannot be read: without it nothing would be found
 */
export function existingPseudonymKey(stateDir: string): Buffer | null {
  return readKey(join(stateDir, 'log.key')) ?? null;
}

function readKey(path: string): Buffer | undefined {
  try {
    const key = readFileSync(path);
    return key.length === KEY_BYTES ? key : undefined;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Complete under its name or not there at all: two processes may start at once. */
function makeKey(stateDir: string, path: string): Buffer {
  mkdirSync(stateDir, { recursive: true, mode: 0o750 });
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const descriptor = openSync(draft, 'wx', 0o600);
  try {
    writeSync(descriptor, randomBytes(KEY_BYTES));
  } finally {
    closeSync(descriptor);
  }
  try {
    linkSync(draft, path);
  } catch (error) {
    // Another process was first, or a file of another length lies there.
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readKey(path) ?? randomBytes(KEY_BYTES);
}

/**
 * Makes pseudonyms with one key: 16 hexadecimal digits, the same for the same address in any case. Without the domain: a small
 * one names its people.
 */
export function createPseudonym(key: Uint8Array): (path: string) => string {
  return (path) => createHmac('sha256', key).update(path.toLowerCase()).digest('hex').slice(0, DIGITS);
}

/**
 * The same with the key of `state_dir`, which is read, or made, for the first address that needs it: most programs that could
 * log an address never do.
 */
export function pseudonymsOf(stateDir: string): (path: string) => string {
  let pseudonym: ((path: string) => string) | undefined;
  return (path) => {
    pseudonym ??= createPseudonym(pseudonymKey(stateDir));
    return pseudonym(path);
  };
}

/**
 * How the log shows recipients.
 * - `own`: those of our domains as they are, others by a pseudonym;
 * - `hmac`: everybody by a pseudonym;
 * - `none`: nobody.
 */
export function addressForm(mode: 'own' | 'hmac' | 'none', pseudonym: AddressForm): AddressForm {
  if (mode === 'none') return () => '';
  return (path, ours) => (mode === 'own' && ours ? path : pseudonym(path, ours));
}

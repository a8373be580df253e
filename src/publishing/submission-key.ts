// The secret key of a domain's submission address, in a file of its own below state_dir: keys that are handed over by the Web Key
// Service come sealed to it (draft-koch-openpgp-webkey-service-21, section 4.2). It opens nothing else.
import { linkSync, rmSync } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { config as defaults, generateKey, type PrivateKey, type PublicKey, readPrivateKey } from 'openpgp';
import { makePrivate, ownAccount } from '../database/embedded/private-folder.ts';
import { syncFolder } from '../host/sync-folder.ts';

/** Below state_dir. */
export const SUBMISSION_FOLDER = 'wks';
/** As long as no file of ours is. */
const MOST_BYTES = 64 * 1024;
/** A-labels in lower case, as domains are stored: no way out of the folder. */
const NAME = /^[a-z0-9_-][a-z0-9._-]{0,252}$/;

/** Where the key of a domain lies. @throws Error for what is no name of a domain */
export function submissionKeyPath(stateDir: string, domain: string): string {
  if (!NAME.test(domain)) throw new Error(`${JSON.stringify(domain)} is no name of a domain`);
  return join(stateDir, SUBMISSION_FOLDER, `${domain}.key`);
}

/** The domain of a file in that folder; null where it is no key of ours. */
export function domainOfKeyFile(name: string): string | null {
  const domain = name.endsWith('.key') ? name.slice(0, -'.key'.length) : '';
  return NAME.test(domain) ? domain : null;
}

/** A domain's submission key as it lies in its file. */
export interface SubmissionKey {
  readonly path: string;
  /** Without a passphrase. */
  readonly secret: PrivateKey;
  /** What everybody may have. */
  readonly certificate: PublicKey;
  /** The addresses among its user IDs. */
  readonly addresses: readonly string[];
}

/**
 * Reads a domain's submission key.
 * @returns null where it has none
 * @throws Error with a sentence that names the file, where it cannot be read or holds no secret key
 */
export async function readSubmissionKey(stateDir: string, domain: string): Promise<SubmissionKey | null> {
  const path = submissionKeyPath(stateDir, domain);
  try {
    if ((await stat(path)).size > MOST_BYTES) throw new Error('it is longer than a key');
    const secret = await readPrivateKey({ armoredKey: await readFile(path, 'utf8'), config: defaults });
    if (!secret.isDecrypted()) throw new Error('it has a passphrase, expected a key without one');
    const addresses = secret.users.map(({ userID }) => userID?.email ?? '').filter((email) => email !== '');
    return { path, secret, certificate: secret.toPublic(), addresses };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Makes a domain's submission key where it has none: EdDSA and ECDH over Curve25519 in version 4, which GnuPG 2.2 seals to. Its
 * only user ID is the bare address (section 4.2). A key that is there stays, whatever it is for.
 * @param address see submissionAddress()
 * @returns the key, and whether it was made now
 * @throws Error with a sentence that names the file
 */
export async function ensureSubmissionKey(
  stateDir: string,
  domain: string,
  address: string,
): Promise<{ readonly key: SubmissionKey; readonly made: boolean }> {
  const known = await readSubmissionKey(stateDir, domain);
  if (known !== null) return { key: known, made: false };
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    // A name alone is written without angle brackets.
    userIDs: [{ name: address }],
    format: 'armored',
    config: defaults,
  });
  const path = submissionKeyPath(stateDir, domain);
  const made = await writeOnce(path, stateDir, privateKey);
  const key = await readSubmissionKey(stateDir, domain);
  if (key === null) throw new Error(`${path} was removed this very moment`);
  return { key, made };
}

/**
 * Writes a secret file below state_dir that is not there yet, for the owner of state_dir alone.
 * @returns whether it was written; false: somebody else was first
 */
export async function writeOnce(path: string, stateDir: string, text: string | Uint8Array): Promise<boolean> {
  const folder = dirname(path);
  const { uid, gid } = await stat(stateDir);
  const owner = process.getuid?.() === 0 ? { uid, gid } : ownAccount();
  makePrivate(folder, owner, [owner, ownAccount()]);
  const draft = `${path}.${process.pid}.new`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(text);
    if (process.getuid?.() === 0) await file.chown(owner.uid, owner.gid);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(draft, { force: true });
    await syncFolder(folder);
  }
  return true;
}

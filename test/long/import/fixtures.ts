// Large sources, made when they are needed: a CSV file of a hundred thousand addresses, and real keys for ten thousand of them.
import { generateKey, type PrivateKey, reformatKey } from 'openpgp';
import { progressOf } from '../progress.ts';

/** The addresses of a large site, over ten domains. */
export function* addresses(count: number, site: string): Generator<string> {
  for (let index = 0; index < count; index++) yield `user${index}@d${index % 10}.${site}`;
}

/** A CSV file of addresses; every third has a quota, and every tenth is disabled. */
export function csvOf(all: Iterable<string>): string {
  const lines = ['address,quota,status'];
  for (const address of all) {
    const index = lines.length;
    lines.push(`${address},${index % 3 === 0 ? '2GB' : ''},${index % 10 === 0 ? 'disabled' : ''}`);
  }
  return `${lines.join('\n')}\n`;
}

export interface Certificate {
  readonly fingerprint: string;
  /** The public key in binary. */
  readonly bytes: Uint8Array;
  /** Of the first ones, as many as were asked for. */
  readonly secret?: PrivateKey;
}

/**
 * A certificate of Ed25519 and X25519 for each address.
 * @param keep of so many the secret key is kept
 */
export async function makeCertificates(all: readonly string[], keep = 0): Promise<readonly Certificate[]> {
  const tell = progressOf('making keys', all.length, 'keys');
  const made: Certificate[] = [];
  // A little earlier than now, so that no clock calls it a key from the future.
  const date = new Date(Date.now() - 60_000);
  for (const email of all) {
    const { publicKey, privateKey } = await generateKey({
      type: 'ecc',
      curve: 'curve25519Legacy',
      userIDs: [{ name: email.split('@')[0] ?? '', email }],
      date,
      format: 'object',
    });
    const certificate = { fingerprint: publicKey.getFingerprint().toUpperCase(), bytes: publicKey.write() };
    made.push(made.length < keep ? { ...certificate, secret: privateKey } : certificate);
    tell(made.length);
  }
  return made;
}

/** A newer copy of a certificate: it ends in ten years. */
export async function newerCopy(secret: PrivateKey): Promise<Uint8Array> {
  const { publicKey } = await reformatKey({
    privateKey: secret,
    userIDs: secret.getUserIDs().map((text) => ({ email: /<(.*)>/.exec(text)?.[1] ?? '' })),
    keyExpirationTime: 10 * 365 * 86_400,
    format: 'object',
  });
  return publicKey.write();
}

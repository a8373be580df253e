// Fresh test keys, one of each kind that a recipient may have; nothing here can expire.
import { type Config, decrypt, generateKey, type PartialConfig, type PrivateKey, readMessage } from 'openpgp';
import type { RecipientKey } from '../../src/openpgp/types.ts';

export type KeyKind = 'rsa3072' | 'curve25519-legacy' | 'curve25519-v6' | 'p256';

export interface TestKey {
  readonly kind: KeyKind;
  readonly secret: PrivateKey;
  /** As the sealing engine takes it. */
  readonly recipient: RecipientKey;
}

/** Announces SEIPD version 2 with AES-256 in GCM and OCB, as OpenPGP.js does for v6 keys under `aeadProtect`. */
const V6: PartialConfig = { v6Keys: true, aeadProtect: true };

export async function makeKey(kind: KeyKind, config: Partial<Config> = {}): Promise<TestKey> {
  const common = { userIDs: [{ name: kind, email: `${kind}@example.net` }], format: 'object' as const };
  // A little earlier than now, so that no clock of another program calls it a key from the future.
  const date = new Date(Date.now() - 60_000);
  const { privateKey: secret } =
    kind === 'rsa3072'
      ? await generateKey({ ...common, date, type: 'rsa', rsaBits: 3072, config })
      : kind === 'curve25519-v6'
        ? await generateKey({ ...common, date, type: 'curve25519', config: { ...V6, ...config } })
        : await generateKey({
            ...common,
            date,
            type: 'ecc',
            curve: kind === 'p256' ? 'nistP256' : 'curve25519Legacy',
            config,
          });
  return { kind, secret, recipient: recipientOf(secret) };
}

export function recipientOf(secret: PrivateKey, at = Date.now()): RecipientKey {
  return { fingerprint: secret.getFingerprint(), certificate: secret.toPublic().write(), at };
}

/** Decrypts armored text or binary packets with OpenPGP.js. */
export async function decryptWith(secret: PrivateKey, sealed: Uint8Array): Promise<Buffer> {
  const message = await (sealed[0] === 0x2d
    ? readMessage({ armoredMessage: Buffer.from(sealed).toString('latin1') })
    : readMessage({ binaryMessage: sealed }));
  const { data } = await decrypt({ message, decryptionKeys: secret, format: 'binary' });
  return Buffer.from(data as Uint8Array);
}

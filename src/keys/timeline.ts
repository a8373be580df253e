// The part of a certificate that may be encrypted to, and the spans of time in which it can be.
import type { PublicKey, SignaturePacket } from 'openpgp';
import { createBreather } from '../pacing/breather.ts';
import type { Components } from './components.ts';
import type { Window } from './facts.ts';
import { type KeyPolicy, policyConfig } from './policy.ts';
import { canEncrypt, counted, isRevokedUser, keyExpiryOf } from './signatures.ts';

/** The last instants that are looked at: a key with a longer history is decided by its newest part. */
const MAX_INSTANTS = 300;

/** The certificate as far as it may be encrypted to; revocations are obeyed over any hash, self-signatures are not. */
export function sealingPart(components: Components, policy: KeyPolicy): Components {
  return {
    ...components,
    revocations: [],
    direct: counted(components.direct, policy),
    users: components.users
      .filter((user) => !isRevokedUser(user, policy))
      // OpenPGP.js would obey a revocation whatever was certified after it.
      .map((user) => ({ ...user, certifications: counted(user.certifications, policy), revocations: [] }))
      .filter(({ certifications }) => certifications.length > 0),
    subkeys: components.subkeys
      .filter((subkey) => subkey.revocations.length === 0 && canEncrypt(subkey))
      .map((subkey) => ({ ...subkey, bindings: counted(subkey.bindings, policy) }))
      .filter(({ bindings }) => bindings.length > 0),
  };
}

/** Every span in which OpenPGP.js finds an encryption key; its answer changes only at the instants of `sealing`. @param key made of that */
export async function timeline(sealing: Components, key: PublicKey, policy: KeyPolicy): Promise<Window[]> {
  const config = policyConfig(policy);
  const instants = instantsOf(sealing);
  const windows: Window[] = [];
  // Hundreds of instants among hundreds of user IDs take a second, in which mail would wait.
  const breathe = createBreather();
  for (const [index, from] of instants.entries()) {
    const until = instants[index + 1] ?? null;
    await breathe();
    const subkey = await key
      .getEncryptionKey(undefined, new Date(from), undefined, config)
      .then((found) => found.getFingerprint().toUpperCase())
      .catch(() => null);
    if (subkey === null) continue;
    const last = windows.at(-1);
    if (last !== undefined && last.until === from && last.subkey === subkey)
      windows[windows.length - 1] = { ...last, until };
    else windows.push({ from, until, subkey });
  }
  return windows;
}

function instantsOf(components: Components): readonly number[] {
  const instants = new Set<number>();
  const addSignatures = (created: Date, signatures: readonly SignaturePacket[]): void => {
    instants.add(created.getTime());
    for (const signature of signatures) {
      if (signature.created !== null) instants.add(signature.created.getTime());
      const expiry = signature.getExpirationTime();
      if (expiry instanceof Date) instants.add(expiry.getTime());
      const keyExpiry = keyExpiryOf(created, signature);
      if (keyExpiry !== null) instants.add(keyExpiry);
    }
  };
  addSignatures(components.primary.created, [
    ...components.direct,
    ...components.users.flatMap(({ certifications }) => certifications),
  ]);
  for (const { packet, bindings } of components.subkeys) addSignatures(packet.created, bindings);
  return [...instants].sort((a, b) => a - b).slice(-MAX_INSTANTS);
}

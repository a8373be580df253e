// Inspects a certificate: everything about it is computed once, so that choosing at message time parses and verifies nothing.
// Here and in timeline.ts: what a revoked, weak or expired part does.
import type { PublicKey, SignaturePacket } from 'openpgp';
import { type Components, type SubkeyComponent, toKey, type UserComponent } from './components.ts';
import type { AlgorithmFacts, CertificateFacts, Flaw, SubkeyFacts, UserIdFacts } from './facts.ts';
import { type KeyPolicy, lenientConfig, MIN_RSA_BITS } from './policy.ts';
import {
  canEncrypt,
  counted,
  ENCRYPTING,
  isRevokedUser,
  keyExpiryOf,
  mayEncrypt,
  newestOf,
} from './signatures.ts';
import { sealingPart, timeline } from './timeline.ts';

/** The facts of one certificate. @throws Error where no key can be made of its components */
export async function inspectComponents(
  components: Components,
  policy: KeyPolicy,
): Promise<CertificateFacts> {
  return (await inspectForSealing(components, policy)).facts;
}

/** The same, with the key that `sealing` of its facts is written from. */
export async function inspectForSealing(
  components: Components,
  policy: KeyPolicy,
): Promise<{ readonly facts: CertificateFacts; readonly key: PublicKey }> {
  const { primary } = components;
  const sealing = sealingPart(components, policy);
  const key = toKey(sealing);
  const revoked = components.revocations.length > 0;
  const windows = revoked ? [] : await timeline(sealing, key, policy);
  const facts: CertificateFacts = {
    fingerprint: components.fingerprint,
    version: primary.version,
    algorithm: algorithmOf(primary.getAlgorithmInfo()),
    created: primary.created.getTime(),
    expires: await expiryOf(sealing.users.length > 0 ? key : toKey(components)),
    revoked,
    userIds: components.users.map((user) => userIdFacts(user, policy)),
    encryptionKeys: encryptionKeysOf(components),
    aead: announcesAead(components),
    windows,
    flaw: windows.length > 0 ? null : await flawOf(components, policy),
    newestRevoked: newestIsRevoked(components.subkeys),
    sealing: key.write(),
  };
  return { facts, key };
}

async function expiryOf(key: PublicKey): Promise<number | null> {
  const expiry = await key.getExpirationTime(undefined, lenientConfig);
  return expiry instanceof Date ? expiry.getTime() : null;
}

function algorithmOf(info: { algorithm: string; bits?: number; curve?: string }): AlgorithmFacts {
  return {
    name: info.algorithm,
    ...(info.bits === undefined ? {} : { bits: info.bits }),
    ...(info.curve === undefined ? {} : { curve: info.curve }),
  };
}

function userIdFacts(user: UserComponent, policy: KeyPolicy): UserIdFacts {
  const { packet, certifications } = user;
  return {
    text: packet.userID,
    address: packet.email === '' ? null : packet.email,
    revoked: isRevokedUser(user, policy),
    valid: counted(certifications, policy).length > 0,
  };
}

function encryptionKeysOf(components: Components): readonly SubkeyFacts[] {
  const { primary, fingerprint } = components;
  const own = [...components.direct, ...components.users.flatMap(({ certifications }) => certifications)];
  const facts = components.subkeys.filter(canEncrypt).map(
    (subkey): SubkeyFacts => ({
      fingerprint: subkey.fingerprint,
      algorithm: algorithmOf(subkey.packet.getAlgorithmInfo()),
      created: subkey.packet.created.getTime(),
      expires: keyExpiry(subkey.packet.created, subkey.bindings),
      revoked: subkey.revocations.length > 0,
    }),
  );
  if (!ENCRYPTING.has(primary.algorithm) || !own.some(mayEncrypt)) return facts;
  return [
    ...facts,
    {
      fingerprint,
      algorithm: algorithmOf(primary.getAlgorithmInfo()),
      created: primary.created.getTime(),
      expires: keyExpiry(primary.created, own),
      revoked: components.revocations.length > 0,
    },
  ];
}

function keyExpiry(created: Date, signatures: readonly SignaturePacket[]): number | null {
  const newest = newestOf(signatures);
  return newest === undefined ? null : keyExpiryOf(created, newest);
}

/** The feature flag of RFC 9580, section 5.2.3.32. */
const SEIPD_V2 = 0x08;

function announcesAead(components: Components): boolean {
  const own =
    components.primary.version === 6
      ? components.direct
      : components.users.flatMap((user) => user.certifications);
  return ((newestOf(own)?.features?.[0] ?? 0) & SEIPD_V2) !== 0;
}

function newestIsRevoked(subkeys: readonly SubkeyComponent[]): boolean {
  const newest = subkeys
    .filter(canEncrypt)
    .reduce<SubkeyComponent | undefined>(
      (last, subkey) => (last === undefined || subkey.packet.created > last.packet.created ? subkey : last),
      undefined,
    );
  return newest !== undefined && newest.revocations.length > 0;
}

/** What would have to be forgiven for the certificate to work: that is its flaw. */
async function flawOf(components: Components, policy: KeyPolicy): Promise<Flaw> {
  const weakPrimary = weaknessOf(algorithmOf(components.primary.getAlgorithmInfo()));
  if (weakPrimary !== null) return { kind: 'weak', what: weakPrimary };
  if (components.revocations.length > 0) return { kind: 'revoked' };
  const forgiving = sealingPart(components, { allowSha1: true });
  if (!policy.allowSha1 && (await timeline(forgiving, toKey(forgiving), { allowSha1: true })).length > 0)
    return { kind: 'sha1', acceptable: true };
  if (components.users.length === 0 && components.weakUnverified) return { kind: 'sha1', acceptable: false };
  if (components.users.every((user) => isRevokedUser(user, policy))) return { kind: 'no user ID' };
  const encrypting = components.subkeys.filter(canEncrypt);
  const weak = encrypting
    .filter(({ revocations }) => revocations.length === 0)
    .map(({ packet }) => weaknessOf(algorithmOf(packet.getAlgorithmInfo())))
    .find((what) => what !== null);
  if (weak !== undefined) return { kind: 'weak', what: weak };
  if (encrypting.length === 0) {
    return { kind: 'no encryption key', because: whyNoneEncrypts(components) };
  }
  if (encrypting.every(({ revocations }) => revocations.length > 0)) {
    return { kind: 'no encryption key', because: 'every encryption subkey is revoked' };
  }
  return { kind: 'no encryption key', because: 'its encryption subkeys were never valid' };
}

/** Old programs wrote no key flags: such a key says of no use that it is meant for it. */
function whyNoneEncrypts({ primary, direct, users, subkeys }: Components): string {
  const own = [...direct, ...users.flatMap(({ certifications }) => certifications)];
  const unflagged = (signatures: readonly SignaturePacket[]) =>
    signatures.every(({ keyFlags }) => keyFlags === null);
  const candidates = subkeys.filter(({ packet }) => ENCRYPTING.has(packet.algorithm));
  const isMissing =
    candidates.some(({ bindings }) => unflagged(bindings)) ||
    (subkeys.length === 0 && ENCRYPTING.has(primary.algorithm) && unflagged(own));
  return isMissing
    ? 'its key flags are missing, which say that a key may encrypt'
    : 'none of its keys may encrypt';
}

/** A weak algorithm in words, or null. */
function weaknessOf({ name, bits, curve }: AlgorithmFacts): string | null {
  if (name === 'dsa') return 'DSA';
  if (name === 'elgamal') return 'ElGamal';
  if (name.startsWith('rsa') && (bits ?? 0) < MIN_RSA_BITS) return `RSA with ${bits ?? 0} bits`;
  if (curve === 'secp256k1') return 'the curve secp256k1';
  return null;
}

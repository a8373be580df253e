// What a certificate says, and when it can be encrypted to: a timeline that is computed once, so that choosing at message time
// parses and verifies nothing.
import { enums, type PublicKey, type SignaturePacket } from 'openpgp';
import {
  type Components,
  readComponents,
  type SubkeyComponent,
  toKey,
  type UserComponent,
} from './components.ts';
import { acceptsHash, type KeyPolicy, lenientConfig, MIN_RSA_BITS, policyConfig } from './policy.ts';

export interface AlgorithmFacts {
  /** OpenPGP.js's name, such as `rsaEncryptSign` or `x25519`. */
  readonly name: string;
  readonly bits?: number;
  readonly curve?: string;
}

export interface UserIdFacts {
  readonly text: string;
  /** The address in it as written, or null. */
  readonly address: string | null;
  readonly revoked: boolean;
  /** Has a self-signature that counts. */
  readonly valid: boolean;
}

export interface SubkeyFacts {
  readonly fingerprint: string;
  readonly algorithm: AlgorithmFacts;
  readonly created: number;
  /** Unix milliseconds; null: never. */
  readonly expires: number | null;
  readonly revoked: boolean;
}

/** A span in which the certificate can be encrypted to. Unix milliseconds; `until` is exclusive, null: for ever. */
export interface Window {
  readonly from: number;
  readonly until: number | null;
  /** Fingerprint of the encryption (sub)key that OpenPGP.js takes in that span. */
  readonly subkey: string;
}

/** Why a certificate can never be encrypted to, whatever the time. */
export type Flaw =
  | { readonly kind: 'revoked' }
  | { readonly kind: 'weak'; readonly what: string }
  /** `acceptable`: keys.allow_sha1 would make it work. */
  | { readonly kind: 'sha1'; readonly acceptable: boolean }
  | { readonly kind: 'no user ID' }
  | { readonly kind: 'no encryption key'; readonly because: string };

/** Everything about one certificate under one policy. Times are Unix milliseconds. */
export interface CertificateFacts {
  /** 40 or 64 upper-case hexadecimal digits. */
  readonly fingerprint: string;
  readonly version: number;
  readonly algorithm: AlgorithmFacts;
  readonly created: number;
  /** Of the primary key; null: never. */
  readonly expires: number | null;
  readonly revoked: boolean;
  readonly userIds: readonly UserIdFacts[];
  /** Those that can encrypt by algorithm and key flags; the primary key too where it may. */
  readonly encryptionKeys: readonly SubkeyFacts[];
  /** Announces SEIPD version 2 (RFC 9580, section 5.2.3.32). */
  readonly aead: boolean;
  /** In order; empty where there is a flaw. */
  readonly windows: readonly Window[];
  /** null where there is a window. */
  readonly flaw: Flaw | null;
  /** The newest encryption subkey is revoked: older ones that have expired are not to be used again. */
  readonly newestRevoked: boolean;
  /** What is encrypted to: the certificate without revoked parts and without signatures that do not count. */
  readonly sealing: Uint8Array;
}

/** The last instants that are looked at: a key with a longer history is decided by its newest part. */
const MAX_INSTANTS = 300;

/**
 * Inspects one certificate.
 * @param certificate binary
 * @returns its facts; rejects with an Error where it cannot be read at all
 */
export async function inspectCertificate(
  certificate: Uint8Array,
  policy: KeyPolicy,
): Promise<CertificateFacts> {
  return inspectComponents(await readComponents(certificate), policy);
}

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

/** When the last window ends: the moment from which the certificate is expired. Unix milliseconds; null: never. */
export function usableUntil(facts: CertificateFacts): number | null {
  const last = facts.windows.at(-1);
  return last === undefined ? facts.expires : last.until;
}

/** Whether the owner revoked the key, or all of it that could be encrypted to: it must not be counted on. */
export function isTakenBack({ revoked, flaw }: CertificateFacts): boolean {
  return revoked || flaw?.kind === 'no user ID' || flaw?.kind === 'no encryption key';
}

/**
 * Whether a user ID is revoked. Unlike a key or subkey it can come back: a revocation takes back earlier certifications only
 * (RFC 9580, section 5.2.1.13).
 */
export function isRevokedUser({ certifications, revocations }: UserComponent, policy: KeyPolicy): boolean {
  const certified = newestOf(counted(certifications, policy));
  return revocations.some((revocation) => certified === undefined || timeOf(revocation) >= timeOf(certified));
}

/** Self-signatures over a hash that is accepted. */
function counted(signatures: readonly SignaturePacket[], policy: KeyPolicy): readonly SignaturePacket[] {
  return signatures.filter(({ hashAlgorithm }) => acceptsHash(policy, hashAlgorithm));
}

/** The certificate as far as it may be encrypted to; revocations are obeyed over any hash, self-signatures are not. */
function sealingPart(components: Components, policy: KeyPolicy): Components {
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
async function timeline(sealing: Components, key: PublicKey, policy: KeyPolicy): Promise<Window[]> {
  const config = policyConfig(policy);
  const instants = instantsOf(sealing);
  const windows: Window[] = [];
  for (const [index, from] of instants.entries()) {
    const until = instants[index + 1] ?? null;
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

function keyExpiryOf(created: Date, signature: SignaturePacket): number | null {
  if (signature.keyNeverExpires !== false || signature.keyExpirationTime === null) return null;
  return created.getTime() + signature.keyExpirationTime * 1000;
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

const ENCRYPTING: ReadonlySet<enums.publicKey> = new Set([
  enums.publicKey.rsaEncryptSign,
  enums.publicKey.rsaEncrypt,
  enums.publicKey.elgamal,
  enums.publicKey.ecdh,
  enums.publicKey.x25519,
  enums.publicKey.x448,
]);

function mayEncrypt({ keyFlags }: SignaturePacket): boolean {
  return ((keyFlags?.[0] ?? 0) & (enums.keyFlags.encryptCommunication | enums.keyFlags.encryptStorage)) !== 0;
}

function canEncrypt({ packet, bindings }: SubkeyComponent): boolean {
  return ENCRYPTING.has(packet.algorithm) && bindings.some(mayEncrypt);
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

/** The signature that was made last. */
export function newestOf(signatures: readonly SignaturePacket[]): SignaturePacket | undefined {
  return signatures.reduce<SignaturePacket | undefined>(
    (newest, signature) => (newest === undefined || timeOf(signature) > timeOf(newest) ? signature : newest),
    undefined,
  );
}

/** When a signature was made. Unix milliseconds. */
export function timeOf(signature: SignaturePacket): number {
  return signature.created?.getTime() ?? 0;
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
  if (encrypting.length === 0) return { kind: 'no encryption key', because: 'none of its keys may encrypt' };
  if (encrypting.every(({ revocations }) => revocations.length > 0)) {
    return { kind: 'no encryption key', because: 'every encryption subkey is revoked' };
  }
  return { kind: 'no encryption key', because: 'its encryption subkeys were never valid' };
}

/** A weak algorithm in words, or null. */
function weaknessOf({ name, bits, curve }: AlgorithmFacts): string | null {
  if (name === 'dsa') return 'DSA';
  if (name === 'elgamal') return 'ElGamal';
  if (name.startsWith('rsa') && (bits ?? 0) < MIN_RSA_BITS) return `RSA with ${bits ?? 0} bits`;
  if (curve === 'secp256k1') return 'the curve secp256k1';
  return null;
}

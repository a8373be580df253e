// A certificate taken apart into what its own primary key vouches for: every self-signature verified, everything else dropped.
// Canonical form, merging, inspection and sealing all start from here (RFC 9580, section 10.1).
import {
  enums,
  type Key,
  PacketList,
  PublicKey,
  type PublicKeyPacket,
  type PublicSubkeyPacket,
  type SignaturePacket,
  type Subkey,
  type User,
  type UserIDPacket,
} from 'openpgp';
import { readCertificate, userIdName } from '../openpgp/read-certificate.ts';
import { isWeakHash, lenientConfig } from './policy.ts';

export interface UserComponent {
  readonly packet: UserIDPacket;
  readonly certifications: readonly SignaturePacket[];
  readonly revocations: readonly SignaturePacket[];
}

export interface SubkeyComponent {
  readonly packet: PublicSubkeyPacket;
  readonly fingerprint: string;
  readonly bindings: readonly SignaturePacket[];
  readonly revocations: readonly SignaturePacket[];
}

/** All signatures are valid ones of the primary key, over whatever hash and at whatever time. */
export interface Components {
  readonly primary: PublicKeyPacket;
  readonly fingerprint: string;
  readonly revocations: readonly SignaturePacket[];
  readonly direct: readonly SignaturePacket[];
  readonly users: readonly UserComponent[];
  readonly subkeys: readonly SubkeyComponent[];
  /** There were self-signatures over SHA-1 or MD5 that cannot even be verified (EdDSA and ECDSA ask for longer hashes). */
  readonly weakUnverified: boolean;
}

/** More self-signatures than this are an attack on our time, not a key. */
const MAX_SELF_SIGNATURES = 1000;

/** OpenPGP.js: a date of null checks no date; its types say only Date. */
const ANY_TIME = null as unknown as Date;

/** Reads one binary certificate and keeps what its primary key signed. Rejects where it is no certificate. */
export async function readComponents(certificate: Uint8Array): Promise<Components> {
  const key = await readCertificate(certificate, lenientConfig);
  if (key === null) throw new Error('a secret key is no certificate');
  return componentsOf(key);
}

/** Verifies a parsed certificate's self-signatures, and drops user attributes, third-party and invalid signatures. */
export async function componentsOf(key: Key): Promise<Components> {
  // directSignatures is missing from OpenPGP.js's types.
  const { directSignatures } = key as Key & { readonly directSignatures: readonly SignaturePacket[] };
  const primary = key.keyPacket as PublicKeyPacket;
  let budget = MAX_SELF_SIGNATURES;
  let weakUnverified = false;
  const valid = async (signatures: readonly SignaturePacket[], type: enums.signature, data: object) => {
    const kept: SignaturePacket[] = [];
    for (const signature of signatures) {
      if (!signature.issuerKeyID.equals(key.getKeyID()) || kept.some((other) => isSame(other, signature)))
        continue;
      if (budget-- <= 0) throw new Error(`more than ${MAX_SELF_SIGNATURES} self-signatures`);
      try {
        await signature.verify(primary, type, { key: primary, ...data }, ANY_TIME, false, lenientConfig);
        kept.push(signature);
      } catch {
        // Not made by this key, or over something else: it says nothing.
        weakUnverified ||= isWeakHash(signature.hashAlgorithm);
      }
    }
    return kept;
  };
  // A part may be there twice, and its revocation with one of them only.
  const users = new Map<string, UserComponent>();
  for (const user of key.users) {
    const packet = user.userID;
    if (packet === null) continue;
    const component = await userComponent(user, packet, valid);
    const other = users.get(userIdName(packet));
    users.set(userIdName(packet), {
      packet,
      certifications: union(other?.certifications ?? [], component.certifications),
      revocations: union(other?.revocations ?? [], component.revocations),
    });
  }
  const subkeys = new Map<string, SubkeyComponent>();
  for (const subkey of key.subkeys) {
    const component = await subkeyComponent(subkey, valid);
    const other = subkeys.get(component.fingerprint);
    subkeys.set(component.fingerprint, {
      ...component,
      bindings: union(other?.bindings ?? [], component.bindings),
      revocations: union(other?.revocations ?? [], component.revocations),
    });
  }
  const revocations = await valid(key.revocationSignatures, enums.signature.keyRevocation, {});
  return {
    primary,
    fingerprint: key.getFingerprint().toUpperCase(),
    revocations,
    direct: await valid(
      directSignatures.filter(({ signatureType }) => signatureType === enums.signature.key),
      enums.signature.key,
      {},
    ),
    users: [...users.values()].filter(({ certifications }) => certifications.length > 0),
    // One of another version than its primary key (RFC 9580, section 10.1.5) is opened by hardly any program.
    subkeys: [...subkeys.values()].filter(
      ({ bindings, packet }) => bindings.length > 0 && packet.version === primary.version,
    ),
    weakUnverified,
  };
}

type Valid = (
  signatures: readonly SignaturePacket[],
  type: enums.signature,
  data: object,
) => Promise<readonly SignaturePacket[]>;

async function userComponent(user: User, packet: UserIDPacket, valid: Valid): Promise<UserComponent> {
  const data = { userID: packet };
  return {
    packet,
    certifications: await valid(user.selfCertifications, enums.signature.certGeneric, data),
    revocations: await valid(user.revocationSignatures, enums.signature.certRevocation, data),
  };
}

async function subkeyComponent(subkey: Subkey, valid: Valid): Promise<SubkeyComponent> {
  const packet = subkey.keyPacket as PublicSubkeyPacket;
  const data = { bind: packet };
  return {
    packet,
    fingerprint: subkey.getFingerprint().toUpperCase(),
    bindings: await valid(subkey.bindingSignatures, enums.signature.subkeyBinding, data),
    revocations: await valid(subkey.revocationSignatures, enums.signature.subkeyRevocation, data),
  };
}

/** Whether two signature packets are the same signature, whatever their unhashed parts say. */
function isSame(a: SignaturePacket, b: SignaturePacket): boolean {
  return (
    Buffer.compare(a.signatureData ?? Buffer.alloc(0), b.signatureData ?? Buffer.alloc(0)) === 0 &&
    Buffer.compare(a.signedHashValue ?? Buffer.alloc(0), b.signedHashValue ?? Buffer.alloc(0)) === 0
  );
}

/** The signatures of both, each once. */
export function union(
  some: readonly SignaturePacket[],
  more: readonly SignaturePacket[],
): readonly SignaturePacket[] {
  return [...some, ...more.filter((signature) => !some.some((other) => isSame(other, signature)))];
}

/** Puts a certificate together again, in the order of RFC 9580, section 10.1.1. */
export function toKey(components: Components): PublicKey {
  const packets = new PacketList<PublicKeyPacket | PublicSubkeyPacket | UserIDPacket | SignaturePacket>();
  packets.push(components.primary, ...components.revocations, ...components.direct);
  for (const user of components.users) packets.push(user.packet, ...user.revocations, ...user.certifications);
  for (const subkey of components.subkeys)
    packets.push(subkey.packet, ...subkey.revocations, ...subkey.bindings);
  return new PublicKey(packets);
}

/** The certificate in binary. */
export function write(components: Components): Uint8Array {
  return toKey(components).write();
}

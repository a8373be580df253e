// What makes an algorithm good enough, as OpenPGP.js configurations: for reading anything, and for judging by our policy.
import { type Config, config as defaults, enums } from 'openpgp';

/** The part of the configuration that decides on keys. */
export interface KeyPolicy {
  /** `keys.allow_sha1`: self-signatures may rest on SHA-1 or MD5 alone. */
  readonly allowSha1: boolean;
}

/** RSA keys with fewer bits are refused. */
export const MIN_RSA_BITS = 2048;

const WEAK_HASHES: ReadonlySet<enums.hash> = new Set([enums.hash.md5, enums.hash.sha1, enums.hash.ripemd]);

/** Reads and verifies everything that OpenPGP.js can: for telling what is wrong, and for revocations, which always count. */
export const lenientConfig: Config = {
  ...defaults,
  ignoreMalformedPackets: true,
  rejectHashAlgorithms: new Set(),
  rejectPublicKeyAlgorithms: new Set(),
  rejectCurves: new Set(),
  minRSABits: 0,
};

/** The configuration under which a certificate must be able to encrypt. */
export function policyConfig(policy: KeyPolicy): Config {
  return {
    ...defaults,
    ignoreMalformedPackets: true,
    rejectHashAlgorithms: new Set(policy.allowSha1 ? [] : WEAK_HASHES),
    minRSABits: MIN_RSA_BITS,
  };
}

/** Whether self-signatures over this hash need keys.allow_sha1. */
export function isWeakHash(hash: enums.hash | null): boolean {
  return hash !== null && WEAK_HASHES.has(hash);
}

/** Whether a self-signature over this hash counts. */
export function acceptsHash(policy: KeyPolicy, hash: enums.hash | null): boolean {
  return hash !== null && (policy.allowSha1 || !isWeakHash(hash));
}

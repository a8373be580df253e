// What is known of one certificate, as values: what it says, and when it can be encrypted to.

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

/** When the last window ends: the moment from which the certificate is expired. Unix milliseconds; null: never. */
export function usableUntil(facts: CertificateFacts): number | null {
  const last = facts.windows.at(-1);
  return last === undefined ? facts.expires : last.until;
}

/** Whether the owner revoked the key, or all of it that could be encrypted to: it must not be counted on. */
export function isTakenBack({ revoked, flaw }: CertificateFacts): boolean {
  return revoked || flaw?.kind === 'no user ID' || flaw?.kind === 'no encryption key';
}

/** How long before its expiry an expired key is used as of: OpenPGP's times are whole seconds. */
const BEFORE_EXPIRY_MS = 1000;

/** The last moment at which a certificate that has expired could be encrypted to. Unix milliseconds; null: it has not. */
export function lastUsable({ windows }: Pick<CertificateFacts, 'windows'>, now: number): number | null {
  const past = windows.filter(({ until }) => until !== null && until <= now).at(-1);
  return past === undefined || past.until === null
    ? null
    : Math.max(past.from, past.until - BEFORE_EXPIRY_MS);
}

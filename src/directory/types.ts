// The nouns of the directory: what is known of the one that a recipient path names.
import type { Address } from '../address/address.ts';
import type { SettingsOverride } from '../config/settings.ts';

/**
 * An exception before sealing, for the mail that meets every condition which is given (null: none is). Evaluated by
 * delivery/rules.ts; added by `sealpost rule add`.
 */
export interface Rule {
  /** The number by which `rule list` and `explain` name it. */
  readonly id: number;
  readonly action: 'seal' | 'pass' | 'reject';
  /** A pattern for the whole normalised envelope sender; `<>` for the null sender. */
  readonly sender: string | null;
  /** A field's name in lower case, and a pattern for its value. */
  readonly header: { readonly name: string; readonly pattern: string } | null;
  /** Bytes. */
  readonly largerThan: number | null;
}

/** A domain of ours. */
export interface Domain {
  readonly id: number;
  readonly name: string;
  readonly class: 'virtual' | 'relay';
  /** Postfix delivers for it by itself: it stands in mydestination. */
  readonly local?: boolean;
  /** Addresses that nobody has are accepted: its next hop knows its recipients by itself. */
  readonly acceptsUnknown?: boolean;
  readonly foldLocalPart: boolean;
  readonly settings: SettingsOverride;
  readonly transport: string | null;
  /** In the order in which they are tried. */
  readonly rules: readonly Rule[];
}

/** A mailbox owner. `address` is the primary one. */
export interface User {
  readonly id: number;
  readonly address: Address;
  readonly status: 'active' | 'disabled';
  readonly settings: SettingsOverride;
  readonly domain: Domain;
  readonly quotaBytes: number | null;
  /** In the order in which they are tried, before those of the domain. */
  readonly rules: readonly Rule[];
}

/** One stored certificate of one owner. */
export interface StoredKey {
  readonly kind: KeyKind;
  readonly fingerprint: string;
  readonly certificate: Uint8Array;
  readonly status: 'active' | 'disabled';
  readonly source: KeySource;
  readonly createdAt: Date;
}

/** OpenPGP certificates, and X.509 certificates for S/MIME. */
export type KeyKind = 'openpgp' | 'x509';

export type KeySource = 'autocrypt' | 'wkd' | 'import' | 'portal' | 'cli';

/** Someone who will read a recipient's copy, and the keys that are known for them. */
export type Reader =
  | { readonly kind: 'user'; readonly user: User; readonly keys: readonly StoredKey[] }
  | { readonly kind: 'contact'; readonly address: Address; readonly keys: readonly StoredKey[] }
  /** An outside address without a key. */
  | { readonly kind: 'outside'; readonly address: Address };

/**
 * What a recipient address turned out to be.
 * - `user`: one of our users (by primary address, extension stripped, or id address);
 * - `alias`: expands to one or more readers, `via` telling through which aliases or catch-all;
 * - `contact`: an outside address with a key;
 * - `nobody`: no user, alias or contact (the domain may still be ours);
 * - `loop`: an alias chain that returns to itself or is deeper than 10: a temporary failure.
 * - `unclear`: Postfix may deliver to one or to another: a temporary failure.
 */
export type Resolution =
  | { readonly kind: 'user'; readonly readers: readonly [Reader]; readonly via: readonly Address[] }
  | { readonly kind: 'alias'; readonly readers: readonly Reader[]; readonly via: readonly Address[] }
  | { readonly kind: 'contact'; readonly readers: readonly [Reader]; readonly via: readonly Address[] }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'loop'; readonly via: readonly Address[] }
  | { readonly kind: 'unclear'; readonly because: Unclear };

/** Why it is not known who will read the mail. */
export type Unclear =
  | 'the address is nested too deep'
  | 'the address as it is written and what Postfix may make of it have different readers'
  | 'the name is in several domains of ours, and the address names none of them';

/** How an address was read that is nobody's as it is written; the last step is the one that counts. */
export interface ReadOn {
  readonly steps: readonly { readonly address: Address; readonly restsOn: string }[];
}

/** Everything that the plan needs to know of one recipient address. */
export interface RecipientFacts {
  /** null when the path cannot be read as an address at all: nothing can be known of it. */
  readonly address: Address | null;
  readonly resolution: Resolution;
  /** The address's own domain when it is ours, else null; of an address that was read on, that of what was made of it. */
  readonly domain: Domain | null;
  /** Only where the resolution is that of another address, which Postfix makes of this one. */
  readonly readOn?: ReadOn;
  /** Nobody of ours has it, and it is at a name of this machine: what Postfix has there, an alias or an account, is not known. */
  readonly unknownHere?: true;
  /** The keys of that domain, used where neither the user nor the contact has one. */
  readonly domainKeys: readonly StoredKey[];
  /** RFC 3339: all of this is as a backup of that moment had it, and nobody has accepted that yet: keys may be missing. */
  readonly restoredFrom?: string;
}

/** The directory cannot be asked now (database away, query timed out). Never to be read as "unknown". */
export class DirectoryUnavailable extends Error {
  override readonly name = 'DirectoryUnavailable';
}

/** Answers who a recipient path is. Implemented over the database with a cache; tests use an in-memory one. */
export interface Directory {
  /**
   * @param path the raw path of RCPT TO without angle brackets, one character per byte (latin1)
   * @throws DirectoryUnavailable when the answer cannot be known now
   */
  recipient(path: string): Promise<RecipientFacts>;
}

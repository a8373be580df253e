// What the directory has of the names that a source brings: the side of the plan that is ours, as values.
import type { Address } from '../address/address.ts';
import type { SettingsOverride } from '../config/settings.ts';

export interface KnownDomain {
  readonly id: number;
  readonly name: string;
  readonly class: 'virtual' | 'relay';
  readonly local: boolean;
  readonly fold: boolean;
  readonly otherNames: readonly string[];
}

export interface KnownUser {
  readonly id: number;
  /** The primary one. */
  readonly address: Address;
  readonly status: 'active' | 'disabled';
  readonly settings: SettingsOverride;
  readonly transport: string | null;
  /** Bytes; null: unlimited. */
  readonly quota: number | null;
  readonly forwards: readonly string[];
}

export interface KnownTarget {
  readonly target: Address;
  readonly userId: number | null;
}

/** An address that is no user's own. */
export interface KnownAddress {
  readonly id: number;
  readonly address: Address;
  readonly kind: 'alias' | 'contact';
  /** This source made it. */
  readonly own: boolean;
  /** Of an alias, in order. */
  readonly targets: readonly KnownTarget[];
}

/** A target in a domain of ours that names no user by id yet. */
export interface UnlinkedTarget {
  readonly aliasId: number;
  readonly position: number;
  readonly target: Address;
}

/** A row of a certificate. */
export interface KnownKey {
  readonly id: number;
  /** `user:12`, `contact:7` or `domain:3`. */
  readonly owner: string;
  readonly status: 'active' | 'disabled';
  readonly revoked: boolean;
  /** SHA-256 of what was handed over, in lower-case hexadecimal digits. */
  readonly digest: string;
}

/** What this source made before. A hundred thousand of them are looked at piece by piece, and not held. */
export interface KnownRow {
  readonly kind: 'user' | 'alias' | 'key';
  readonly name: string;
  /** Of the user, of the alias's address, or of the key. */
  readonly id: number;
  /** A user or key that is disabled already. */
  readonly disabled: boolean;
}

export interface Snapshot {
  readonly domains: readonly KnownDomain[];
  readonly users: readonly KnownUser[];
  readonly addresses: readonly KnownAddress[];
  /** By fingerprint. */
  readonly keys: ReadonlyMap<string, readonly KnownKey[]>;
  /** Owners that have a key, as in {@link KnownKey.owner}. */
  readonly keyed: ReadonlySet<string>;
  /** Users that this source made and that have another address by now, by the address that the source has. */
  readonly renamed: ReadonlyMap<string, number>;
}

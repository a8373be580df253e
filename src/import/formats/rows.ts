// What every source is read into: one shape of rows, whatever program kept them. A reader gives rows as it comes upon them, so
// that the source is never held in memory as a whole, and refuses by name what it does not know.
import type { SettingsOverride } from '../../config/settings.ts';

/** Where a row stands at its source, as a person finds it: `users.csv:12`, `mailbox alice@example.org`. */
interface Placed {
  readonly where: string;
}

/** A mail domain that is ours. */
export interface DomainRow extends Placed {
  readonly kind: 'domain';
  readonly name: string;
  /** undefined: as it is, or virtual. */
  readonly class?: 'virtual' | 'relay' | undefined;
  /** Postfix delivers for it by itself (mydestination). */
  readonly local?: boolean | undefined;
  /** Domains whose mail is for the same mailboxes. */
  readonly otherNames?: readonly string[] | undefined;
}

/** A mailbox owner. What is undefined the source does not say: it stays as it is. */
export interface UserRow extends Placed {
  readonly kind: 'user';
  readonly address: string;
  /** Bytes; null: unlimited. */
  readonly quota?: number | null | undefined;
  readonly status?: 'active' | 'disabled' | undefined;
  readonly settings?: SettingsOverride | undefined;
  readonly transport?: string | null | undefined;
  /** Outside addresses that get a copy of everything. */
  readonly forwards?: readonly string[] | undefined;
}

/** An alias, or a catch-all (`@example.org`), with all of its targets. */
export interface AliasRow extends Placed {
  readonly kind: 'alias';
  readonly address: string;
  readonly targets: readonly string[];
}

/** Whose key it is. */
export type KeyOwners =
  /** These: addresses of users or outside contacts, or `@domain`. */
  | { readonly kind: 'these'; readonly addresses: readonly string[] }
  /**
   * Every address that it names, but for some that the source gives other keys (in lower case), and some that it does not
   * name.
   */
  | { readonly kind: 'named'; readonly except: ReadonlySet<string>; readonly also: readonly string[] }
  /** Those users that are known already among the addresses that it names. */
  | { readonly kind: 'known' };

/** An upload with one certificate or several. */
export interface KeyRow extends Placed {
  readonly kind: 'key';
  readonly upload: Uint8Array;
  readonly owners: KeyOwners;
  /** The source sealed mail to it: an owner who gets no key by it must not be in plaintext from now on. */
  readonly sealedBefore: boolean;
}

/** What the reader itself could not take. */
export interface RefusedRow extends Placed {
  readonly kind: 'refused';
  readonly of: 'domain' | 'user' | 'alias' | 'key' | 'setting';
  readonly name: string;
  readonly because: string;
}

/** What belongs to the other program, and stays there. Nobody misses it. */
export interface LeftRow extends Placed {
  readonly kind: 'left';
  readonly of: 'domain' | 'user' | 'alias' | 'key' | 'setting';
  readonly name: string;
  readonly because: string;
}

export type SourceRow = DomainRow | UserRow | AliasRow | KeyRow | RefusedRow | LeftRow;

/** Something that can be read. */
export interface Source {
  /** Which source it is, without secrets: what a second run, or another run of sync, knows its own rows by. */
  readonly name: string;
  /** Domains of its users and aliases are added where they are missing: it would not have them if they were not ours. */
  readonly addsDomains: boolean;
  /** Addresses of ours that have a key, and are nobody's yet, become users. */
  readonly addsOwners: boolean;
  /**
   * Reads from the beginning.
   * @throws SourceRefused on a format, version or schema that is not known
   * @throws SourceAway when it cannot be reached
   */
  rows(): AsyncIterable<SourceRow>;
}

/** A format, version or schema that is not known, or a file that is not there. Nothing was changed. */
export class SourceRefused extends Error {
  override readonly name = 'SourceRefused';
}

/** The source cannot be reached now, and may be later. Nothing was changed. */
export class SourceAway extends Error {
  override readonly name = 'SourceAway';
}

// Who an address is: aliases, id addresses, extensions, catch-alls, contacts. Pure: rows
// in, facts out, together with what had to be asked, so that the caller can load what was missing and ask again.

import type { Address } from '../address/address.ts';
import { userIdOf } from '../address/id-address.ts';
import { type AddressParts, lookupCandidates, partsOf, toAddress } from '../address/normalise.ts';
import type { Domain, Reader, RecipientFacts, Resolution, StoredKey, User } from './types.ts';

/** One row of `addresses`. */
export interface AddressRow {
  readonly id: number;
  readonly address: Address;
  readonly kind: 'user' | 'alias' | 'contact';
  readonly userId: number | null;
}

/** One row of `alias_targets`. */
export interface TargetRow {
  readonly target: string;
  readonly targetUserId: number | null;
}

/** What has been loaded of the directory. */
export interface DirectoryRows {
  readonly domains: ReadonlyMap<string, Domain>;
  /** By other name: the domain's. */
  readonly otherNames: ReadonlyMap<string, string>;
  /** By local part as it is spelled in an address: the domains of ours that have it, up to {@link MAX_NAMESAKES} and one. */
  readonly namesakes: ReadonlyMap<string, readonly string[]>;
  readonly addresses: ReadonlyMap<string, AddressRow>;
  /** By id of the alias, in order. */
  readonly targets: ReadonlyMap<number, readonly TargetRow[]>;
  readonly users: ReadonlyMap<number, User>;
  /** By owner: `user:1`, `contact:2` (the address's id), `domain:3`. */
  readonly keys: ReadonlyMap<string, readonly StoredKey[]>;
}

/** What the answer rests on: these names were looked up, found or not. */
export interface Asked {
  readonly addresses: ReadonlySet<string>;
  readonly domains: ReadonlySet<string>;
  readonly users: ReadonlySet<number>;
  /** Local parts, as they are spelled in an address, that were looked for in every domain of ours. */
  readonly namesakes: ReadonlySet<string>;
}

/** The same while it is collected. */
interface Asking {
  readonly addresses: Set<string>;
  readonly domains: Set<string>;
  readonly users: Set<number>;
  readonly namesakes: Set<string>;
}

export interface ResolveOptions {
  /** Postfix's recipient_delimiter. */
  readonly delimiters: string;
  /** The domain of id addresses; '' for none of their own. Normalised. */
  readonly mailboxDomain: string;
}

/** The longest chain of aliases that is followed. */
export const MAX_ALIAS_DEPTH = 10;

/** A name that is in more domains of ours is not compared. */
export const MAX_NAMESAKES = 20;

/** The most exact entry for an address. */
export type Found =
  | { readonly kind: 'row'; readonly row: AddressRow }
  | { readonly kind: 'user'; readonly user: User }
  | { readonly kind: 'nobody' };

interface Expansion {
  readonly readers: readonly Reader[];
  readonly via: readonly Address[];
  /** Aliases on the longest way down from here, this one included. */
  readonly height: number;
}

class AliasLoop extends Error {
  readonly via: readonly Address[];
  constructor(path: readonly AddressRow[]) {
    super('alias loop');
    this.via = path.map(({ address }) => address);
  }
}

/** Resolves addresses against the rows. */
export interface Resolver {
  /** What was looked up so far. The answers hold only when every name in it had been loaded into the rows. */
  readonly asked: Asking;
  find(parts: AddressParts): Found;
  factsOf(parts: AddressParts, found: Found): RecipientFacts;
}

export function createResolver(rows: DirectoryRows, options: ResolveOptions): Resolver {
  const asked: Asking = {
    addresses: new Set(),
    domains: new Set(),
    users: new Set(),
    namesakes: new Set(),
  };
  const find = finder(rows, options, asked);
  const expand = expander(rows, find);
  return {
    asked,
    find,
    factsOf(parts, found) {
      const resolution = resolutionOf(rows, found, expand);
      const own = rows.domains.get(parts.domain) ?? null;
      const readerDomain = resolution.kind === 'user' ? resolution.readers[0] : undefined;
      // An id address below mailbox_domain has no domain row of its own: its user's counts.
      const domain = own ?? (readerDomain?.kind === 'user' ? readerDomain.user.domain : null);
      const keyDomain = readerDomain?.kind === 'user' ? readerDomain.user.domain : domain;
      return {
        address: toAddress(parts, own?.foldLocalPart ?? true),
        resolution,
        domain,
        domainKeys: keyDomain === null ? [] : (rows.keys.get(`domain:${keyDomain.id}`) ?? []),
      };
    },
  };
}

/**
 * Resolves one address against the rows, as it is written. The facts hold only when every name in `asked` had been loaded
 * into `rows`. A disabled user resolves like any other: what that means for mail is not decided here.
 */
export function resolveRecipient(
  rows: DirectoryRows,
  parts: AddressParts,
  options: ResolveOptions,
): { readonly facts: RecipientFacts; readonly asked: Asked } {
  const { asked, find, factsOf } = createResolver(rows, options);
  return { facts: factsOf(parts, find(parts)), asked };
}

type Find = (parts: AddressParts) => Found;

/** The most exact entry for an address: itself, without its extension, as an id address, the catch-all; a contact last. */
function finder(rows: DirectoryRows, options: ResolveOptions, asked: Asking): Find {
  return (parts) => {
    asked.domains.add(parts.domain);
    // Both spellings are asked for, since the domain, which says which one counts, comes with the same answer.
    for (const fold of [true, false]) {
      for (const candidate of lookupCandidates(parts, options.delimiters, fold))
        asked.addresses.add(candidate);
    }
    const domain = rows.domains.get(parts.domain);
    const candidates = lookupCandidates(parts, options.delimiters, domain?.foldLocalPart ?? true);
    let contact: Found | undefined;
    for (const candidate of candidates.slice(0, -1)) {
      const row = rows.addresses.get(candidate);
      if (row === undefined) continue;
      // A contact is somebody outside: one from before the domain was ours must not hide who gets its mail now.
      if (row.kind !== 'contact' || domain === undefined) return { kind: 'row', row };
      contact ??= { kind: 'row', row };
    }
    const bare = partsOf(candidates[candidates.length - 2] ?? toAddress(parts)).local;
    const id = userIdOf(bare);
    if (id !== null && (domain !== undefined || parts.domain === options.mailboxDomain)) {
      asked.users.add(id);
      const user = rows.users.get(id);
      return user === undefined ? (contact ?? { kind: 'nobody' }) : { kind: 'user', user };
    }
    const catchAll = rows.addresses.get(candidates[candidates.length - 1] ?? '');
    return catchAll === undefined ? (contact ?? { kind: 'nobody' }) : { kind: 'row', row: catchAll };
  };
}

function resolutionOf(rows: DirectoryRows, found: Found, expand: (row: AddressRow) => Expansion): Resolution {
  if (found.kind === 'nobody') return { kind: 'nobody' };
  if (found.kind === 'user') return { kind: 'user', readers: [userReader(rows, found.user)], via: [] };
  const { row } = found;
  if (row.kind === 'alias') {
    try {
      const { readers, via } = expand(row);
      return { kind: 'alias', readers, via };
    } catch (error) {
      if (error instanceof AliasLoop) return { kind: 'loop', via: error.via };
      throw error;
    }
  }
  if (row.kind === 'user') {
    const user = row.userId === null ? undefined : rows.users.get(row.userId);
    return user === undefined
      ? { kind: 'nobody' }
      : { kind: 'user', readers: [userReader(rows, user)], via: [] };
  }
  const keys = rows.keys.get(`contact:${row.id}`) ?? [];
  return keys.length === 0
    ? { kind: 'nobody' }
    : { kind: 'contact', readers: [{ kind: 'contact', address: row.address, keys }], via: [] };
}

function userReader(rows: DirectoryRows, user: User): Reader {
  return { kind: 'user', user, keys: rows.keys.get(`user:${user.id}`) ?? [] };
}

/** Expands aliases depth first, each once, so that many ways to the same reader cost nothing. */
function expander(rows: DirectoryRows, find: Find): (row: AddressRow) => Expansion {
  const done = new Map<number, Expansion>();

  function expand(row: AddressRow, above: readonly AddressRow[]): Expansion {
    const path = [...above, row];
    if (above.some(({ id }) => id === row.id)) throw new AliasLoop(path);
    const known = done.get(row.id);
    if (path.length + (known?.height ?? 1) - 1 > MAX_ALIAS_DEPTH) throw new AliasLoop(path);
    if (known !== undefined) return known;
    const readers = new Map<string, Reader>();
    const via = new Set<Address>([row.address]);
    let height = 1;
    for (const target of rows.targets.get(row.id) ?? []) {
      const below = expandTarget(target, path);
      height = Math.max(height, below.height + 1);
      for (const address of below.via) via.add(address);
      for (const reader of below.readers) readers.set(identityOf(reader), reader);
    }
    const expansion: Expansion = { readers: [...readers.values()], via: [...via], height };
    done.set(row.id, expansion);
    return expansion;
  }

  function expandTarget({ target, targetUserId }: TargetRow, path: readonly AddressRow[]): Expansion {
    const leaf = (reader: Reader): Expansion => ({ readers: [reader], via: [], height: 0 });
    const user = targetUserId === null ? undefined : rows.users.get(targetUserId);
    if (user !== undefined) return leaf(aliasedUser(rows, user));
    const parts = partsOf(target as Address);
    const found = find(parts);
    if (found.kind === 'user') return leaf(aliasedUser(rows, found.user));
    if (found.kind === 'row' && found.row.kind === 'alias') return expand(found.row, path);
    // Outside, upper and lower case may be two people: mail is forwarded to the address as it was written.
    const address = toAddress(parts, rows.domains.get(parts.domain)?.foldLocalPart ?? false);
    const resolution = resolutionOf(rows, found, () => ({ readers: [], via: [], height: 0 }));
    if (resolution.kind === 'user' || resolution.kind === 'contact') {
      const [reader] = resolution.readers;
      return leaf(reader.kind === 'user' ? aliasedUser(rows, reader.user) : reader);
    }
    return leaf({ kind: 'outside', address });
  }

  return (row) => expand(row, []);
}

/**
 * A user behind an alias, which may live in another domain than the alias: where the user has no key, the keys of the
 * user's own domain count, as if Postfix had expanded the alias before the filter.
 */
function aliasedUser(rows: DirectoryRows, user: User): Reader {
  const keys = rows.keys.get(`user:${user.id}`) ?? [];
  return {
    kind: 'user',
    user,
    keys: keys.length > 0 ? keys : (rows.keys.get(`domain:${user.domain.id}`) ?? []),
  };
}

export function identityOf(reader: Reader): string {
  return reader.kind === 'user' ? `user:${reader.user.id}` : `address:${reader.address}`;
}

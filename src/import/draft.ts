// The directory as it will be: what is there, and what the rows of a source have made of it so far. It lives in memory only;
// what is marked as new or changed is written afterwards.
import type { Address } from '../address/address.ts';
import {
  type AddressParts,
  catchAllOf,
  lookupCandidates,
  parseTyped,
  partsOf,
  storedSpellings,
  toAddress,
} from '../address/normalise.ts';
import type { SettingsOverride } from '../config/settings.ts';
import { createBreather } from '../pacing/breather.ts';
import type { KnownUser, Snapshot } from './snapshot.ts';

export interface DraftDomain {
  /** null: new. */
  readonly id: number | null;
  readonly name: string;
  class: 'virtual' | 'relay';
  local: boolean;
  readonly fold: boolean;
  readonly otherNames: Set<string>;
  /** Names that it gets now. */
  readonly newNames: string[];
  changed: boolean;
}

export interface DraftUser {
  /** null: new. */
  readonly id: number | null;
  readonly address: Address;
  readonly domain: DraftDomain;
  status: 'active' | 'disabled';
  settings: SettingsOverride;
  transport: string | null;
  quota: number | null;
  forwards: readonly string[];
  /** As it is stored, once it changes. */
  before: Pick<KnownUser, 'status' | 'settings'> | null;
  /** The contact that becomes this user, with its keys. */
  readonly contactId: number | null;
  /** Where the source has it; null: it is there because of a key, or was there before. */
  where: string | null;
  changed: boolean;
}

export interface DraftTarget {
  readonly target: Address;
  readonly user: DraftUser | null;
}

export interface DraftAlias {
  /** null: new. */
  readonly id: number | null;
  /** The source made it: the source says all of its targets. */
  readonly own: boolean;
  readonly address: Address;
  readonly domain: DraftDomain;
  targets: readonly DraftTarget[];
  where: string | null;
  changed: boolean;
}

export interface DraftContact {
  readonly id: number | null;
  readonly address: Address;
  readonly domain: string;
}

export type DraftOwner =
  | { readonly kind: 'user'; readonly user: DraftUser }
  | { readonly kind: 'contact'; readonly contact: DraftContact }
  | { readonly kind: 'domain'; readonly domain: DraftDomain };

export type DraftAddress =
  | { readonly kind: 'user'; readonly user: DraftUser }
  | { readonly kind: 'alias'; readonly alias: DraftAlias }
  | { readonly kind: 'contact'; readonly contact: DraftContact };

export interface Draft {
  readonly delimiters: string;
  readonly domains: Map<string, DraftDomain>;
  /** Other names, each with the domain that it stands for. */
  readonly otherNames: Map<string, DraftDomain>;
  readonly addresses: Map<string, DraftAddress>;
  readonly users: Map<number, DraftUser>;
}

/** An address as the source writes it, and what it is here. */
export interface Read {
  readonly address: Address;
  readonly parts: AddressParts;
  /** null: not ours. */
  readonly domain: DraftDomain | null;
  /** The domain is written by another name of it. */
  readonly byOtherName: boolean;
}

/** In small steps, as everything that takes a while in the process that filters mail. */
export async function createDraft(snapshot: Snapshot, delimiters: string): Promise<Draft> {
  const breathe = createBreather();
  const draft: Draft = {
    delimiters,
    domains: new Map(),
    otherNames: new Map(),
    addresses: new Map(),
    users: new Map(),
  };
  for (const known of snapshot.domains) {
    const domain = { ...known, otherNames: new Set(known.otherNames), newNames: [], changed: false };
    draft.domains.set(domain.name, domain);
    for (const name of known.otherNames) draft.otherNames.set(name, domain);
  }
  for (const known of snapshot.users) {
    const domain = draft.domains.get(partsOf(known.address).domain);
    if (domain === undefined) continue;
    const fresh = { before: null, contactId: null, where: null, changed: false };
    const user: DraftUser = { ...known, domain, ...fresh };
    draft.users.set(known.id, user);
    draft.addresses.set(user.address, { kind: 'user', user });
    await breathe();
  }
  for (const { id, address, kind, own, targets } of snapshot.addresses) {
    await breathe();
    const { domain: name } = partsOf(address);
    if (kind === 'contact') {
      draft.addresses.set(address, { kind, contact: { id, address, domain: name } });
    } else {
      const domain = draft.domains.get(name);
      if (domain === undefined) continue;
      const drafted = targets.map((each) => ({
        target: each.target,
        user: each.userId === null ? null : (draft.users.get(each.userId) ?? null),
      }));
      const alias = { id, address, domain, own, targets: drafted, where: null, changed: false };
      draft.addresses.set(address, { kind, alias });
    }
  }
  return draft;
}

/** Reads an address; `@domain` is a catch-all. null: it is none. */
export function readAddress(draft: Draft, text: string): Read | null {
  const typed = parseTyped(text);
  if (typed === null) return null;
  const own = draft.domains.get(typed.domain);
  const domain = own ?? draft.otherNames.get(typed.domain) ?? null;
  const parts = domain === null ? typed : { ...typed, domain: domain.name };
  const byOtherName = domain !== null && own === undefined;
  if (parts.local === '') return { address: catchAllOf(parts.domain), parts, domain, byOtherName };
  const spellings = storedSpellings(parts, domain?.fold ?? true);
  // Outside, two spellings that fold together may be two people.
  const stored = domain === null ? spellings[0] : spellings.find((each) => draft.addresses.has(each));
  return { address: stored ?? toAddress(parts, domain?.fold ?? true), parts, domain, byOtherName };
}

/** Who answers for an address of ours, its extension cut off where need be; undefined: nobody. */
export function answering(
  draft: Draft,
  { parts, domain }: Pick<Read, 'parts' | 'domain'>,
): DraftAddress | undefined {
  for (const each of lookupCandidates(parts, draft.delimiters, domain?.fold ?? true).slice(0, -1)) {
    const found = draft.addresses.get(each);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The one user that an alias leads to, and to nobody else; undefined: there is none. */
export function onlyUser({ targets }: DraftAlias): DraftUser | undefined {
  const [only] = targets;
  return targets.length === 1 ? (only?.user ?? undefined) : undefined;
}

export function addDomain(draft: Draft, name: string): DraftDomain {
  const domain: DraftDomain = {
    id: null,
    name,
    class: 'virtual',
    local: false,
    fold: true,
    otherNames: new Set(),
    newNames: [],
    changed: false,
  };
  draft.domains.set(name, domain);
  return domain;
}

/** A new user at an address that nobody has, or a contact. */
export function addUser(
  draft: Draft,
  address: Address,
  domain: DraftDomain,
  where: string | null,
): DraftUser {
  const before = draft.addresses.get(address);
  const user: DraftUser = {
    id: null,
    address,
    domain,
    status: 'active',
    settings: {},
    transport: null,
    quota: null,
    forwards: [],
    before: null,
    contactId: before?.kind === 'contact' ? before.contact.id : null,
    where,
    changed: false,
  };
  draft.addresses.set(address, { kind: 'user', user });
  return user;
}

/** To be called before a user is changed: what is written is held against what was there. */
export function touch(user: DraftUser): void {
  user.before ??= { status: user.status, settings: user.settings };
}

export function ownerName(owner: DraftOwner): string {
  if (owner.kind === 'domain') return `@${owner.domain.name}`;
  return owner.kind === 'user' ? owner.user.address : owner.contact.address;
}

/** One object stands for each owner, however often it is named. */
export function identity(owner: DraftOwner): object {
  return owner.kind === 'user' ? owner.user : owner.kind === 'contact' ? owner.contact : owner.domain;
}

/** As {@link KnownKey.owner}; null: it is new, or was a contact. */
export function ownerId(owner: DraftOwner): string | null {
  if (owner.kind === 'user') {
    if (owner.user.id !== null) return `user:${owner.user.id}`;
    return owner.user.contactId === null ? null : `contact:${owner.user.contactId}`;
  }
  const { id } = owner.kind === 'contact' ? owner.contact : owner.domain;
  return id === null ? null : `${owner.kind}:${id}`;
}

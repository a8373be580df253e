// A small directory in memory for tests: what PostgreSQL would have answered if everything had been asked.

import type { Address } from '../../../src/address/address.ts';
import {
  catchAllOf,
  normaliseTyped,
  parseTyped,
  partsOf,
  toAddress,
} from '../../../src/address/normalise.ts';
import type { DirectoryRows } from '../../../src/directory/resolve.ts';
import type { Domain, StoredKey, User } from '../../../src/directory/types.ts';

export interface Described {
  readonly domains?: Readonly<Record<string, Partial<Domain> & { readonly key?: boolean }>>;
  /** address -> id; keys: whether the user has a key. */
  readonly users?: Readonly<
    Record<string, { readonly id: number; readonly key?: boolean; readonly status?: User['status'] }>
  >;
  /** A target `#7` is user 7 by id. */
  readonly aliases?: Readonly<Record<string, readonly string[]>>;
  /** Another name -> the domain. */
  readonly otherNames?: Readonly<Record<string, string>>;
  readonly contacts?: Readonly<Record<string, { readonly key?: boolean }>>;
}

export function storedKey(fingerprint: string): StoredKey {
  return {
    kind: 'openpgp',
    fingerprint,
    certificate: new Uint8Array(1),
    status: 'active',
    source: 'cli',
    createdAt: new Date(0),
  };
}

export function rowsOf(described: Described): DirectoryRows {
  const domains = new Map<string, Domain>();
  const keys = new Map<string, readonly StoredKey[]>();
  Object.entries(described.domains ?? {}).forEach(([name, { key, ...rest }], index) => {
    const domain: Domain = {
      id: index + 1,
      name,
      class: 'virtual',
      foldLocalPart: true,
      settings: {},
      transport: null,
      rules: [],
      ...rest,
    };
    domains.set(name, domain);
    keys.set(`domain:${domain.id}`, key === true ? [storedKey(`domain ${name}`)] : []);
  });
  const fold = (name: string): boolean => domains.get(name)?.foldLocalPart ?? true;
  const canonical = (typed: string): Address => {
    const address = normaliseTyped(typed, fold);
    if (address === null) throw new Error(`no address: ${typed}`);
    return address;
  };
  const users = new Map<number, User>();
  const addresses = new Map<
    string,
    { id: number; address: Address; kind: 'user' | 'alias' | 'contact'; userId: number | null }
  >();
  const targets = new Map<number, { target: string; targetUserId: number | null }[]>();
  let nextId = 100;
  for (const [typed, { id, key, status }] of Object.entries(described.users ?? {})) {
    const address = canonical(typed);
    const domain = domains.get(partsOf(address).domain);
    if (domain === undefined) throw new Error(`no domain for ${typed}`);
    users.set(id, {
      id,
      address,
      status: status ?? 'active',
      settings: {},
      domain,
      quotaBytes: null,
      rules: [],
    });
    addresses.set(address, { id: nextId++, address, kind: 'user', userId: id });
    keys.set(`user:${id}`, key === true ? [storedKey(`user ${id}`)] : []);
  }
  for (const [typed, names] of Object.entries(described.aliases ?? {})) {
    const address = typed.startsWith('@') ? catchAllOf(typed.slice(1)) : canonical(typed);
    const id = nextId++;
    addresses.set(address, { id, address, kind: 'alias', userId: null });
    targets.set(
      id,
      names.map((name) => {
        const userId = /^#(\d+)$/.exec(name)?.[1];
        if (userId !== undefined)
          return { target: `user${userId}@gone.example`, targetUserId: Number(userId) };
        const parts = parseTyped(name);
        if (parts === null) throw new Error(`no target: ${name}`);
        return {
          target: toAddress(parts, domains.has(parts.domain) && fold(parts.domain)),
          targetUserId: null,
        };
      }),
    );
  }
  for (const [typed, { key }] of Object.entries(described.contacts ?? {})) {
    const address = canonical(typed);
    const id = nextId++;
    addresses.set(address, { id, address, kind: 'contact', userId: null });
    keys.set(`contact:${id}`, key === false ? [] : [storedKey(`contact ${address}`)]);
  }
  const otherNames = new Map(Object.entries(described.otherNames ?? {}));
  const namesakes = new Map<string, string[]>();
  for (const { address, kind } of addresses.values()) {
    const at = address.lastIndexOf('@');
    const [local, domain] = [address.slice(0, at), address.slice(at + 1)];
    if (kind !== 'contact' && domains.has(domain))
      namesakes.set(local, [...(namesakes.get(local) ?? []), domain]);
  }
  return { domains, otherNames, namesakes, addresses, targets, users, keys };
}

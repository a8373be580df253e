// What is stored of a key for its owner, worked out once: user IDs of other people are taken out, which takes time.
import { lookupCandidates, parseTyped } from '../address/normalise.ts';
import type { KeyColumns } from '../keys/insert.ts';
import { type Draft, type DraftOwner, readAddress } from './draft.ts';
import type { PlannedKey } from './planning.ts';

export interface KeyColumnsOf {
  /** The same for the same key and the same names of its owner. */
  of(key: PlannedKey, draft: Draft): Promise<KeyColumns>;
}

export function createColumns(): KeyColumnsOf {
  const known = new Map<string, KeyColumns>();
  return {
    async of({ key, fingerprint, owner }, draft) {
      if (owner === null) throw new Error('a new key has an owner');
      const own = new Set(key.names.filter((name) => isOwn(draft, owner, name)));
      const name = [fingerprint, key.digest, ...own].join('\n');
      const columns = known.get(name) ?? (await key.columns((text) => own.has(text)));
      known.set(name, columns);
      return columns;
    },
  };
}

/** Whether an address as written in a user ID leads to the owner. */
export function isOwn(draft: Draft, owner: DraftOwner, text: string): boolean {
  const read = readAddress(draft, text);
  if (read === null) return false;
  if (owner.kind === 'domain') return read.parts.domain === owner.domain.name;
  const parts = parseTyped(text);
  if (parts === null || read.parts.local === '') return false;
  const places = lookupCandidates(read.parts, draft.delimiters, read.domain?.fold ?? true).slice(0, -1);
  if (owner.kind === 'contact') return places.includes(owner.contact.address);
  return places.some((place) => {
    const found = draft.addresses.get(place);
    if (found?.kind === 'user') return found.user === owner.user;
    return found?.kind === 'alias' && found.alias.targets.some(({ user }) => user === owner.user);
  });
}

// Mail that was sealed before does not go on in plaintext since its key is refused here: it waits until there is a good one. Pure.
import type { BulkKey } from '../keys/bulk.ts';
import { type DraftOwner, identity, ownerId, ownerName, touch } from './draft.ts';
import { note, type PlannedKey, type Planning } from './planning.ts';

export interface RefusedKey {
  readonly owner: DraftOwner;
  readonly key: BulkKey;
  readonly where: string;
}

/** What is noted while keys are planned. */
export interface Protecting extends Pick<Planning, 'snapshot' | 'tally'> {
  /** Keys of fingerprints that nobody has here. */
  readonly fresh: PlannedKey[];
  /** Owners that have a key, or get one, by {@link identity}. */
  readonly covered: Set<object>;
  /** Owners whose key was refused, with the first one that can be read. */
  readonly refusedTo: Map<object, RefusedKey>;
}

/** Notes that a key of an owner to whom mail was sealed is refused. */
export function noteRefused({ refusedTo }: Pick<Protecting, 'refusedTo'>, refused: RefusedKey): void {
  const name = identity(refused.owner);
  const before = refusedTo.get(name);
  if (before === undefined || (!canBeKept(before.key) && canBeKept(refused.key)))
    refusedTo.set(name, refused);
}

function canBeKept({ fingerprint, size }: BulkKey): boolean {
  return fingerprint !== null && size > 0;
}

/**
 * Protects every owner who has no key but a refused one: a user has a setting for it; for an outside address or a domain, which
 * may have none of their own, the key is kept, and never used.
 */
export function protectRefused(state: Protecting): void {
  for (const refused of state.refusedTo.values()) protect(state, refused);
}

function protect(state: Protecting, { owner, key, where }: RefusedKey): void {
  const { snapshot, covered, fresh } = state;
  const has = (each: DraftOwner): boolean => {
    const id = ownerId(each);
    return covered.has(identity(each)) || (id !== null && snapshot.keyed.has(id));
  };
  if (has(owner)) return;
  const place = { name: ownerName(owner), where };
  if (owner.kind === 'user') {
    const { user } = owner;
    if (has({ kind: 'domain', domain: user.domain })) return;
    if (user.settings.on_missing_key === 'defer' || user.settings.on_missing_key === 'reject') {
      note(state, 'setting', 'same', place);
      return;
    }
    touch(user);
    user.settings = { ...user.settings, on_missing_key: 'defer' };
    user.changed = true;
    note(state, 'setting', 'changed', place, USER_WAITS);
    return;
  }
  if (key.fingerprint === null || !canBeKept(key)) {
    note(state, 'setting', 'refused', place, PLAIN[owner.kind](place.name));
    return;
  }
  covered.add(identity(owner));
  fresh.push({ key, fingerprint: key.fingerprint, owner, where, isKeptDisabled: true });
  note(state, 'setting', 'changed', place, KEPT[owner.kind]);
}

const USER_WAITS =
  'on_missing_key=defer: its key was refused, and it has no other one; its mail waits until there is one';

/** What `on_unusable_key` does by default. */
const KEPT = {
  contact:
    'its key was refused, and it has no other one: the key is kept, disabled, and mail waits until there is a good one',
  domain:
    'its key was refused, and it has no other one: the key is kept, disabled, and mail for its users without a key waits',
} as const;

/** What was no certificate at all cannot be kept. */
const PLAIN = {
  contact: (name: string) =>
    `its key cannot be read, it has no other one, and an outside address has no settings: its mail goes on in plaintext; give --domain ${name.split('@').at(-1)} if that domain is yours`,
  domain: (name: string) =>
    `its key cannot be read, and it has no other one: mail for users of it without a key goes on in plaintext; see "sealpost domain set ${name.slice(1)} on_missing_key=defer"`,
} as const;

// Keys of a source compared with ours: whose each is, who gets it, and who would be without one. Pure.
import { domainNameOf } from '../address/normalise.ts';
import type { BulkKey } from '../keys/bulk.ts';
import {
  addDomain,
  addUser,
  answering,
  type DraftContact,
  type DraftOwner,
  identity,
  onlyUser,
  ownerId,
  ownerName,
  readAddress,
} from './draft.ts';
import { type Outcome, tell } from './outcome.ts';
import { copyName, type JudgedRow, note, type PlannedKey, type Planning, shown } from './planning.ts';
import { noteRefused, type Protecting, protectRefused } from './protect.ts';
import type { KnownKey } from './snapshot.ts';

export interface PlannedKeys {
  /** Of fingerprints that nobody has here. */
  readonly fresh: readonly PlannedKey[];
  /** Of fingerprints that are known: merged one by one. */
  readonly again: readonly PlannedKey[];
}

interface KeyPlanning extends Planning, Protecting {
  readonly again: PlannedKey[];
  /** Fingerprint and owner of what is planned so far, with what was handed over. */
  readonly planned: Map<string, string>;
}

/** @param each goes through the rows in steps that leave other work its turn */
export async function planKeys(
  planning: Planning,
  rows: readonly JudgedRow[],
  each: (rows: readonly JudgedRow[], take: (row: JudgedRow) => void) => Promise<void>,
): Promise<PlannedKeys> {
  const state: KeyPlanning = {
    ...planning,
    fresh: [],
    again: [],
    planned: new Map(),
    covered: new Set(),
    refusedTo: new Map(),
  };
  await each(rows, (row) => planKey(state, row));
  protectRefused(state);
  return { fresh: state.fresh, again: state.again };
}

function planKey(state: KeyPlanning, { row, key }: JudgedRow): void {
  const { options, snapshot } = state;
  const { owners, refusals } = ownersOf(state, row.owners, key, row.where);
  const fingerprint = key.fingerprint ?? '';
  const refusal = key.refusal ?? (options.expired === 'refuse' ? key.lapsed : null);
  const known = snapshot.keys.get(fingerprint) ?? [];
  const told = { where: row.where, owners: owners.map(ownerName), key };
  for (const because of refusals) tellKey(state, { ...told, outcome: 'refused', because });
  for (const owner of owners) state.seen.key.add(keyName(fingerprint, owner));
  if (refusal !== null) {
    tellKey(state, { ...told, outcome: 'refused', because: refusal.sentence });
    state.seenRefused.add(fingerprint);
    if (row.sealedBefore) for (const owner of owners) noteRefused(state, { owner, key, where: row.where });
    // A revocation of a key that is in use here must not go unheard.
    const copy = { key, fingerprint, owner: null, where: row.where };
    if (known.some(({ digest }) => digest !== key.digest) && !isWritten(state, copy)) state.again.push(copy);
    return;
  }
  if (owners.length === 0) {
    // A key of nobody in a keyring of many is no fault: no mail was sealed to it.
    const outcome = row.owners.kind === 'named' ? 'left' : 'refused';
    if (refusals.length === 0) tellKey(state, { ...told, outcome, because: nobody(key) });
    return;
  }
  const outcomes = owners.map((owner) => give(state, { key, fingerprint, owner, where: row.where }, known));
  if (outcomes.includes('added')) tellKey(state, { ...told, outcome: 'added', because: null });
  else if (!outcomes.includes('again') && !outcomes.includes('written'))
    tellKey(state, { ...told, outcome: 'same', because: null });
}

function isWritten({ options }: KeyPlanning, planned: PlannedKey): boolean {
  return options.written?.has(copyName(planned)) === true;
}

/** A copy of a known certificate is told of when it has been merged: only then it is known whether it brings news. */
function give(
  state: KeyPlanning,
  planned: PlannedKey & { readonly owner: DraftOwner },
  known: readonly KnownKey[],
): 'added' | 'again' | 'same' | 'written' {
  const { key, owner } = planned;
  state.covered.add(identity(owner));
  const name = keyName(planned.fingerprint, owner);
  const before = state.planned.get(name);
  if (before === key.digest) return 'same';
  state.planned.set(name, key.digest);
  if (before !== undefined) {
    if (!isWritten(state, planned)) state.again.push({ ...planned, isSecondCopy: true });
    return 'same';
  }
  if (isWritten(state, planned)) return 'written';
  if (rowOf(known, owner)?.digest === key.digest) return 'same';
  if (known.length > 0) {
    state.again.push(planned);
    return 'again';
  }
  state.fresh.push(planned);
  state.made.push({ kind: 'key', name, key: planned });
  return 'added';
}

function rowOf(known: readonly KnownKey[], owner: DraftOwner): KnownKey | undefined {
  const id = ownerId(owner);
  return id === null ? undefined : known.find((each) => each.owner === id);
}

function keyName(fingerprint: string, owner: DraftOwner): string {
  return `${fingerprint} ${ownerName(owner)}`;
}

function nobody({ names }: BulkKey): string {
  return names.length === 0
    ? 'it names no address'
    : `it names ${names.map(shown).join(', ')}, and nobody here has such an address; see "sealpost user list"`;
}

interface Owners {
  readonly owners: readonly DraftOwner[];
  readonly refusals: readonly string[];
}

function ownersOf(
  state: KeyPlanning,
  wanted: JudgedRow['row']['owners'],
  key: BulkKey,
  where: string,
): Owners {
  const owners = new Map<object, DraftOwner>();
  const refusals: string[] = [];
  const names =
    wanted.kind === 'these'
      ? wanted.addresses
      : wanted.kind === 'named'
        ? [...wanted.also, ...key.names.filter((name) => !wanted.except.has(name.toLowerCase()))]
        : key.names;
  for (const name of names) {
    const owner = wanted.kind === 'known' ? knownOwner(state, name) : ownerNamed(state, name, where);
    if (typeof owner === 'string') refusals.push(owner);
    else if (owner !== null) owners.set(identity(owner), owner);
  }
  return { owners: [...owners.values()], refusals };
}

function knownOwner({ draft }: Planning, name: string): DraftOwner | null {
  const read = readAddress(draft, name);
  if (read === null || read.domain === null) return null;
  const found = answering(draft, read);
  const user =
    found?.kind === 'user' ? found.user : found?.kind === 'alias' ? onlyUser(found.alias) : undefined;
  return user === undefined ? null : { kind: 'user', user };
}

/** The owner at an address or of `@domain`; a sentence: why there is none. */
function ownerNamed(planning: Planning, name: string, where: string): DraftOwner | string {
  const { draft, source } = planning;
  if (name.startsWith('@')) return domainOwner(planning, name.slice(1), where);
  const read = readAddress(draft, name);
  if (read === null || read.parts.local === '')
    return `found ${JSON.stringify(shown(name))}, expected an address such as alice@example.org`;
  const { address, domain } = read;
  const found = read.domain === null ? draft.addresses.get(address) : answering(draft, read);
  if (found?.kind === 'user') return { kind: 'user', user: found.user };
  if (found?.kind === 'contact' && domain === null) return { kind: 'contact', contact: found.contact };
  if (found?.kind === 'alias') {
    const user = onlyUser(found.alias);
    return user === undefined
      ? `${address} is an alias that does not lead to one user alone: give the key to those whom it leads to, see "sealpost alias list ${address}"`
      : { kind: 'user', user };
  }
  if (domain === null) {
    const contact: DraftContact = { id: null, address, domain: read.parts.domain };
    draft.addresses.set(address, { kind: 'contact', contact });
    return { kind: 'contact', contact };
  }
  if (!source.addsOwners) {
    return `there is no user ${address}; add one with "sealpost user add ${address}"`;
  }
  const user = addUser(draft, address, domain, where);
  planning.seen.user.add(address);
  planning.made.push({ kind: 'user', name: address, user });
  note(planning, 'user', 'added', { name: address, where }, 'it has a key');
  return { kind: 'user', user };
}

/** Whoever gives a whole domain a key seals its mail: the domain is added where it is missing. */
function domainOwner(planning: Planning, typed: string, where: string): DraftOwner | string {
  const { draft } = planning;
  const name = domainNameOf(typed);
  if (name === null)
    return `found ${JSON.stringify(shown(typed))}, expected a domain name such as example.org`;
  const known = draft.domains.get(name) ?? draft.otherNames.get(name);
  if (known !== undefined) return { kind: 'domain', domain: known };
  note(planning, 'domain', 'added', { name, where }, 'it has a key');
  return { kind: 'domain', domain: addDomain(draft, name) };
}

interface ToldKey {
  readonly outcome: Outcome;
  readonly where: string;
  readonly because: string | null;
  readonly owners: readonly string[];
  readonly key: BulkKey;
}

export function tellKey({ tally }: Pick<Planning, 'tally'>, { key, ...told }: ToldKey): void {
  const expired = told.outcome === 'refused' ? undefined : key.lapsed?.sentence;
  tell(tally, {
    kind: 'key',
    name: key.fingerprint ?? 'a key that cannot be read',
    ...told,
    ...(expired === undefined ? {} : { expired }),
  });
}

// The directory of questions.ts in memory: facts for the pure functions, without a database.
import type { SenderGrant } from '../../../policy/answers.ts';
import { isStranger } from '../../../policy/check-recipient.ts';
import type { AddressFacts, DomainFacts, Mailbox } from '../../../policy/facts.ts';
import type { Address } from '../../../src/address/address.ts';
import {
  type AddressParts,
  catchAllOf,
  lookupCandidates,
  normaliseDomain,
  parseTyped,
  partsOf,
  toAddress,
} from '../../../src/address/normalise.ts';
import { applyRefusals, applySettings, parseAssignments } from '../../../src/directory/assignments.ts';
import {
  type AddressRow,
  type ResolveOptions,
  resolveRecipient,
  type TargetRow,
} from '../../../src/directory/resolve.ts';
import type { Domain, StoredKey, User } from '../../../src/directory/types.ts';
import { ALIASES, DOMAINS, FINGERPRINTS, USERS } from '../../support/questions.ts';

const domains = new Map<string, DomainFacts>();
const users = new Map<number, User>();
const mailboxes = new Map<number, Mailbox>();
const addresses = new Map<string, AddressRow>();
const targets = new Map<number, TargetRow[]>();
const grants: { readonly address: Address; readonly grant: SenderGrant }[] = [];
/** By user id; tests add to it. */
export const keysOfUsers = new Map<number, StoredKey[]>();

function canonical(typed: string): Address {
  const parts = parseTyped(typed);
  if (parts === null) throw new Error(`no address: ${typed}`);
  const fold = domains.get(parts.domain)?.domain.foldLocalPart ?? true;
  return parts.local === '' ? catchAllOf(parts.domain) : toAddress(parts, fold);
}

for (const [index, { name, set = [] }] of DOMAINS.entries()) {
  const assignments = parseAssignments(set, 'domain');
  const domain: Domain = {
    id: index + 1,
    name: normaliseDomain(name) ?? '',
    class: assignments.class ?? 'virtual',
    foldLocalPart: assignments.foldLocalPart ?? true,
    settings: applySettings({}, assignments),
    transport: assignments.transport ?? null,
    rules: [],
  };
  domains.set(domain.name, {
    domain,
    refusals: applyRefusals({}, assignments),
    keys: [],
    catchAll: false,
    names: [],
  });
}

for (const [index, row] of USERS.entries()) {
  const id = index + 1;
  const address = canonical(row.address);
  const domain = domains.get(partsOf(address).domain)?.domain;
  if (domain === undefined) throw new Error(`no domain for ${address}`);
  const assignments = parseAssignments(row.set ?? [], 'user');
  const status = row.disabled ? 'disabled' : 'active';
  users.set(id, {
    id,
    address,
    status,
    settings: applySettings({}, assignments),
    domain,
    quotaBytes: row.quota ?? null,
    rules: [],
  });
  mailboxes.set(id, {
    transport: assignments.transport ?? null,
    forwards: (assignments.forwards ?? []).map(canonical),
    quotaMessages: row.quotaMessages ?? null,
    usedBytes: row.used?.[0] ?? 0,
    usedMessages: row.used?.[1] ?? 0,
  });
  for (const each of assignments.sendAs ?? []) {
    grants.push({ address: canonical(each), grant: { login: address, status } });
  }
  addresses.set(address, { id, address, kind: 'user', userId: id });
}

for (const [index, [alias, ...to]] of ALIASES.entries()) {
  const id = 1000 + index;
  const address = canonical(alias);
  addresses.set(address, { id, address, kind: 'alias', userId: null });
  targets.set(
    id,
    to.map((each) => {
      const parts = parseTyped(each);
      if (parts === null) throw new Error(`no address: ${each}`);
      const target = domains.has(parts.domain) ? canonical(each) : toAddress(parts, false);
      return { target, targetUserId: addresses.get(target)?.userId ?? null };
    }),
  );
}

/** What the daemons would read of an address. */
export function factsOf(parts: AddressParts, options: ResolveOptions): AddressFacts {
  const rows = {
    domains: new Map([...domains].map(([name, { domain }]) => [name, domain])),
    otherNames: new Map(),
    namesakes: new Map(),
    addresses,
    targets,
    users,
    keys: new Map([...keysOfUsers].map(([id, keys]) => [`user:${id}`, keys])),
  };
  const { facts } = resolveRecipient(rows, parts, options);
  const readers = 'readers' in facts.resolution ? facts.resolution.readers : [];
  return {
    asked: parts,
    recipient: facts,
    domain: facts.domain === null ? null : (domains.get(facts.domain.name) ?? null),
    mailboxes,
    strangers: new Set(
      readers.flatMap((reader) =>
        reader.kind === 'outside' && isStranger(reader, domainFactsOf(partsOf(reader.address).domain))
          ? [reader.address]
          : [],
      ),
    ),
    keysUnread: null,
  };
}

export function domainFactsOf(name: string): DomainFacts | null {
  return domains.get(name) ?? null;
}

export function grantsOf(parts: AddressParts, delimiters: string): readonly SenderGrant[] {
  const wanted = lookupCandidates(parts, delimiters, true);
  const best = wanted.find((name) => grants.some(({ address }) => address === name));
  return grants.filter(({ address }) => address === best).map(({ grant }) => grant);
}

export function expiryOf(fingerprint: string): string | null {
  return FINGERPRINTS.find(([known]) => known === fingerprint)?.[1] ?? null;
}

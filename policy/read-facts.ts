// Reads what a lookup needs: a domain, an address with the mailboxes behind it, sender grants, a fingerprint. Plain users are
// one narrow query; aliases and the like are left to the directory's own reading.

import type { Address } from '../src/address/address.ts';
import { userIdOf } from '../src/address/id-address.ts';
import {
  type AddressParts,
  lookupCandidates,
  partsOf,
  stripExtension,
  toAddress,
} from '../src/address/normalise.ts';
import { type ReadingRules, readingsOf } from '../src/address/readings.ts';
import { refusalOverrideSchema } from '../src/config/refusal-texts.ts';
import { settingsOverrideSchema } from '../src/config/settings.ts';
import { type ReadRecipient, readReadings, readRecipient } from '../src/directory/read.ts';
import type { ReadOnOptions } from '../src/directory/read-on.ts';
import type { DirectoryRows } from '../src/directory/resolve.ts';
import { rulesOf } from '../src/directory/rule-rows.ts';
import type { Reader, StoredKey } from '../src/directory/types.ts';
import type { ReadValue } from './answer-cache.ts';
import { isStranger } from './check-recipient.ts';
import type { LookupDatabase } from './database.ts';
import type { AddressFacts, DomainFacts, Mailbox } from './facts.ts';
import {
  ADDRESS,
  type AddressRow,
  DOMAIN,
  type DomainRow,
  EITHER_ADDRESS,
  MAILBOXES,
  type MailboxColumns,
  mailboxOf,
  RESTORED,
  storedKeysOf,
  USAGE,
  USER,
  type UsageColumns,
  userOf,
} from './lookup-rows.ts';

/** What reading stands on. Everything here rejects with DirectoryUnavailable when it cannot be known now. */
export interface FactsContext {
  readonly database: LookupDatabase;
  readonly resolving: ReadOnOptions;
  readonly reading: ReadingRules;
  /** A domain, from the cache where it is there and true. `name` is normalised. */
  readonly domainOf: (name: string) => DomainFacts | null | Promise<DomainFacts | null>;
}

/** A domain of ours; null where it is none. @param name normalised */
export async function readDomain(
  { database }: FactsContext,
  name: string,
): Promise<ReadValue<DomainFacts | null>> {
  const rows = await database.query<DomainRow>(DOMAIN, [name]);
  const [row] = rows;
  const names = [`domain:${name}`, `address:@${name}`];
  if (row === undefined) return { value: null, dependsOn: names };
  const { id, fold_local_part: foldLocalPart, transport } = row;
  names.push(`key of domain:${id}`);
  return {
    value: {
      names,
      domain: {
        id,
        name: row.name,
        class: row.class,
        foldLocalPart,
        settings: settingsOverrideSchema.parse(row.settings),
        transport,
        rules: rulesOf(row.rules),
      },
      refusals: refusalOverrideSchema.parse(row.refusals),
      keys: storedKeysOf(rows),
      catchAll: row.catch_all,
      ...(row.restored_from === null ? {} : { restoredFrom: row.restored_from }),
    },
    dependsOn: names,
  };
}

/** An address, with the mailboxes behind it and what the lookups need of its domain. */
export async function readAddress(
  context: FactsContext,
  parts: AddressParts,
): Promise<ReadValue<AddressFacts>> {
  const { database, resolving, domainOf } = context;
  const domain = await domainOf(parts.domain);
  // The strings of the domain are shared by all of its addresses.
  const names = domain === null ? [`domain:${parts.domain}`] : [...domain.names];
  if (domain === null && parts.domain !== resolving.mailboxDomain) {
    // Users and aliases live in domains of ours only, and keys of contacts change no answer.
    return { value: nobody(parts, null), dependsOn: names };
  }
  if (domain !== null) {
    const candidates = lookupCandidates(parts, resolving.delimiters, domain.domain.foldLocalPart);
    const spelled = candidates.slice(0, -1);
    for (const candidate of spelled) names.push(`address:${candidate}`);
    const rows = await (spelled.length === 1
      ? database.query<AddressRow>(ADDRESS, spelled)
      : database.query<AddressRow>(EITHER_ADDRESS, [spelled]));
    const best = spelled
      .map((name) => rows.find(({ address }) => address === name))
      .find((row) => row !== undefined);
    if (best?.kind === 'user')
      return (await ofUser(context, parts, domain, best, names)) ?? ofAnything(context, parts, domain);
    if (best !== undefined) return ofAnything(context, parts, domain);
  }
  const id = userIdOf(stripExtension(parts.local, resolving.delimiters) ?? parts.local);
  if (id === null) {
    if (domain?.catchAll) return ofAnything(context, parts, domain);
    return { value: await nobodyIn(context, parts, domain), dependsOn: names };
  }
  const [row] = await database.query<AddressRow>(USER, [id]);
  const found = await ofUser(context, parts, domain, row, names);
  if (found !== null) return found;
  return row === undefined
    ? { value: await nobodyIn(context, parts, domain), dependsOn: [...names, `user:${id}`] }
    : ofAnything(context, parts, domain);
}

/** Nobody, in a domain of ours or in mailbox_domain, which need be none. */
async function nobodyIn(
  { database }: FactsContext,
  parts: AddressParts,
  domain: DomainFacts | null,
): Promise<AddressFacts> {
  const facts = nobody(parts, domain);
  if (domain !== null) return facts;
  const [row] = await database.query<{ restored_from: string | null }>(RESTORED, []);
  return row?.restored_from
    ? { ...facts, recipient: { ...facts.recipient, restoredFrom: row.restored_from } }
    : facts;
}

/** A user found by a primary address or by id: what the directory's resolution says of both. */
async function ofUser(
  { database, domainOf }: FactsContext,
  parts: AddressParts,
  asked: DomainFacts | null,
  row: AddressRow | undefined,
  names: readonly string[],
): Promise<ReadValue<AddressFacts> | null> {
  if (row === undefined || row.user_id === null) return null;
  const home = asked?.domain.id === row.domain_id ? asked : await domainOf(partsOf(row.address).domain);
  if (home?.domain.id !== row.domain_id) return null;
  const user = userOf(row, row.user_id, home);
  const limited = user.quotaBytes !== null || row.quota_messages !== null;
  const [usage] = limited ? await database.query<UsageColumns>(USAGE, [user.id]) : [];
  return {
    value: {
      asked: parts,
      recipient: {
        address: toAddress(parts, asked?.domain.foldLocalPart ?? true),
        resolution: { kind: 'user', readers: [{ kind: 'user', user, keys: NO_KEYS }], via: [] },
        domain: (asked ?? home).domain,
        domainKeys: home.keys,
        ...(home.restoredFrom === undefined ? {} : { restoredFrom: home.restoredFrom }),
      },
      domain: asked ?? home,
      mailboxes: new Map([[user.id, mailboxOf(row, usage)]]),
      strangers: NO_STRANGERS,
      keysUnread: user.id,
    },
    // What a mailbox holds changes with every message: only a limit makes the answer depend on it.
    dependsOn: [
      ...names,
      `user:${user.id}`,
      // The user's own address, which an answer may show although another name was asked for.
      `address:${row.address}`,
      ...(home === asked ? [] : home.names),
      ...(limited ? [`usage:${user.id}`] : []),
    ],
  };
}

/** Readers that the directory calls outside although their domain is ours and knows its recipients. */
async function strangersAmong(
  { domainOf }: FactsContext,
  readers: readonly Reader[],
  { domains }: DirectoryRows,
): Promise<ReadonlySet<Address>> {
  const strangers = new Set<Address>();
  for (const reader of readers) {
    if (reader.kind !== 'outside') continue;
    const { domain } = partsOf(reader.address);
    // The rows have every domain of ours that a reader lives in: what is outside costs no question.
    if (domains.has(domain) && isStranger(reader, await domainOf(domain))) strangers.add(reader.address);
  }
  return strangers;
}

/**
 * An address as the filter reads it: as it is written, or what Postfix may make of it.
 * @param path one character per byte
 * @param parts the same as it is written
 */
export async function readOn(
  context: FactsContext,
  path: string,
  parts: AddressParts,
): Promise<ReadValue<AddressFacts>> {
  const { database, resolving, reading } = context;
  const read = await readReadings(database.pool, readingsOf(path, reading), resolving);
  const value = await withMailboxes(context, parts, null, read);
  return read.mayBeKept ? value : { ...value, passing: true };
}

/** Aliases, catch-alls, contacts, and whatever else is not simple. */
async function ofAnything(
  context: FactsContext,
  parts: AddressParts,
  domain: DomainFacts | null,
): Promise<ReadValue<AddressFacts>> {
  const { database, resolving } = context;
  return withMailboxes(context, parts, domain, await readRecipient(database.pool, parts, resolving));
}

/** @param domain of the address, where it is known */
async function withMailboxes(
  context: FactsContext,
  parts: AddressParts,
  domain: DomainFacts | null,
  { facts, rows, dependsOn }: ReadRecipient,
): Promise<ReadValue<AddressFacts>> {
  const { database, domainOf } = context;
  const readers = 'readers' in facts.resolution ? facts.resolution.readers : [];
  const users = readers.flatMap((reader) => (reader.kind === 'user' ? [reader.user] : []));
  const found =
    users.length === 0
      ? []
      : await database.query<MailboxColumns & UsageColumns & { id: number }>(MAILBOXES, [
          users.map(({ id }) => id),
        ]);
  const mailboxes = new Map(found.map((row) => [row.id, mailboxOf(row, row)]));
  // What a mailbox holds changes with every message: only a limit makes the answer depend on it.
  const limited = users.filter(
    ({ id, quotaBytes }) => quotaBytes !== null || (mailboxes.get(id)?.quotaMessages ?? null) !== null,
  );
  const strangers = await strangersAmong(context, readers, rows);
  return {
    value: {
      asked: parts,
      recipient: facts,
      domain: domain ?? (facts.domain === null ? null : await domainOf(facts.domain.name)),
      mailboxes,
      strangers,
      keysUnread: null,
    },
    dependsOn: [...dependsOn, ...limited.map(({ id }) => `usage:${id}`)],
  };
}

const NO_KEYS: readonly StoredKey[] = [];
const NO_STRANGERS: ReadonlySet<Address> = new Set();
const NO_MAILBOXES: ReadonlyMap<number, Mailbox> = new Map();

function nobody(parts: AddressParts, domain: DomainFacts | null): AddressFacts {
  return {
    asked: parts,
    recipient: {
      address: toAddress(parts, domain?.domain.foldLocalPart ?? true),
      resolution: { kind: 'nobody' },
      domain: domain?.domain ?? null,
      domainKeys: domain?.keys ?? [],
      ...(domain?.restoredFrom === undefined ? {} : { restoredFrom: domain.restoredFrom }),
    },
    domain,
    mailboxes: NO_MAILBOXES,
    strangers: NO_STRANGERS,
    keysUnread: null,
  };
}

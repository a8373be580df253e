// What the lookups keep of the directory, and until when it holds: one cache for each kind of facts, made untrue by changes.
import { type AddressParts, toAddress } from '../src/address/normalise.ts';
import type { Config } from '../src/config/schema.ts';
import type { Change } from '../src/database/notifications.ts';
import { readOnSettings } from '../src/directory/lookup.ts';
import { dependencyName } from '../src/directory/read.ts';
import { readersOf } from '../src/directory/readers.ts';
import { DirectoryUnavailable, type StoredKey } from '../src/directory/types.ts';
import type { Metrics } from '../src/observe/metrics.ts';
import { type AnswerCache, type CacheResult, createAnswerCache, type Told } from './answer-cache.ts';
import type { SenderGrant } from './answers.ts';
import { type ChangeLog, createChangeLog } from './change-log.ts';
import type { LookupDatabase } from './database.ts';
import type { AddressFacts, DomainFacts } from './facts.ts';
import { readAnotherName, readClientFingerprint, readGrants, readKeys } from './read-by-name.ts';
import { readAddress, readDomain, readOn } from './read-facts.ts';
import { createTrust, type TrustKeeper } from './trust.ts';

export interface CachesContext {
  readonly config: Pick<Config, 'recipient_delimiter' | 'mailbox_domain' | 'hostname' | 'postfix' | 'policy'>;
  readonly database: LookupDatabase;
  readonly metrics: Metrics | undefined;
  /** Unix milliseconds. */
  readonly clock: () => number;
}

/**
 * Facts, at once where they are cached and true as of the last second; all reject with DirectoryUnavailable when they cannot be
 * known now. `told` hears where they are stale.
 */
export interface LookupCaches {
  /** @param name normalised */
  domain(name: string, told: Told): DomainFacts | null | Promise<DomainFacts | null>;
  address(parts: AddressParts, told: Told): AddressFacts | Promise<AddressFacts>;
  /** The address as the filter reads it. @param path one character per byte */
  readOn(path: string, parts: AddressParts, told: Told): AddressFacts | Promise<AddressFacts>;
  /** Whether a domain is another name of one of ours. @param name normalised */
  anotherName(name: string, told: Told): boolean | Promise<boolean>;
  /** The machine's own names. */
  readonly machineNames: ReadonlySet<string>;
  keys(userId: number, told: Told): readonly StoredKey[] | Promise<readonly StoredKey[]>;
  grants(parts: AddressParts, told: Told): readonly SenderGrant[] | Promise<readonly SenderGrant[]>;
  fingerprint(canonical: string, told: Told): string | null | Promise<string | null>;
  /** Forgets what depends on a changed row. */
  invalidate(change: Change): void;
  /** Change notifications are missed from now on. */
  lost(): void;
  /** They arrive again. */
  restored(): void;
  /** Entries in all caches. */
  entries(): number;
}

/** Beside certificates: strings, objects, map entries. Bytes, estimated. */
const ENTRY_BYTES = 1200;
const MOST_BYTES = 128 * 1024 * 1024;

/** Makes the caches. Nothing is read before it is asked for. */
export function createLookupCaches(context: CachesContext): LookupCaches {
  const { config, database, clock } = context;
  const changes = createChangeLog();
  const trust = createTrust(config.policy.stale_max, clock);
  const cacheOf = cacheMaker(context, changes, trust);
  const domains = cacheOf<DomainFacts | null>(sizeOfDomain);
  const addresses = cacheOf<AddressFacts>(sizeOfAddress);
  const readings = cacheOf<AddressFacts>(sizeOfAddress);
  const names = cacheOf<boolean>(() => ENTRY_BYTES);
  const senders = cacheOf<readonly SenderGrant[]>(() => ENTRY_BYTES);
  const userKeys = cacheOf<readonly StoredKey[]>((keys) => ENTRY_BYTES + keyBytes(keys));
  const fingerprints = cacheOf<string | null>(() => ENTRY_BYTES);

  const kept = [domains, addresses, readings, names, senders, userKeys, fingerprints];

  const domain = (name: string, told: Told | null) => domains.get(name, () => readDomain(facts, name), told);
  const facts = {
    database,
    ...readOnSettings(config),
    domainOf: (name: string) => domain(name, null),
  };
  database.onChange((change) => {
    if (change === null) changes.noteAll();
    else noteChange(changes, change);
  });
  return {
    domain,
    // Folding is the domain's affair: the same address in another case is another cache entry.
    address: (parts, told) => addresses.get(toAddress(parts, false), () => readAddress(facts, parts), told),
    readOn: (path, parts, told) => readings.get(path, () => readOn(facts, path, parts), told),
    anotherName: (name, told) => names.get(name, () => readAnotherName(facts, name), told),
    machineNames: facts.resolving.machineNames,
    keys: (userId, told) => userKeys.get(String(userId), () => readKeys(facts, userId), told),
    grants: (parts, told) => senders.get(toAddress(parts, false), () => readGrants(facts, parts), told),
    fingerprint: (canonical, told) =>
      fingerprints.get(canonical, () => readClientFingerprint(facts, canonical), told),
    invalidate(change) {
      database.changed();
      noteChange(changes, change);
    },
    lost: () => trust.lost(),
    restored() {
      trust.restored();
      // Nobody joins a reading from before: what it missed would go into an answer that counts as true.
      changes.note('notifications restored');
      database.changed();
      database.back();
    },
    entries: () => kept.reduce((total, { size }) => total + size, 0),
  };
}

/** Makes caches that differ in what they hold alone. */
function cacheMaker(
  { config, database, metrics, clock }: CachesContext,
  changes: ChangeLog,
  trust: TrustKeeper,
): <T>(sizeOf: (value: T) => number) => AnswerCache<T> {
  const counted = Object.fromEntries(
    (['hit', 'miss', 'merged', 'stale', 'error'] as const).map((result) => [
      result,
      metrics?.lookupCache.labels(result),
    ]),
  );
  return (sizeOf) =>
    createAnswerCache({
      changes,
      trust,
      freshness: database.freshness,
      databaseAway: () => database.away(),
      isAway: (error) => error instanceof DirectoryUnavailable,
      maxEntries: config.policy.cache_entries,
      maxBytes: MOST_BYTES,
      sizeOf,
      staleMax: config.policy.stale_max,
      count: (result: CacheResult) => counted[result]?.inc(),
      clock,
    });
}

function noteChange(changes: ChangeLog, { table, key }: Change): void {
  if (key === null) changes.noteAll();
  else if (table === 'user_usage' || table === 'incoming_counts') changes.note(`usage:${key}`, true);
  else if (table === 'sender_logins') changes.note(`sender:${key}`);
  else if (table === 'client_fingerprints') changes.note(`fingerprint:${key}`);
  else {
    const name = dependencyName(table, key);
    if (name !== null) changes.note(name);
  }
}

function keyBytes(keys: readonly StoredKey[]): number {
  return keys.reduce((total, { certificate }) => total + certificate.byteLength, 0);
}

function sizeOfDomain(facts: DomainFacts | null): number {
  return ENTRY_BYTES + (facts === null ? 0 : keyBytes(facts.keys));
}

/** The domain and its keys are shared with the domain's own entry. */
function sizeOfAddress(facts: AddressFacts): number {
  const readers = readersOf(facts.recipient);
  return (
    ENTRY_BYTES * (1 + Math.floor(readers.length / 2)) +
    readers.reduce((total, each) => total + (each.kind === 'outside' ? 0 : keyBytes(each.keys)), 0)
  );
}

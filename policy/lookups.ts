// The one place where every protocol and `sealpost lookup` get their answers: a map and a key in, an answer out, within 5 s.

import { type AddressParts, normaliseDomain, parsePath, toAddress } from '../src/address/normalise.ts';
import type { Config } from '../src/config/schema.ts';
import type { Change } from '../src/database/notifications.ts';
import { createDecider } from '../src/delivery/decide.ts';
import { normaliseFingerprint } from '../src/directory/fingerprint.ts';
import { dependencyName } from '../src/directory/read.ts';
import { DirectoryUnavailable, type StoredKey } from '../src/directory/types.ts';
import { createKeyCache } from '../src/keys/cache.ts';
import type { Logger } from '../src/observe/log.ts';
import type { Metrics } from '../src/observe/metrics.ts';
import { within } from '../src/pacing/within.ts';
import { LOOKUP_FAILED } from '../src/smtp/our-replies.ts';
import { type AnswerCache, type CacheResult, createAnswerCache } from './answer-cache.ts';
import {
  clientFingerprint,
  domainClass,
  domainTransport,
  readersOf,
  type SenderGrant,
  senderLogin,
  transport,
  virtualAlias,
  virtualMailbox,
} from './answers.ts';
import { createChangeLog } from './change-log.ts';
import { checkRecipient } from './check-recipient.ts';
import type { LookupDatabase } from './database.ts';
import {
  type AddressFacts,
  type Answer,
  type AnswerOptions,
  type DomainFacts,
  type MapName,
  notFound,
} from './facts.ts';
import { pathOfKey } from './internal-form.ts';
import { createFactsReader } from './read-facts.ts';
import { createLookupRecorder } from './record-lookup.ts';
import type { LookupProtocol } from './reply-limits.ts';
import { createTrust } from './trust.ts';

/** What a question may say beside the map and the key. */
export interface QuestionDetails {
  /** How the question came, for metrics and the log. */
  readonly protocol: LookupProtocol;
  /** Bytes of the message where they are known. */
  readonly size?: number | null;
}

export interface Lookups {
  /**
   * Answers; at once where everything is cached. Never rejects, and never takes longer than 5 s.
   * @param key as it came over the wire, one character per byte (latin1)
   */
  answer(map: MapName, key: string, details: QuestionDetails): Answer | Promise<Answer>;
  /** Forgets what depends on a changed row. */
  invalidate(change: Change): void;
  /** Change notifications are missed from now on: what is cached is only good while the database is away. */
  lost(): void;
  /** They arrive again: everything is read again. */
  restored(): void;
  /** Takes the [encryption] settings of a configuration that was read again. */
  reconfigure(config: Pick<Config, 'encryption'>): void;
  /** Entries in the caches. */
  cached(): number;
}

export interface LookupsOptions {
  readonly config: Pick<Config, 'recipient_delimiter' | 'mailbox_domain' | 'encryption' | 'keys' | 'policy'>;
  readonly database: LookupDatabase;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** Unix milliseconds; replaced by tests. */
  readonly clock?: () => number;
}

/** Below the 5 s that policy.md promises. */
const DEADLINE_MS = 4500;

/** Beside certificates: strings, objects, map entries. Bytes, estimated. */
const ENTRY_BYTES = 1200;
const MOST_BYTES = 128 * 1024 * 1024;

const TOO_LATE: Answer = {
  kind: 'temporary',
  enhanced: LOOKUP_FAILED.notReached,
  reason: 'the database did not answer in time',
};

/** Makes the lookups. Nothing is asked before the first question. */
export function createLookups(options: LookupsOptions): Lookups {
  const { config, database, logger, metrics } = options;
  const clock = options.clock ?? Date.now;
  let { encryption } = config;
  const answerOptions: AnswerOptions = {
    mailboxDomain: normaliseDomain(config.mailbox_domain) ?? '',
    delimiters: config.recipient_delimiter,
    propagateExtension: config.policy.propagate_extension,
  };
  const changes = createChangeLog();
  const trust = createTrust(config.policy.stale_max, clock);
  const counted = Object.fromEntries(
    (['hit', 'miss', 'merged', 'stale', 'error'] as const).map((result) => [
      result,
      metrics?.lookupCache.labels(result),
    ]),
  );

  function cacheOf<T>(sizeOf: (value: T) => number, maxEntries: number): AnswerCache<T> {
    return createAnswerCache<T>({
      changes,
      trust,
      databaseAway: () => database.away(),
      isAway: (error) => error instanceof DirectoryUnavailable,
      maxEntries,
      maxBytes: MOST_BYTES,
      sizeOf,
      staleMax: config.policy.stale_max,
      count: (result: CacheResult) => counted[result]?.inc(),
      clock,
    });
  }

  const most = config.policy.cache_entries;
  const domains = cacheOf<DomainFacts | null>(sizeOfDomain, most);
  const addresses = cacheOf<AddressFacts>(sizeOfAddress, most);
  const senders = cacheOf<readonly SenderGrant[]>(() => ENTRY_BYTES, most);
  const userKeys = cacheOf<readonly StoredKey[]>((keys) => ENTRY_BYTES + keyBytes(keys), most);
  const fingerprints = cacheOf<string | null>(() => ENTRY_BYTES, most);
  const domainOf = (name: string, allowStale = true) =>
    domains.get(name, () => reader.domain(name), allowStale);
  const reader = createFactsReader({ database, config, domainOf: (name) => domainOf(name, false) });
  const { inspect } = createKeyCache({ allowSha1: config.keys.allow_sha1 });
  const decider = createDecider({ inspect, global: () => encryption, now: clock });
  const record = createLookupRecorder(logger, metrics);

  function addressOf(parts: AddressParts): AddressFacts | Promise<AddressFacts> {
    // Folding is the domain's affair: the same address in another case is another cache entry.
    return addresses.get(toAddress(parts, false), () => reader.address(parts));
  }

  /** check_recipient asks the plan, which must see the keys. */
  function withKeys(facts: AddressFacts): AddressFacts | Promise<AddressFacts> {
    const { keysUnread: id, recipient } = facts;
    if (id === null) return facts;
    return after(
      userKeys.get(String(id), () => reader.keys(id)),
      (keys) => {
        const { resolution } = recipient;
        const [user] = resolution.kind === 'user' ? resolution.readers : [];
        if (user?.kind !== 'user') throw new Error('keys of no user');
        const readers = [{ ...user, keys }] as const;
        return {
          ...facts,
          keysUnread: null,
          recipient: { ...recipient, resolution: { ...resolution, kind: 'user', readers, via: [] } },
        };
      },
    );
  }

  function ask(map: MapName, key: string, size: number | null): Answer | Promise<Answer> {
    switch (map) {
      case 'virtual_domains':
      case 'relay_domains': {
        const name = normaliseDomain(textOf(key));
        const wanted = map === 'virtual_domains' ? 'virtual' : 'relay';
        if (name === null) return domainClass(name, null, wanted, answerOptions);
        return after(domainOf(name), (facts) => domainClass(name, facts, wanted, answerOptions));
      }
      case 'client_fingerprint': {
        const canonical = normaliseFingerprint(key);
        const today = new Date(clock()).toISOString().slice(0, 10);
        if (canonical === null) return clientFingerprint(null, null, today);
        const expires = fingerprints.get(canonical, () => reader.fingerprint(canonical));
        return after(expires, (expiresOn) => clientFingerprint(canonical, expiresOn, today));
      }
      default:
        return askAddress(map, key, size);
    }
  }

  function askAddress(
    map: 'check_recipient' | 'virtual_alias' | 'virtual_mailbox' | 'transport' | 'sender_login',
    key: string,
    size: number | null,
  ): Answer | Promise<Answer> {
    // An access map has an answer for the quoted form of every address of ours: there is no second question.
    const parts = parsePath(map === 'check_recipient' ? key : pathOfKey(key));
    if (parts === null) {
      const name = map === 'transport' ? normaliseDomain(textOf(key)) : null;
      return name === null ? notFound('the key is no address') : after(domainOf(name), domainTransport);
    }
    const facts = addressOf(parts);
    switch (map) {
      case 'check_recipient':
        return after(facts, (unread) =>
          after(withKeys(unread), (known) =>
            after(decider.beforehand(known.recipient), (decided) =>
              checkRecipient(known, size, decided, answerOptions),
            ),
          ),
        );
      case 'virtual_alias':
        return after(facts, (known) => virtualAlias(known, answerOptions));
      case 'virtual_mailbox':
        return after(facts, virtualMailbox);
      case 'transport':
        return after(facts, transport);
      case 'sender_login':
        return after(facts, (known) =>
          after(
            senders.get(toAddress(parts, false), () => reader.grants(parts)),
            (grants) => senderLogin(known, grants),
          ),
        );
    }
  }

  function failed(map: MapName, error: unknown): Answer {
    if (error instanceof DirectoryUnavailable)
      return { kind: 'temporary', enhanced: LOOKUP_FAILED.notReached, reason: error.message };
    logger.error({ err: error, map }, 'a lookup failed');
    return { kind: 'temporary', enhanced: LOOKUP_FAILED.internal, reason: 'an internal error' };
  }

  return {
    answer(map, key, details) {
      const started = performance.now();
      try {
        const answer = ask(map, key, details.size ?? null);
        if (!(answer instanceof Promise))
          return record({ map, key, protocol: details.protocol }, answer, started);
        return within(DEADLINE_MS, answer, TOO_LATE).then(
          (known) => record({ map, key, protocol: details.protocol }, known, started),
          (error: unknown) => record({ map, key, protocol: details.protocol }, failed(map, error), started),
        );
      } catch (error) {
        return record({ map, key, protocol: details.protocol }, failed(map, error), started);
      }
    },

    invalidate({ table, key }) {
      database.changed();
      if (key === null) changes.noteAll();
      else if (table === 'user_usage' || table === 'incoming_counts') changes.note(`usage:${key}`, true);
      else if (table === 'sender_logins') changes.note(`sender:${key}`);
      else if (table === 'client_fingerprints') changes.note(`fingerprint:${key}`);
      else {
        const name = dependencyName(table, key);
        if (name !== null) changes.note(name);
      }
    },

    lost: () => trust.lost(),

    restored() {
      trust.restored();
      // Nobody joins a reading from before: what it missed would go into an answer that counts as true.
      changes.note('notifications restored');
      database.changed();
      database.back();
    },

    reconfigure(next) {
      encryption = next.encryption;
    },

    cached: () => domains.size + addresses.size + userKeys.size + senders.size + fingerprints.size,
  };
}

/** Goes on at once where the value is there, else when it is: a promise costs more than a cached lookup. */
function after<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Bytes as text, for what is no path; broken UTF-8 becomes something that nobody has. */
function textOf(key: string): string {
  return Buffer.from(key, 'latin1').toString('utf8');
}

function keyBytes(keys: readonly StoredKey[]): number {
  return keys.reduce((total, { certificate }) => total + certificate.byteLength, 0);
}

function sizeOfDomain(facts: DomainFacts | null): number {
  return ENTRY_BYTES + (facts === null ? 0 : keyBytes(facts.keys));
}

/** The domain and its keys are shared with the domain's own entry. */
function sizeOfAddress(facts: AddressFacts): number {
  const readers = readersOf(facts);
  return (
    ENTRY_BYTES * (1 + Math.floor(readers.length / 2)) +
    readers.reduce((total, each) => total + (each.kind === 'outside' ? 0 : keyBytes(each.keys)), 0)
  );
}

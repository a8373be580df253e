// The directory over the database: a bounded cache of positive and negative answers, dropped by change notifications, one query
// for identical look-ups in flight. A database that is away is an error, never "nobody".
import { LRUCache } from 'lru-cache';
import type { Config } from '../config/schema.ts';
import type { Change } from '../database/notifications.ts';
import type { Database } from '../database/open.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { emptyRows, loadRows, type MutableRows } from './load.ts';
import { normaliseDomain, parsePath } from './normalise.ts';
import { MAX_ALIAS_DEPTH, resolveRecipient } from './resolve.ts';
import { type Directory, DirectoryUnavailable, type RecipientFacts } from './types.ts';

/** A directory with a cache that has to be told of changes. */
export interface CachedDirectory extends Directory {
  /** Forgets what depends on the changed row; also answers that are under way. */
  invalidate(change: Change): void;
  /** Forgets everything: notifications may have been missed. */
  dropAll(): void;
}

export interface DirectoryOptions {
  readonly database: Pick<Database, 'pool'>;
  readonly config: Pick<Config, 'recipient_delimiter' | 'mailbox_domain' | 'hostname'>;
  readonly metrics?: Metrics;
  readonly logger?: Logger;
  /** Answers that are kept at most. */
  readonly maxEntries?: number;
  /** Bytes that they may take, certificates included. */
  readonly maxBytes?: number;
}

interface Answer {
  readonly facts: RecipientFacts;
  /** Names of what it rests on: `domain:NAME`, `address:ADDRESS`, `user:ID`, and key owners. */
  readonly dependsOn: readonly string[];
}

/** Beside the certificates: parts, tags, map entries. Bytes, estimated. */
const ANSWER_OVERHEAD = 2048;

/**
 * Makes a cached directory. Nothing is queried before the first look-up.
 * @returns `recipient` rejects with DirectoryUnavailable whenever the answer cannot be known
 */
export function createDirectory(options: DirectoryOptions): CachedDirectory {
  const { config, logger, metrics } = options;
  const resolveOptions = {
    delimiters: config.recipient_delimiter,
    mailboxDomain: config.mailbox_domain === '' ? '' : (normaliseDomain(config.mailbox_domain) ?? ''),
  };
  /** What depends on a name: the cache keys (paths) of the answers. */
  const dependants = new Map<string, Set<string>>();
  const inFlight = new Map<string, Promise<RecipientFacts>>();
  /** Counts changes: an answer that was read before one must not be kept after it. */
  let generation = 0;

  const cache = new LRUCache<string, Answer>({
    max: options.maxEntries ?? 100_000,
    maxSize: options.maxBytes ?? 64 * 1024 * 1024,
    sizeCalculation: (answer) => ANSWER_OVERHEAD + certificateBytes(answer.facts),
    dispose: (answer, path) => {
      for (const name of answer.dependsOn) {
        const paths = dependants.get(name);
        paths?.delete(path);
        if (paths?.size === 0) dependants.delete(name);
      }
    },
  });

  function keep(path: string, answer: Answer): void {
    cache.set(path, answer);
    if (!cache.has(path)) return;
    for (const name of answer.dependsOn) {
      const paths = dependants.get(name);
      if (paths === undefined) dependants.set(name, new Set([path]));
      else paths.add(path);
    }
  }

  async function ask(path: string): Promise<RecipientFacts> {
    const parts = parsePath(path, config.hostname);
    if (parts === null)
      return { address: null, resolution: { kind: 'nobody' }, domain: null, domainKeys: [] };
    const before = generation;
    const rows = emptyRows();
    const loaded = { addresses: new Set<string>(), domains: new Set<string>(), users: new Set<number>() };
    // Every round goes one alias deeper; the chain ends below the limit, or is a loop.
    for (let round = 0; round <= MAX_ALIAS_DEPTH + 1; round++) {
      const { facts, asked } = resolveRecipient(rows, parts, resolveOptions);
      const wanted = {
        addresses: [...asked.addresses].filter((name) => !loaded.addresses.has(name)),
        domains: [...asked.domains].filter((name) => !loaded.domains.has(name)),
        users: [...asked.users].filter((id) => !loaded.users.has(id)),
      };
      if (wanted.addresses.length + wanted.domains.length + wanted.users.length === 0) {
        if (facts.resolution.kind === 'loop')
          logger?.warn({ via: facts.resolution.via.length }, 'alias loop');
        if (before === generation) keep(path, { facts, dependsOn: namesOf(rows, loaded) });
        return facts;
      }
      await load(wanted, rows);
      for (const name of wanted.addresses) loaded.addresses.add(name);
      for (const name of wanted.domains) loaded.domains.add(name);
      for (const id of wanted.users) loaded.users.add(id);
    }
    throw new DirectoryUnavailable('the directory changed faster than it could be read');
  }

  async function load(wanted: Parameters<typeof loadRows>[1], rows: MutableRows): Promise<void> {
    try {
      await loadRows(options.database.pool, wanted, rows);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new DirectoryUnavailable(`the directory cannot be read: ${reason}`, { cause: error });
    }
  }

  return {
    recipient(path) {
      const known = cache.get(path);
      if (known !== undefined) {
        metrics?.directoryLookups.inc({ result: 'hit' });
        return Promise.resolve(known.facts);
      }
      const underWay = inFlight.get(path);
      if (underWay !== undefined) return underWay;
      const answer = ask(path)
        .then(
          (facts) => {
            metrics?.directoryLookups.inc({ result: 'miss' });
            return facts;
          },
          (error: unknown) => {
            metrics?.directoryLookups.inc({ result: 'error' });
            throw error;
          },
        )
        .finally(() => {
          if (inFlight.get(path) === answer) inFlight.delete(path);
        });
      inFlight.set(path, answer);
      return answer;
    },

    invalidate(change) {
      generation++;
      inFlight.clear();
      if (change.key === null) {
        cache.clear();
        return;
      }
      for (const path of [...(dependants.get(nameOf(change.table, change.key)) ?? [])]) cache.delete(path);
    },

    dropAll() {
      generation++;
      inFlight.clear();
      cache.clear();
    },
  };
}

/** The name under which answers depend on a changed row. */
function nameOf(table: Change['table'], key: string): string {
  switch (table) {
    case 'domains':
      return `domain:${key}`;
    case 'users':
      return `user:${key}`;
    case 'addresses':
    case 'alias_targets':
      return `address:${key}`;
    case 'keys':
      return `key of ${key}`;
  }
}

function namesOf(
  rows: MutableRows,
  loaded: {
    readonly addresses: ReadonlySet<string>;
    readonly domains: ReadonlySet<string>;
    readonly users: ReadonlySet<number>;
  },
): readonly string[] {
  const names = new Set<string>();
  for (const address of loaded.addresses) names.add(`address:${address}`);
  for (const domain of loaded.domains) names.add(`domain:${domain}`);
  for (const id of loaded.users) {
    names.add(`user:${id}`);
    names.add(`key of user:${id}`);
  }
  for (const user of rows.users.values()) {
    names.add(`user:${user.id}`);
    names.add(`key of user:${user.id}`);
    names.add(`address:${user.address}`);
  }
  for (const domain of rows.domains.values()) {
    names.add(`domain:${domain.name}`);
    names.add(`key of domain:${domain.id}`);
  }
  for (const address of rows.addresses.values()) {
    if (address.kind === 'contact') names.add(`key of contact:${address.id}`);
  }
  return [...names];
}

function certificateBytes(facts: RecipientFacts): number {
  const readers = 'readers' in facts.resolution ? facts.resolution.readers : [];
  const keys = [
    ...facts.domainKeys,
    ...readers.flatMap((reader) => (reader.kind === 'outside' ? [] : reader.keys)),
  ];
  return keys.reduce((total, key) => total + key.certificate.byteLength, 0);
}

// The directory over the database: a bounded cache of positive and negative answers, dropped by change notifications, one query
// for identical look-ups in flight. A database that is away is an error, never "nobody".
import { LRUCache } from 'lru-cache';
import { type AddressParts, normaliseDomain, parsePath } from '../address/normalise.ts';
import type { Config } from '../config/schema.ts';
import type { VersionTracker } from '../database/directory-version.ts';
import type { Change } from '../database/notifications.ts';
import type { Database } from '../database/open.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { dependencyName, type ReadRecipient, readRecipient } from './read.ts';
import { type Directory, DirectoryUnavailable, type RecipientFacts } from './types.ts';

/** A directory with a cache that has to be told of changes. */
export interface CachedDirectory extends Directory {
  /** Forgets what depends on the changed row; also answers that are under way. */
  invalidate(change: Change): void;
  /** Forgets everything: notifications may have been missed. */
  dropAll(): void;
  /** Whether changes are told of. While they are not, every look-up asks the database. Forgets everything, either way. */
  watch(watching: boolean): void;
  /** Answers that are kept. */
  kept(): number;
}

export interface DirectoryOptions {
  readonly database: Pick<Database, 'pool'>;
  readonly config: Pick<Config, 'recipient_delimiter' | 'mailbox_domain' | 'hostname'>;
  readonly metrics?: Metrics;
  readonly logger?: Logger;
  /** What tells of changes for certain; without it every read counts as the newest. */
  readonly versions?: Pick<VersionTracker, 'check'>;
  /** Bytes that the kept answers may take, certificates included. */
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
  /** Nobody tells of changes: nothing may be kept. */
  let blind = false;

  const cache = new LRUCache<string, Answer>({
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

  function dropAll(): void {
    generation++;
    inFlight.clear();
    cache.clear();
  }

  async function ask(path: string): Promise<RecipientFacts> {
    const parts = parsePath(path, config.hostname);
    if (parts === null)
      return { address: null, resolution: { kind: 'nobody' }, domain: null, domainKeys: [] };
    const before = generation;
    const { facts, dependsOn } = await read(parts);
    if (facts.resolution.kind === 'loop') logger?.warn({ via: facts.resolution.via.length }, 'alias loop');
    if (before === generation && !blind) keep(path, { facts, dependsOn });
    return facts;
  }

  async function read(parts: AddressParts): Promise<ReadRecipient> {
    try {
      return await readRecipient(options.database.pool, parts, resolveOptions, options.versions);
    } catch (error) {
      if (error instanceof DirectoryUnavailable) throw error;
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
      const name = dependencyName(change.table, change.key ?? '');
      // What the lookup daemons alone care for.
      if (name === null) return;
      generation++;
      inFlight.clear();
      if (change.key === null) {
        cache.clear();
        return;
      }
      for (const path of [...(dependants.get(name) ?? [])]) cache.delete(path);
    },

    dropAll,
    kept: () => cache.size,

    watch(watching) {
      blind = !watching;
      dropAll();
    },
  };
}

function certificateBytes(facts: RecipientFacts): number {
  const readers = 'readers' in facts.resolution ? facts.resolution.readers : [];
  const keys = [
    ...facts.domainKeys,
    ...readers.flatMap((reader) => (reader.kind === 'outside' ? [] : reader.keys)),
  ];
  return keys.reduce((total, key) => total + key.certificate.byteLength, 0);
}

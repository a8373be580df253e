// The directory over the database: a bounded cache of positive and negative answers, dropped by change notifications, one query
// for identical look-ups in flight. A database that is away is an error, never "nobody".
import { LRUCache } from 'lru-cache';
import { normaliseDomain } from '../address/normalise.ts';
import { type ReadingRules, type Readings, readingsOf } from '../address/readings.ts';
import type { Config } from '../config/schema.ts';
import type { VersionTracker } from '../database/directory-version.ts';
import type { Change } from '../database/notifications.ts';
import type { Database } from '../database/open.ts';
import { domainOfHost, ownNames } from '../host/own-names.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { dependencyName, type ReadRecipient, readReadings } from './read.ts';
import type { ReadOnOptions } from './read-on.ts';
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

export interface DirectoryContext {
  readonly database: Pick<Database, 'pool'>;
  readonly config: Pick<Config, 'recipient_delimiter' | 'mailbox_domain' | 'hostname' | 'postfix'>;
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

/** What is kept of the directory, and what is under way. */
interface Kept {
  readonly context: DirectoryContext;
  readonly resolving: ReadOnOptions;
  readonly reading: ReadingRules;
  /** By path. */
  readonly answers: LRUCache<string, Answer>;
  /** The paths of the answers that depend on a name. */
  readonly dependants: Map<string, Set<string>>;
  readonly inFlight: Map<string, Promise<RecipientFacts>>;
  /** Counts changes: an answer that was read before one must not be kept after it. */
  generation: number;
  /** Nobody tells of changes: nothing may be kept. */
  blind: boolean;
}

/**
 * Makes a cached directory. Nothing is queried before the first look-up.
 * @returns `recipient` rejects with DirectoryUnavailable whenever the answer cannot be known
 */
export function createDirectory(context: DirectoryContext): CachedDirectory {
  const dependants = new Map<string, Set<string>>();
  const answers = new LRUCache<string, Answer>({
    maxSize: context.maxBytes ?? 64 * 1024 * 1024,
    sizeCalculation: (answer) => ANSWER_OVERHEAD + certificateBytes(answer.facts),
    dispose: (answer, path) => {
      for (const name of answer.dependsOn) {
        const paths = dependants.get(name);
        paths?.delete(path);
        if (paths?.size === 0) dependants.delete(name);
      }
    },
  });
  const kept: Kept = {
    context,
    ...readOnSettings(context.config),
    answers,
    dependants,
    inFlight: new Map(),
    generation: 0,
    blind: false,
  };
  return {
    recipient: (path) => recipient(kept, path),
    invalidate: (change) => invalidate(kept, change),
    dropAll: () => dropAll(kept),
    kept: () => answers.size,
    watch(watching) {
      kept.blind = !watching;
      dropAll(kept);
    },
  };
}

function recipient(kept: Kept, path: string): Promise<RecipientFacts> {
  const { answers, inFlight, context } = kept;
  const count = (result: 'hit' | 'miss' | 'error') => context.metrics?.directoryLookups.inc({ result });
  const known = answers.get(path);
  if (known !== undefined) {
    count('hit');
    return Promise.resolve(known.facts);
  }
  const underWay = inFlight.get(path);
  if (underWay !== undefined) return underWay;
  const answer = ask(kept, path)
    .then(
      (facts) => {
        count('miss');
        return facts;
      },
      (error: unknown) => {
        count('error');
        throw error;
      },
    )
    .finally(() => {
      if (inFlight.get(path) === answer) inFlight.delete(path);
    });
  inFlight.set(path, answer);
  return answer;
}

async function ask(kept: Kept, path: string): Promise<RecipientFacts> {
  const { logger } = kept.context;
  const before = kept.generation;
  const { facts, dependsOn, mayBeKept } = await read(kept, readingsOf(path, kept.reading));
  if (facts.resolution.kind === 'loop')
    logger?.warn({ event: 'alias_loop', via: facts.resolution.via.length }, 'alias loop');
  if (before === kept.generation && !kept.blind && mayBeKept) keep(kept, path, { facts, dependsOn });
  return facts;
}

async function read({ context, resolving }: Kept, readings: Readings): Promise<ReadRecipient> {
  try {
    return await readReadings(context.database.pool, readings, resolving, context.versions);
  } catch (error) {
    if (error instanceof DirectoryUnavailable) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new DirectoryUnavailable(`the directory cannot be read: ${reason}`, { cause: error });
  }
}

function keep({ answers, dependants }: Kept, path: string, answer: Answer): void {
  answers.set(path, answer);
  if (!answers.has(path)) return;
  for (const name of answer.dependsOn) {
    const paths = dependants.get(name);
    if (paths === undefined) dependants.set(name, new Set([path]));
    else paths.add(path);
  }
}

function invalidate(kept: Kept, { table, key }: Change): void {
  const name = dependencyName(table, key ?? '');
  // What the lookup daemons alone care for.
  if (name === null) return;
  if (key === null) {
    dropAll(kept);
    return;
  }
  kept.generation++;
  kept.inFlight.clear();
  for (const path of [...(kept.dependants.get(name) ?? [])]) kept.answers.delete(path);
}

function dropAll(kept: Kept): void {
  kept.generation++;
  kept.inFlight.clear();
  kept.answers.clear();
}

/** How a configuration has addresses resolved and read on, for everybody who does. */
export function readOnSettings(config: DirectoryContext['config']): {
  readonly resolving: ReadOnOptions;
  readonly reading: ReadingRules;
} {
  return {
    resolving: {
      delimiters: config.recipient_delimiter,
      mailboxDomain: normaliseDomain(config.mailbox_domain) ?? '',
      machineNames: ownNames(config.hostname),
    },
    reading: readingRulesOf(config),
  };
}

/** What [postfix] and the host name say of reading an address. */
function readingRulesOf({ postfix, hostname }: Pick<Config, 'postfix' | 'hostname'>): ReadingRules {
  return {
    percentHack: postfix.percent_hack,
    bangpath: postfix.bangpath,
    dequote: postfix.dequote,
    origin: hostname,
    hostname,
    maybeAppended: domainOfHost(hostname),
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

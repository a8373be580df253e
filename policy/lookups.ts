// The one place where every protocol and `sealpost lookup` get their answers: a map and a key in, an answer out, within 5 s.

import { normaliseDomain } from '../src/address/normalise.ts';
import type { Config } from '../src/config/schema.ts';
import type { Change } from '../src/database/notifications.ts';
import { createDecider } from '../src/delivery/decide.ts';
import { keyAddressOf } from '../src/delivery/key-address.ts';
import { DirectoryUnavailable } from '../src/directory/types.ts';
import { createKeyCache } from '../src/keys/cache.ts';
import type { Logger } from '../src/observe/log.ts';
import type { Metrics } from '../src/observe/metrics.ts';
import { addressForm, pseudonymsOf } from '../src/observe/pseudonym.ts';
import { within } from '../src/pacing/within.ts';
import { LOOKUP_FAILED } from '../src/smtp/our-replies.ts';
import type { Told } from './answer-cache.ts';
import { ask } from './ask.ts';
import { type CachesContext, createLookupCaches } from './caches.ts';
import type { LookupDatabase } from './database.ts';
import { type Answer, type MapName, refusesForGood } from './facts.ts';
import { createKeptAnswers } from './kept-answers.ts';
import { createKeyReader } from './read-key.ts';
import { createLookupRecorder } from './record-lookup.ts';
import type { LookupProtocol } from './reply-limits.ts';

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
  /** Takes the [encryption] and [log] settings of a configuration that was read again. */
  reconfigure(config: Pick<Config, 'encryption' | 'log'>): void;
  /** Entries in the caches. */
  cached(): number;
}

export interface LookupsContext {
  readonly config: CachesContext['config'] &
    Pick<Config, 'encryption' | 'keys' | 'log' | 'portal' | 'state_dir'>;
  readonly database: LookupDatabase;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** Unix milliseconds; replaced by tests. */
  readonly clock?: () => number;
}

/** Below 5 s, the longest that an answer may take. */
const DEADLINE_MS = 4500;

const TOO_LATE: Answer = {
  kind: 'temporary',
  enhanced: LOOKUP_FAILED.notReached,
  reason: 'the database did not answer in time',
};
/** What was true before the database went away may refuse somebody who is there by now. */
const MAY_BE_STALE: Answer = {
  kind: 'temporary',
  enhanced: LOOKUP_FAILED.notReached,
  reason: 'the database does not answer, and a refusal from the cache could be wrong by now',
};

/** Makes the lookups. Nothing is asked before the first question. */
export function createLookups(context: LookupsContext): Lookups {
  const { config, database, logger, metrics } = context;
  const clock = context.clock ?? Date.now;
  const caches = createLookupCaches({ config, database, metrics, clock });
  const pseudonym = pseudonymsOf(config.state_dir);
  let { encryption, log } = config;
  const record = createLookupRecorder(logger, metrics, (path, ours) =>
    addressForm(log.addresses, pseudonym)(path, ours),
  );
  const { inspect } = createKeyCache({ allowSha1: config.keys.allow_sha1 });
  const kept = createKeptAnswers();
  const asking = {
    caches,
    keys: createKeyReader(),
    kept,
    decider: createDecider({ inspect, global: () => encryption, now: clock }),
    clock,
    options: {
      mailboxDomain: normaliseDomain(config.mailbox_domain) ?? '',
      delimiters: config.recipient_delimiter,
      propagateExtension: config.policy.propagate_extension,
      keyAddress: keyAddressOf(config),
    },
  };
  return {
    answer(map, key, details) {
      const started = performance.now();
      const question = { map, key, protocol: details.protocol };
      try {
        const told = { stale: false, fresh: false };
        const answer = ask(asking, map, { key, size: details.size ?? null, told });
        if (!(answer instanceof Promise)) return record(question, unlessStale(answer, told), started);
        return within(DEADLINE_MS, answer, TOO_LATE).then(
          (known) => record(question, unlessStale(known, told), started),
          (error: unknown) => record(question, failed(map, error, logger), started),
        );
      } catch (error) {
        return record(question, failed(map, error, logger), started);
      }
    },
    invalidate: (change) => caches.invalidate(change),
    lost: () => caches.lost(),
    restored: () => caches.restored(),
    reconfigure(next) {
      ({ encryption, log } = next);
      kept.forget();
    },
    cached: () => caches.entries(),
  };
}

function unlessStale(answer: Answer, { stale }: Told): Answer {
  return stale && refusesForGood(answer) ? MAY_BE_STALE : answer;
}

function failed(map: MapName, error: unknown, logger: Logger): Answer {
  if (error instanceof DirectoryUnavailable)
    return { kind: 'temporary', enhanced: LOOKUP_FAILED.notReached, reason: error.message };
  logger.error({ event: 'lookup_failed', err: error, map }, 'a lookup failed');
  return { kind: 'temporary', enhanced: LOOKUP_FAILED.internal, reason: 'an internal error' };
}

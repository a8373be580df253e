// SIGHUP: what of a new configuration takes effect at once, what waits for a restart, and one reload after the other.
import type { Config } from '../config/schema.ts';
import type { Logger } from '../observe/log.ts';

/** What is fixed at start; everything else takes effect on SIGHUP. */
const FIXED_KEYS = [
  'hostname',
  'state_dir',
  'recipient_delimiter',
  'mailbox_domain',
  'database',
  'keys',
  'policy',
] as const;
const FIXED_IN_FILTER = ['memory_budget', 'duplicate_lifetime'] as const;
const FIXED_IN_RECEIVER = ['spool', 'listen', 'mode', 'group', 'api'] as const;
const FIXED_IN_OBSERVE = ['listen'] as const;

/**
 * The new configuration as a running serve can follow it: what is fixed at start stays as it was, so that no part of the
 * program uses the old value and another one the new. Pure.
 */
export function followable(started: Config, next: Config): Config {
  return {
    ...next,
    ...pick(started, FIXED_KEYS),
    filter: { ...next.filter, ...pick(started.filter, FIXED_IN_FILTER) },
    receiver: { ...next.receiver, ...pick(started.receiver, FIXED_IN_RECEIVER) },
    observe: { ...next.observe, ...pick(started.observe, FIXED_IN_OBSERVE) },
  };
}

/** The keys of the new configuration that wait for a restart. Pure. */
export function dueOnRestart(started: Config, next: Config): readonly string[] {
  return [
    ...differing(started, next, FIXED_KEYS),
    ...differing(started.filter, next.filter, FIXED_IN_FILTER).map((key) => `filter.${key}`),
    ...differing(started.receiver, next.receiver, FIXED_IN_RECEIVER).map((key) => `receiver.${key}`),
    ...differing(started.observe, next.observe, FIXED_IN_OBSERVE).map((key) => `observe.${key}`),
  ];
}

function pick<T, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>;
}

function differing<T, K extends keyof T>(one: T, other: T, keys: readonly K[]): readonly K[] {
  return keys.filter((key) => JSON.stringify(one[key]) !== JSON.stringify(other[key]));
}

export interface ReloadOptions {
  /** What serve started with. */
  readonly started: Config;
  /** @throws ConfigError */
  readonly load: () => Config;
  /** Makes the parts of the program follow. When it throws, all of them are as they were. */
  readonly take: (config: Config) => Promise<void>;
  readonly logger: Logger;
}

export interface Reloads {
  /** The configuration that holds now. */
  current(): Config;
  /**
   * Reads the configuration again and takes it; one that is wrong, or whose listeners cannot be opened, is logged, and
   * nothing changes. Each reload waits for those before it: else an older file could be taken after a newer one.
   * Never rejects.
   */
  reload(): Promise<void>;
}

export function createReloads({ started, load, take, logger }: ReloadOptions): Reloads {
  let current = started;
  let last = Promise.resolve();

  async function reloadNow(): Promise<void> {
    try {
      const loaded = load();
      const next = followable(started, loaded);
      await take(next);
      current = next;
      logger.level = next.observe.log_level;
      logger.info({ needsRestart: dueOnRestart(started, loaded) }, 'configuration re-read');
    } catch (error) {
      logger.error({ err: error }, 'the new configuration is not used');
    }
  }

  return {
    current: () => current,
    reload() {
      last = last.then(reloadNow);
      return last;
    },
  };
}

// SIGHUP: what of a new configuration takes effect at once, what waits for a restart, and one reload after the other.
import type { Config } from '../config/schema.ts';
import type { Logger } from '../observe/log.ts';
import type { ConfigKey } from './parts/part.ts';

/**
 * The new configuration as a running serve can follow it: what is fixed at start stays as it was, so that no part of the
 * program uses the old value and another one the new. Pure.
 */
export function followable(started: Config, next: Config, fixed: readonly ConfigKey[]): Config {
  return fixed.reduce((config, key) => withKey(config, started, key), next);
}

/** The keys of the new configuration that wait for a restart. Pure. */
export function dueOnRestart(
  started: Config,
  next: Config,
  fixed: readonly ConfigKey[],
): readonly ConfigKey[] {
  const written = (config: Config, key: ConfigKey): string => JSON.stringify(settingOf(config, key));
  return fixed.filter((key) => written(started, key) !== written(next, key));
}

type Table = Readonly<Record<string, unknown>>;

/** A section or a value is looked up by name, since the keys of all parts stand in one list. */
function tableOf(value: unknown): Table {
  return typeof value === 'object' && value !== null ? (value as Table) : {};
}

function settingOf(config: Config, key: ConfigKey): unknown {
  return key.split('.').reduce((value: unknown, name) => tableOf(value)[name], config);
}

/** `config` with the value that `from` has for one key. */
function withKey(config: Config, from: Config, key: ConfigKey): Config {
  const [section = '', name] = key.split('.');
  const value = settingOf(from, key);
  return {
    ...config,
    [section]: name === undefined ? value : { ...tableOf(tableOf(config)[section]), [name]: value },
  };
}

export interface ReloadOptions {
  /** What serve started with. */
  readonly started: Config;
  /** What is fixed at start; everything else takes effect on SIGHUP. */
  readonly fixed: readonly ConfigKey[];
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

export function createReloads({ started, fixed, load, take, logger }: ReloadOptions): Reloads {
  let current = started;
  let last = Promise.resolve();

  async function reloadNow(): Promise<void> {
    try {
      const loaded = load();
      const next = followable(started, loaded, fixed);
      await take(next);
      current = next;
      logger.level = next.observe.log_level;
      logger.info(
        { event: 'reloaded', needs_restart: dueOnRestart(started, loaded, fixed) },
        'configuration re-read',
      );
    } catch (error) {
      logger.error({ event: 'reload_refused', err: error }, 'the new configuration is not used');
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

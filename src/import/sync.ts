// Follows a panel: reads it again and again, and writes what has changed. Whatever is wrong with it is told once, and changes
// nothing: it is away, it came back empty, its schema is another one, too much has gone.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/schema.ts';
import { isDatabaseUnavailable, isOvertaken, rootReason } from '../database/errors.ts';
import type { Database } from '../database/open.ts';
import type { Logger } from '../observe/log.ts';
import { applyImport, planImport } from './apply.ts';
import type { ApplyOptions } from './context.ts';
import { panelNamed } from './formats/panels.ts';
import { type Source, SourceAway, SourceRefused } from './formats/rows.ts';
import { countOf, type Tally } from './outcome.ts';
import type { ReadRows } from './plan.ts';
import { readSource } from './read.ts';

export type SyncEntry = Config['sync'][number];

export interface SyncContext {
  readonly database: Pick<Database, 'pool'>;
  /** Read for every run. */
  readonly config: () => Config;
  readonly logger: Logger;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** How the last look at a panel went. */
export interface SyncState {
  readonly source: string;
  /** `waiting`: it was not looked at yet. */
  readonly state: 'waiting' | 'ok' | 'away' | 'refused';
  /** Why nothing was changed; null: it was, or nothing was to be changed. */
  readonly because: string | null;
  /** RFC 3339. */
  readonly last_run: string | null;
  readonly last_change: string | null;
  /** Rows that cannot be taken. */
  readonly refused: number;
}

export interface Sync {
  describe(): readonly SyncState[];
  /** Ends between two looks; one that is under way ends as a whole. Never throws. */
  close(): Promise<void>;
}

/** Starts to follow, the first look at once. Never throws: also a DSN that cannot be read is told as a state. */
export function startSync(entries: readonly SyncEntry[], context: SyncContext): Sync {
  const followers = entries.map((entry) => follow(entry, context));
  return {
    describe: () => followers.map((follower) => follower.describe()),
    async close() {
      await Promise.all(followers.map((follower) => follower.close()));
    },
  };
}

/** The state before the first look. */
export function notLookedYet({ source }: Pick<SyncEntry, 'source'>): SyncState {
  return { source, state: 'waiting', because: null, last_run: null, last_change: null, refused: 0 };
}

function follow(entry: SyncEntry, context: SyncContext) {
  let state = notLookedYet(entry);
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      state = await look(entry, state, context);
      await sleep(entry.every, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    describe: () => state,
    async close() {
      stop.abort();
      await running;
    },
  };
}

/** One look at a panel, with the state after it. Never throws. */
export async function look(entry: SyncEntry, before: SyncState, context: SyncContext): Promise<SyncState> {
  const { logger, now } = context;
  const last_run = new Date(now()).toISOString();
  try {
    const source = panelNamed(entry.source, entry.url);
    const { changed, refused } = await syncOnce(source, entry, context);
    const state: SyncState = {
      source: source.name,
      state: 'ok',
      because: null,
      last_run,
      last_change: changed === null ? before.last_change : last_run,
      refused,
    };
    if (before.state === 'away' || before.state === 'refused')
      logger.info({ event: 'sync_back', source: source.name }, 'the panel is followed again');
    if (changed !== null)
      logger.info({ event: 'synced', source: source.name, ...changed }, 'the directory follows the panel');
    if (refused > 0 && refused !== before.refused)
      logger.warn(
        { event: 'sync_rows_refused', source: source.name, refused },
        'rows of the panel cannot be taken: see "sealpost import", which names them',
      );
    return state;
  } catch (error) {
    const isAway = error instanceof SourceAway || isOvertaken(error) || isDatabaseUnavailable(error);
    const state = isAway ? 'away' : 'refused';
    const because = rootReason(error);
    if (before.state !== state || before.because !== because) {
      if (isAway)
        logger.warn(
          { event: 'sync_away', source: before.source, because },
          'the panel could not be followed; nothing was changed, and it is tried again',
        );
      else
        logger.error(
          { event: 'sync_refused', source: before.source, because },
          'the panel is not followed as it is; nothing was changed',
        );
    }
    return { ...before, state, because, last_run };
  }
}

type Changes = Readonly<Record<string, number>>;

interface Looked {
  /** Counts of what was changed; null: nothing. */
  readonly changed: Changes | null;
  readonly refused: number;
}

/** @throws SourceAway, SourceRefused, ChangeRefused */
async function syncOnce(
  source: Source,
  { remove }: Pick<SyncEntry, 'remove'>,
  { database, config, now }: Pick<SyncContext, 'database' | 'config' | 'now'>,
): Promise<Looked> {
  const { keys, recipient_delimiter: delimiters } = config();
  const options: ApplyOptions = {
    delimiters,
    expired: 'take',
    domains: [],
    remove,
    yes: false,
    keys: { policy: { allowSha1: keys.allow_sha1 }, actor: 'sync', now: now() },
  };
  const rows = await readSource(source, options.keys, () => undefined);
  if (isEmpty(rows))
    throw new SourceRefused('the panel came back empty: it has no domain, no mailbox and no alias');
  const context = { database, source, options, progress: () => undefined };
  // Without locks first: mostly nothing has changed.
  const planned = await planImport(rows, context);
  const refused = countOf(planned.tally, 'refused');
  if (countOf(planned.tally, ...CHANGES) === 0) return { changed: null, refused };
  const { tally } = await applyImport(rows, context);
  return { changed: changesOf(tally), refused };
}

function isEmpty({ domains, users, aliases, keys }: ReadRows): boolean {
  return domains.length + users.length + aliases.length + keys.length === 0;
}

const CHANGES = ['added', 'changed', 'disabled', 'removed'] as const;

function changesOf(tally: Tally): Changes {
  return Object.fromEntries(
    CHANGES.flatMap((outcome) => {
      const count = countOf(tally, outcome);
      return count === 0 ? [] : [[outcome, count]];
    }),
  );
}

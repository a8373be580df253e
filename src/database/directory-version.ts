// The version of the directory (migrations/0012_directory_version.sql), and what changed since one is known. A cache is true as
// of a version; the statement that every message runs anyway tells the version, so that no answer rests on a notification that
// may not have come.
import type pg from 'pg';
import { DatabaseUnavailable } from './embedded/unavailable.ts';
import { type Change, isChangedTable } from './notifications.ts';

/** A point in the history of one directory. */
export interface DirectoryVersion {
  readonly version: number;
  /** New with every version. */
  readonly stamp: string;
  /** PostgreSQL's timeline, which a promotion raises; 0 on a standby. */
  readonly timeline: number;
  /** RFC 3339: the directory is as a backup of that moment had it, and nobody has accepted that yet. */
  readonly restored_from?: string | null;
}

/** What a statement tells of the version, beside its own rows. */
export interface VersionReport {
  readonly now: DirectoryVersion & { readonly floor: number };
  /** The stamp that the version which was asked with has here; null where that is not known any more. */
  readonly then: string | null;
  /** Since that version, oldest first; cut off beyond {@link MOST_CHANGES}. */
  readonly changes: readonly {
    readonly version: number;
    readonly table: string;
    readonly key: string | null;
  }[];
}

export interface VersionTracker {
  /** The version to ask with: what is known by now; 0 before anything is. */
  known(): number;
  /**
   * Hears which version a statement has seen.
   * @param asked what {@link known} gave when the statement was sent
   * @returns whether what is known holds for it; if not, {@link refreshVersion} asks what changed
   * @throws DatabaseUnavailable as `take` does
   */
  hears(asked: number, seen: DirectoryVersion): boolean;
  /**
   * Takes a report, and tells the listeners what changed before it returns.
   * @param asked what {@link known} gave when the statement was sent
   * @throws DatabaseUnavailable when the server is behind what was seen before: an old primary, whose word counts no more
   */
  take(asked: number, report: VersionReport): void;
  /**
   * Checks a read that was done beside the recall, perhaps on another connection.
   * @throws DatabaseUnavailable when it comes from an older state than the one that is known
   */
  check(version: DirectoryVersion): void;
  /** Whether it is the very version that is known: on a standby, whose timeline says nothing, no other one counts. */
  isKnown(version: DirectoryVersion): boolean;
  /** Calls back for every change; null: everything may have changed. */
  onChange(listener: (change: Change | null) => void): void;
}

/** Changes that are told one by one; when more come, everything counts as changed. */
export const MOST_CHANGES = 500;

/**
 * The version and the changes since `$n`, as one JSON value, for a statement that has other things to ask.
 * @param since the parameter with the known version, such as `$3`
 */
export const versionReportSql = (since: string): string => `(
  SELECT json_build_object(
    'now', json_build_object('version', v.version, 'stamp', v.stamp, 'floor', v.floor, 'timeline', ('x' || lpad(${TIMELINE}, 8, '0'))::bit(32)::int),
    'then', (SELECT c.stamp FROM directory_changes AS c WHERE c.version = ${since}::bigint LIMIT 1),
    'changes', CASE WHEN v.version = ${since}::bigint THEN '[]'::json ELSE coalesce((
      SELECT json_agg(json_build_object('version', c.version, 'table', c.table_name, 'key', c.key) ORDER BY c.version, c.id)
        FROM (SELECT * FROM directory_changes WHERE version > ${since}::bigint
               ORDER BY version, id LIMIT ${MOST_CHANGES + 1}) AS c), '[]'::json) END)
    FROM directory_version AS v)`;

/** In hexadecimal. pg_walfile_name cannot be asked of a standby. */
const TIMELINE = `CASE WHEN pg_is_in_recovery() THEN '0' ELSE substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END`;

/** RFC 3339 in UTC, or NULL. */
const RESTORED_SQL = `to_char(v.restored_from AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

/** The same for a statement of its own: {@link DirectoryVersion.restored_from}. */
export const RESTORED_FROM_SQL = `(SELECT ${RESTORED_SQL} FROM directory_version AS v)`;

/**
 * The version alone, as text for {@link versionOf}, in the snapshot of the statement that it stands in. It costs a recall nothing
 * that can be measured; the JSON of {@link versionReportSql} made one twice as dear.
 */
export const VERSION_SQL = `(SELECT v.version || ' ' || v.stamp || ' ' || ${TIMELINE} || coalesce(' ' || ${RESTORED_SQL}, '')
  FROM directory_version AS v)`;

/** Reads what {@link VERSION_SQL} gives. @throws DatabaseUnavailable where that is nothing: the table has lost its row */
export function versionOf(text: string | null | undefined): DirectoryVersion {
  const [version, stamp, timeline, restored, ...more] = text?.split(' ') ?? [];
  const odd = restored !== undefined && !/^\d{4,}-\d\d-\d\dT[\d:]{8}Z$/.test(restored);
  if (version === undefined || stamp === undefined || timeline === undefined || more.length > 0 || odd)
    throw new DatabaseUnavailable('the version of the directory cannot be read');
  return {
    version: Number(version),
    stamp,
    timeline: Number.parseInt(timeline, 16),
    ...(restored === undefined ? {} : { restored_from: restored }),
  };
}

/** Asks for the version alone; for what decides without a recall. @throws what the pool throws, and what `take` does */
export async function refreshVersion(pool: Pick<pg.Pool, 'query'>, tracker: VersionTracker): Promise<void> {
  const asked = tracker.known();
  const { rows } = await pool.query<{ report: VersionReport }>({
    name: 'sealpost-directory-version',
    text: `SELECT ${versionReportSql('$1')} AS report`,
    values: [asked],
  });
  const report = rows[0]?.report;
  if (report === undefined) throw new DatabaseUnavailable('the version of the directory cannot be read');
  tracker.take(asked, report);
}

export function createVersionTracker(): VersionTracker {
  const listeners: ((change: Change | null) => void)[] = [];
  let known: DirectoryVersion = { version: 0, stamp: '', timeline: 0 };
  const tell = (change: Change | null): void => {
    for (const listener of listeners) listener(change);
  };
  return {
    known: () => known.version,
    hears(asked, seen) {
      const age = ageOf(known, asked, seen);
      if (age === 'behind') throw new DatabaseUnavailable(BEHIND);
      return age === 'known';
    },
    take(asked, report) {
      const news = whatIsNew(known, asked, report);
      if (news.kind === 'behind') throw new DatabaseUnavailable(BEHIND);
      if (news.kind === 'nothing') return;
      const { version, stamp, timeline } = report.now;
      known = { version, stamp, timeline };
      if (news.kind === 'everything') tell(null);
      else for (const change of news.changes) tell(change);
    },
    check(version) {
      const { timeline } = version;
      const older = timeline === 0 || timeline === known.timeline ? version.version < known.version : false;
      if (older || (timeline !== 0 && timeline < known.timeline)) throw new DatabaseUnavailable(BEHIND);
    },
    isKnown: ({ version, stamp }) => version === known.version && stamp === known.stamp,
    onChange: (listener) => listeners.push(listener),
  };
}

const BEHIND =
  'this database server is behind the one that was asked before: a primary that was replaced, or a standby; ' +
  'check database.url, and restart sealpost if this server is the right one';

/**
 * Whether a statement has seen what is known. Pure.
 * @param asked the version that was known when the statement was sent: an older one that arrives late is no news
 * @returns `behind`: an old primary; `other`: newer, or of another history
 */
export function ageOf(
  known: DirectoryVersion,
  asked: number,
  seen: DirectoryVersion,
): 'known' | 'behind' | 'other' {
  if (seen.timeline !== known.timeline) return seen.timeline < known.timeline ? 'behind' : 'other';
  if (seen.version === known.version) return seen.stamp === known.stamp ? 'known' : 'other';
  // The statement is older than what has been taken since.
  return seen.version < known.version && seen.version >= asked ? 'known' : 'other';
}

type News =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'everything' }
  | { readonly kind: 'behind' }
  | { readonly kind: 'some'; readonly changes: readonly Change[] };

/**
 * What a report changes. Pure.
 * @param known the newest version that was taken
 * @param asked as in {@link ageOf}
 */
export function whatIsNew(
  known: DirectoryVersion,
  asked: number,
  { now, then, changes }: VersionReport,
): News {
  const age = ageOf(known, asked, now);
  if (age !== 'other') return { kind: age === 'behind' ? 'behind' : 'nothing' };
  // A promotion may have lost the end of the old server's history: nothing that was read before counts.
  if (now.timeline > known.timeline || now.version <= known.version) return { kind: 'everything' };
  if (known.version < now.floor || changes.length > MOST_CHANGES || asked > known.version)
    return { kind: 'everything' };
  // The same count in another history: a backup was put in place.
  if (asked === known.version && then !== known.stamp) return { kind: 'everything' };
  const all = changes.filter(({ version }) => version > known.version);
  const told: Change[] = [];
  for (const { table, key } of all) {
    // A newer program's table: nobody here knows what rests on it.
    if (!isChangedTable(table)) return { kind: 'everything' };
    told.push({ table, key });
  }
  return { kind: 'some', changes: told };
}

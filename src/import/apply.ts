// Applies an import. What it changes of those who are here already is written first, in small pieces (write-known.ts). What is new
// comes in one transaction, as a whole or not at all: what the directory has is read again there, the plan is made anew from it,
// and its rows are written many at once. Nobody waits for it but at its very end.
import { drizzle } from 'drizzle-orm/node-postgres';
import type pg from 'pg';
import { inTransaction } from '../database/transaction.ts';
import type { Orm } from '../directory/find.ts';
import { ChangeRefused } from '../directory/refused.ts';
import { nameActor } from '../keys/actor.ts';
import type { ApplyContext } from './context.ts';
import { createColumns, type KeyColumnsOf } from './key-columns.ts';
import { importedRows, loadSnapshot } from './load.ts';
import { mergeKnown } from './merge-known.ts';
import { tell } from './outcome.ts';
import { isSuspicious, makePlan, type Plan, type ReadRows } from './plan.ts';
import { settleDomains } from './settle-domains.ts';
import type { KnownRow } from './snapshot.ts';
import {
  createWritten,
  turnContacts,
  updateUsers,
  writeAliases,
  writeContacts,
  writeDomains,
  writeGone,
  writeUsers,
} from './write.ts';
import { type KeyIds, writeKeys, writeMade } from './write-keys.ts';
import { tellWritten, type WrittenKnown, writeKnown } from './write-known.ts';

/** The server ends the transaction of a machine that has gone. Seconds; a plan of a hundred thousand rows takes a few. */
const ABANDONED_AFTER = 120;

/** Imports write one after the other (pg_advisory_xact_lock): two that bring the same rows need not fail. */
const ONE_AT_A_TIME = 7_361_204_417;

/** So many written rows change what PostgreSQL should know of its tables. */
const MANY_STEPS = 1000;

/** Plans without writing anything. */
export async function planImport(rows: ReadRows, context: ApplyContext): Promise<Plan> {
  const { pool } = context.database;
  const plan = await planNow(pool, rows, context);
  const gone = await findGone(pool, plan, context);
  // What a known key learns is only known once it is merged; it is taken back, each for itself.
  await mergeKnown((merge) => takenBack(pool, merge), plan, context.options, true);
  tellGone(plan, gone, context.options.remove);
  return plan;
}

async function takenBack(pool: pg.Pool, work: (orm: Orm) => Promise<void>): Promise<void> {
  await inTransaction(pool, async (client) => {
    await work(ormOf(client));
    throw new TakenBack();
  }).catch((error: unknown) => {
    if (!(error instanceof TakenBack)) throw error;
  });
}

class TakenBack extends Error {
  override readonly name = 'TakenBack';
}

/**
 * Applies. When it fails or is killed nothing of what is new was written, and what was changed of those who are here is whole.
 * @throws ChangeRefused where too much has gone, or where another command was faster
 */
export async function applyImport(rows: ReadRows, context: ApplyContext): Promise<Plan> {
  const { database, options } = context;
  const columns = createColumns();
  const steps = { done: 0, all: 0 };
  const onPiece = (count: number): void => {
    steps.done += count;
    context.progress('writing', Math.min(steps.done, steps.all), steps.all);
  };
  const first = await applyToKnown(rows, context, columns, steps, onPiece);
  const { before } = first;
  const rest: ApplyContext = { ...context, options: { ...options, written: before.keys } };
  const applied = await inTransaction(
    database.pool,
    async (client) => {
      await nameActor(ormOf(client), options.keys.actor);
      await client.query('SELECT pg_advisory_xact_lock($1)', [ONE_AT_A_TIME]);
      const plan = await planOfRest(client, rows, rest, first);
      const gone = await findGone(client, plan, rest);
      await writePlan(client, plan, gone, rest, columns, onPiece);
      tellWritten(plan.tally, before, plan.draft);
      tellGone(plan, gone, options.remove);
      return plan;
    },
    { abandonedAfter: ABANDONED_AFTER },
  );
  if (steps.all >= MANY_STEPS) await countAnew(database.pool);
  return applied;
}

/** Until PostgreSQL has counted many new rows by itself, up to a minute later, it plans lists of users as if there were none. */
async function countAnew(pool: pg.Pool): Promise<void> {
  // A role that does not own the tables is warned, and waits for autovacuum.
  await pool.query('ANALYZE users, addresses, keys').catch(() => undefined);
}

interface FirstPart {
  readonly before: WrittenKnown;
  /** Of the directory before it was planned. */
  readonly version: string;
  /** A plan of a hundred thousand rows is large: it is forgotten before there is a second one. */
  plan: Plan | null;
}

async function applyToKnown(
  rows: ReadRows,
  context: ApplyContext,
  columns: KeyColumnsOf,
  steps: { all: number },
  onPiece: (count: number) => void,
): Promise<FirstPart> {
  const { pool } = context.database;
  const version = await versionOf(pool);
  const plan = await planNow(pool, rows, context);
  await findGone(pool, plan, context);
  steps.all = countSteps(plan);
  // What takes time is done before anything is held.
  for (const key of plan.fresh) await columns.of(key, plan.draft);
  return { before: await writeKnown(plan, context, columns, onPiece), version, plan };
}

/** The first plan where nothing has changed since, neither by us nor by others; else a new one. */
async function planOfRest(
  client: Client,
  rows: ReadRows,
  context: ApplyContext,
  first: FirstPart,
): Promise<Plan> {
  const isTrue = first.before.keys.size === 0 && (await versionOf(client)) === first.version;
  if (isTrue && first.plan !== null) return first.plan;
  first.plan = null;
  return planNow(client, rows, context);
}

type Client = Pick<pg.ClientBase, 'query'>;

/** Moves with every change of the directory (migrations/0012_directory_version.sql). */
async function versionOf(client: Client): Promise<string> {
  const { rows } = await client.query<{ version: string }>(
    `SELECT version || ' ' || stamp AS version FROM directory_version`,
  );
  return rows[0]?.version ?? '';
}

async function planNow(client: Client, rows: ReadRows, { source, options }: ApplyContext): Promise<Plan> {
  const snapshot = await loadSnapshot(client, rows, source.name, options.delimiters);
  return makePlan(rows, snapshot, source, options);
}

/** What is gone at the source. @throws ChangeRefused where it is too much at once, and would be disabled */
async function findGone(
  client: Client,
  plan: Plan,
  { source, options }: ApplyContext,
): Promise<readonly KnownRow[]> {
  const gone: KnownRow[] = [];
  let made = 0;
  for await (const row of importedRows(client, source.name)) {
    made += 1;
    if (plan.isGone(row)) gone.push(row);
  }
  if (options.remove && !options.yes && isSuspicious(gone.length, made)) {
    throw new ChangeRefused(
      `${gone.length} of the ${made} rows that this source made are gone there, more than 5 % at once: ` +
        'nothing was changed; look at the source, and give --yes where it is right',
    );
  }
  return gone;
}

function tellGone({ tally }: Plan, gone: readonly KnownRow[], remove: boolean): void {
  for (const { kind, name } of gone) {
    const outcome = !remove ? 'gone' : kind === 'alias' ? 'removed' : 'disabled';
    const [fingerprint = name, owner] = kind === 'key' ? name.split(' ') : [];
    tell(tally, {
      kind,
      outcome,
      name: kind === 'key' ? fingerprint : name,
      where: null,
      because: remove ? null : 'it is gone at the source; --remove disables it',
      ...(owner === undefined ? {} : { owners: [owner] }),
    });
  }
}

async function writePlan(
  client: pg.PoolClient,
  plan: Plan,
  gone: readonly KnownRow[],
  { source, options }: ApplyContext,
  columns: KeyColumnsOf,
  onPiece: (count: number) => void,
): Promise<void> {
  const { draft, made, fresh, again } = plan;
  const written = createWritten();
  // What is new nobody else can see yet, or wait for.
  await writeDomains(client, plan, written);
  await writeUsers(client, plan, written, onPiece);
  await writeAliases(client, plan, written, onPiece);
  const contacts = [...fresh, ...again].flatMap(({ owner }) =>
    owner?.kind === 'contact' ? [owner.contact] : [],
  );
  await writeContacts(client, [...new Set(contacts)], written);
  const remember = (keys: KeyIds | null): Promise<void> =>
    writeMade(
      client,
      source.name,
      made.filter(({ kind }) => (kind === 'key') === (keys !== null)),
      { written, keys: keys ?? new Map() },
    );
  await remember(null);
  await remember(await writeKeys(ormOf(client), fresh, { draft, written, columns }, onPiece));
  // From here on rows are held that others may want.
  await updateUsers(
    client,
    [...draft.users.values()].filter(({ changed }) => changed),
    onPiece,
  );
  await turnContacts(client, written);
  if (options.remove) await writeGone(client, gone);
  await mergeKnown((merge) => merge(ormOf(client)), plan, options, false);
  await settleDomains(client, plan, written);
}

function countSteps({ tally, fresh }: Plan): number {
  const { user, alias } = tally.counts;
  const rows = [user.added, user.changed, alias.added, alias.added, alias.changed];
  return fresh.length + rows.reduce<number>((sum, count) => sum + (count ?? 0), 0);
}

function ormOf(client: pg.PoolClient): Orm {
  return drizzle(client);
}

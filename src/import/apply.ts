// Applies an import in one transaction: what the directory has is read again there, the plan is made anew from it, and its rows
// are written many at once. Of keys only those are locked that the source really changes, and at the very end: whoever revokes
// another one meanwhile is not held up.
import { drizzle } from 'drizzle-orm/node-postgres';
import type pg from 'pg';
import type { Database } from '../database/open.ts';
import * as schema from '../database/schema.ts';
import { inTransaction } from '../database/transaction.ts';
import type { Orm } from '../directory/find.ts';
import { ChangeRefused } from '../directory/refused.ts';
import { nameActor } from '../keys/actor.ts';
import type { BulkKey } from '../keys/bulk.ts';
import type { ImportOptions } from '../keys/import-options.ts';
import { insertKeys, type KeyColumns, ownerColumns } from '../keys/insert.ts';
import type { DraftOwner } from './draft.ts';
import type { Source } from './formats/rows.ts';
import { createColumns, type KeyColumnsOf } from './key-columns.ts';
import { importedRows, loadSnapshot, namedDomains } from './load.ts';
import { mergeKnown } from './merge-known.ts';
import { tell } from './outcome.ts';
import { isSuspicious, makePlan, type Plan, type ReadRows } from './plan.ts';
import type { MadeRow, PlannedKey, PlanOptions } from './planning.ts';
import type { KnownRow } from './snapshot.ts';
import {
  createWritten,
  idOf,
  inBulk,
  type Written,
  writeAliases,
  writeContacts,
  writeDomains,
  writeGone,
  writeUsers,
} from './write.ts';

export interface ApplyOptions extends PlanOptions {
  /** Disable what is gone at the source. */
  readonly remove: boolean;
  /** Also where it is more than 5 % at once. */
  readonly yes: boolean;
  readonly keys: Pick<ImportOptions, 'policy' | 'actor' | 'now' | 'x509'>;
}

/** What is being done, for a progress line. `total` null: not known. */
export type Progress = (doing: string, done: number, total: number | null) => void;

interface Context {
  readonly database: Pick<Database, 'pool'>;
  readonly source: Pick<Source, 'name' | 'addsDomains' | 'addsOwners'>;
  readonly options: ApplyOptions;
  readonly progress: Progress;
}

/** The server ends the transaction of a machine that has gone. Seconds; a plan of a hundred thousand rows takes a few. */
const ABANDONED_AFTER = 120;

/** Rows of keys in one statement: each may be 256 KiB. */
const KEYS_AT_ONCE = 200;

/** Plans without writing anything. */
export async function planImport(rows: ReadRows, context: Context): Promise<Plan> {
  const { pool } = context.database;
  const plan = await planNow(pool, rows, context);
  const gone = await findGone(pool, plan, context);
  if (plan.again.length > 0) {
    // What a known key learns is only known once it is merged; it is taken back.
    await inTransaction(pool, async (client) => {
      await mergeKnown(ormOf(client), plan, context.options, true);
      throw new TakenBack();
    }).catch((error: unknown) => {
      if (!(error instanceof TakenBack)) throw error;
    });
  }
  tellGone(plan, gone, context.options.remove);
  return plan;
}

class TakenBack extends Error {
  override readonly name = 'TakenBack';
}

/**
 * Applies: everything, or nothing when it fails or is killed.
 * @throws ChangeRefused where too much has gone, or where another command was faster
 */
export async function applyImport(rows: ReadRows, context: Context): Promise<Plan> {
  const { database, options } = context;
  const columns = createColumns();
  // What takes time is done before anything is locked.
  if (rows.keys.length > 0) await prepareKeys(rows, context, columns);
  return inTransaction(
    database.pool,
    async (client) => {
      await nameActor(ormOf(client), options.keys.actor);
      await lockDomains(client, rows, options);
      const plan = await planNow(client, rows, context);
      const gone = await findGone(client, plan, context);
      await writePlan(client, plan, gone, context, columns);
      tellGone(plan, gone, options.remove);
      return plan;
    },
    { abandonedAfter: ABANDONED_AFTER },
  );
}

async function prepareKeys(rows: ReadRows, context: Context, columns: KeyColumnsOf): Promise<void> {
  const plan = await planNow(context.database.pool, rows, context);
  for (const key of plan.fresh) await columns.of(key, plan.draft);
}

type Client = Pick<pg.ClientBase, 'query'>;

async function planNow(client: Client, rows: ReadRows, { source, options }: Context): Promise<Plan> {
  const snapshot = await loadSnapshot(client, rows, source.name, options.delimiters);
  return makePlan(rows, snapshot, source, options);
}

/** What is gone at the source. @throws ChangeRefused where it is too much at once, and would be disabled */
async function findGone(
  client: Client,
  plan: Plan,
  { source, options }: Context,
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

/** As `user add` and `alias add` do: what leads into a domain does not change while users come into it. */
async function lockDomains(client: pg.PoolClient, rows: ReadRows, { domains }: ApplyOptions): Promise<void> {
  const names = [...domains, ...namedDomains(rows)];
  await client.query(
    `SELECT id FROM domains WHERE name = ANY ($1::text[])
        OR id IN (SELECT domain_id FROM domain_names WHERE name = ANY ($1::text[])) ORDER BY id FOR NO KEY UPDATE`,
    [names],
  );
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
  { source, options, progress }: Context,
  columns: KeyColumnsOf,
): Promise<void> {
  const written = createWritten();
  const steps = countSteps(plan);
  const done = { rows: 0 };
  const onPiece = (count: number): void => {
    done.rows += count;
    progress('writing', Math.min(done.rows, steps), steps);
  };
  await writeDomains(client, plan, written);
  await writeUsers(client, plan, written, onPiece);
  await writeAliases(client, plan, written, onPiece);
  const owners = [...plan.fresh, ...plan.again].flatMap(({ owner }) =>
    owner?.kind === 'contact' ? [owner.contact] : [],
  );
  await writeContacts(client, [...new Set(owners)], written);
  const keys = await writeKeys(ormOf(client), plan, written, columns, onPiece);
  if (options.remove) await writeGone(client, gone);
  await mergeKnown(ormOf(client), plan, options, false);
  await writeMade(client, source.name, plan.made, written, keys);
}

function countSteps({ tally, fresh }: Plan): number {
  const { user, alias } = tally.counts;
  const rows = [user.added, user.changed, alias.added, alias.added, alias.changed];
  return fresh.length + rows.reduce<number>((sum, count) => sum + (count ?? 0), 0);
}

function ormOf(client: pg.PoolClient): Orm {
  return drizzle(client, { schema });
}

async function writeKeys(
  orm: Orm,
  { fresh, draft }: Plan,
  written: Written,
  columns: KeyColumnsOf,
  onPiece: (count: number) => void,
): Promise<ReadonlyMap<string, number>> {
  const ids = new Map<string, number>();
  for (let at = 0; at < fresh.length; at += KEYS_AT_ONCE) {
    const piece = fresh.slice(at, at + KEYS_AT_ONCE);
    const rows: { key: BulkKey; fingerprint: string; owner: DraftOwner; columns: KeyColumns }[] = [];
    for (const key of piece) {
      if (key.owner !== null) rows.push({ ...key, owner: key.owner, columns: await columns.of(key, draft) });
    }
    const inserted = await insertKeys(
      orm,
      rows.map(({ key, fingerprint, owner, columns: stored }) => ({
        owner: storedOwner(owner, written),
        fingerprint,
        kind: key.kind,
        source: 'import',
        columns: stored,
      })),
    );
    for (const { id, fingerprint, ...columns } of inserted) ids.set(keyPlace(fingerprint, columns), id);
    onPiece(piece.length);
  }
  return ids;
}

function storedOwner(owner: DraftOwner, { users, contacts, domains }: Written) {
  const { kind } = owner;
  switch (kind) {
    case 'user':
      return { kind, id: idOf(users, owner.user), name: owner.user.address };
    case 'contact': {
      const { address: name, domain } = owner.contact;
      return { kind, id: idOf(contacts, owner.contact), name, domain };
    }
    case 'domain':
      return { kind, id: idOf(domains, owner.domain), name: owner.domain.name };
  }
}

/** A name for the row of a certificate and one owner. */
function keyPlace(
  fingerprint: string,
  { user_id, contact_id, domain_id }: ReturnType<typeof ownerColumns>,
): string {
  return `${fingerprint} ${user_id ?? ''}/${contact_id ?? ''}/${domain_id ?? ''}`;
}

/** Remembers what the source made. */
async function writeMade(
  client: pg.PoolClient,
  source: string,
  made: readonly MadeRow[],
  written: Written,
  keys: ReadonlyMap<string, number>,
): Promise<void> {
  const keyId = ({ owner, fingerprint }: PlannedKey): number | undefined =>
    owner === null ? undefined : keys.get(keyPlace(fingerprint, ownerColumns(storedOwner(owner, written))));
  const rows = made.flatMap((row) => {
    const { kind, name } = row;
    const ids = {
      user_id: row.kind === 'user' ? idOf(written.users, row.user) : null,
      address_id: row.kind === 'alias' ? idOf(written.aliases, row.alias) : null,
      key_id: row.kind === 'key' ? keyId(row.key) : null,
    };
    // A key that somebody else has stored meanwhile is not ours.
    return Object.values(ids).some((id) => id != null) ? [{ source, kind, name, ...ids }] : [];
  });
  await inBulk(
    client,
    `INSERT INTO imported (source, kind, name, user_id, address_id, key_id)
     SELECT source, kind, name, user_id, address_id, key_id FROM jsonb_to_recordset($1::jsonb)
         AS r (source text, kind text, name text, user_id integer, address_id integer, key_id integer)
     ON CONFLICT (source, kind, name) DO UPDATE
       SET user_id = excluded.user_id, address_id = excluded.address_id, key_id = excluded.key_id`,
    rows,
  );
}

// Writes a plan, many rows in each statement. Runs inside one transaction; nothing here decides anything.
import type pg from 'pg';
import { ChangeRefused } from '../directory/refused.ts';
import type { DraftAlias, DraftContact, DraftDomain, DraftTarget, DraftUser } from './draft.ts';
import type { Plan } from './plan.ts';
import type { KnownRow } from './snapshot.ts';

type Client = Pick<pg.ClientBase, 'query'>;

/** Rows in one statement: it stays far below a query's deadline, and its text is no large object that waits to be collected. */
const AT_ONCE = 500;

/** The numbers in the database of what was new in the draft. */
export interface Written {
  readonly domains: Map<DraftDomain, number>;
  readonly users: Map<DraftUser, number>;
  readonly contacts: Map<DraftContact, number>;
  readonly aliases: Map<DraftAlias, number>;
}

export function createWritten(): Written {
  return { domains: new Map(), users: new Map(), contacts: new Map(), aliases: new Map() };
}

/**
 * Runs a statement that takes its rows as one JSON value, piece by piece: a hundred thousand rows are never made at once.
 * @param toRow null: there is nothing to write for it
 * @returns how many rows the statement gave back
 */
export async function inBulk<T, Row extends pg.QueryResultRow = pg.QueryResultRow>(
  client: Client,
  text: string,
  all: Iterable<T>,
  toRow: (each: T) => object | null,
  { onPiece, onRow }: BulkCalls<Row> = {},
): Promise<number> {
  let piece: object[] = [];
  let given = 0;
  const send = async (): Promise<void> => {
    const { rows } = await client.query<Row>(text, [JSON.stringify(piece)]);
    given += rows.length;
    if (onRow !== undefined) rows.forEach(onRow);
    onPiece?.(piece.length);
    piece = [];
  };
  for (const each of all) {
    const row = toRow(each);
    if (row !== null) piece.push(row);
    if (piece.length === AT_ONCE) await send();
  }
  if (piece.length > 0) await send();
  return given;
}

interface BulkCalls<Row> {
  readonly onPiece?: ((written: number) => void) | undefined;
  /** Gets what the statement gives back. */
  readonly onRow?: (row: Row) => void;
}

/** The number of what was there, or has been written. */
export function idOf<T extends { readonly id: number | null }>(
  written: ReadonlyMap<T, number>,
  of: T,
): number {
  const id = of.id ?? written.get(of);
  if (id === undefined) throw new Error('what is referred to was not written');
  return id;
}

/** New domains, and new names of those that are here. */
export async function writeDomains(client: Client, { draft }: Plan, written: Written): Promise<void> {
  const all = [...draft.domains.values()];
  const ids = new Map<string, number>();
  const fresh = all.filter(({ id }) => id === null);
  await inBulk<DraftDomain, { id: number; name: string }>(
    client,
    `INSERT INTO domains (name, class, local)
     SELECT name, class, local FROM jsonb_to_recordset($1::jsonb) AS r (name text, class text, local boolean)
     RETURNING id, name`,
    fresh,
    ({ name, class: kind, local }) => ({ name, class: kind, local }),
    { onRow: ({ id, name }) => ids.set(name, id) },
  );
  for (const domain of fresh) written.domains.set(domain, ids.get(domain.name) ?? 0);
  await inBulk(
    client,
    `INSERT INTO domain_names (name, domain_id)
     SELECT name, domain_id FROM jsonb_to_recordset($1::jsonb) AS r (name text, domain_id integer)`,
    all.flatMap((domain) =>
      domain.newNames.map((name) => ({ name, domain_id: idOf(written.domains, domain) })),
    ),
    (row) => row,
  );
}

/** New users with their addresses. Who was a contact becomes one by {@link turnContacts}. */
export async function writeUsers(
  client: Client,
  { draft }: Plan,
  written: Written,
  onPiece: (written: number) => void,
): Promise<void> {
  await giveNumbers(client, draft, written);
  const row = (user: DraftUser) => ({
    id: idOf(written.users, user),
    domain_id: idOf(written.domains, user.domain),
    address: user.address,
    domain: user.domain.name,
    ...columns(user),
  });
  await inBulk(
    client,
    `INSERT INTO users (id, domain_id, ${COLUMNS})
     SELECT id, domain_id, ${COLUMNS} FROM jsonb_to_recordset($1::jsonb) AS r (id integer, domain_id integer, ${COLUMN_TYPES})`,
    written.users.keys(),
    row,
    { onPiece },
  );
  await inBulk(
    client,
    `INSERT INTO addresses (address, domain, kind, user_id)
     SELECT address, domain, 'user', id FROM jsonb_to_recordset($1::jsonb) AS r (address text, domain text, id integer)`,
    written.users.keys(),
    (user) => {
      if (user.contactId !== null) return null;
      const { address, domain, id } = row(user);
      return { address, domain, id };
    },
  );
}

/** Every new user gets the number that it will have. */
async function giveNumbers(client: Client, draft: Plan['draft'], written: Written): Promise<void> {
  let piece: DraftUser[] = [];
  const give = async (): Promise<void> => {
    const ids = await nextUserIds(client, piece.length);
    for (const [index, user] of piece.entries()) written.users.set(user, ids[index] ?? 0);
    piece = [];
  };
  for (const found of draft.addresses.values()) {
    if (found.kind !== 'user' || found.user.id !== null) continue;
    piece.push(found.user);
    if (piece.length === AT_ONCE) await give();
  }
  await give();
}

/** Contacts become the users that were written for them, with their keys. */
export async function turnContacts(client: Client, written: Written): Promise<void> {
  const turned = [...written.users].flatMap(([{ contactId }, id]) =>
    contactId === null ? [] : [{ id, contact_id: contactId }],
  );
  const types = '(id integer, contact_id integer)';
  await inBulk(
    client,
    `UPDATE keys AS k SET user_id = r.id, contact_id = NULL
       FROM jsonb_to_recordset($1::jsonb) AS r ${types} WHERE k.contact_id = r.contact_id`,
    turned,
    (row) => row,
  );
  const done = await inBulk(
    client,
    `UPDATE addresses AS a SET kind = 'user', user_id = r.id
       FROM jsonb_to_recordset($1::jsonb) AS r ${types}
      WHERE a.id = r.contact_id AND a.kind = 'contact' RETURNING a.id`,
    turned,
    (row) => row,
  );
  if (done < turned.length) throw new ChangeRefused(OVERTAKEN);
}

/** What changes of users who are here already. @throws ChangeRefused where somebody else has just changed one of them */
export async function updateUsers(
  client: Client,
  changed: readonly DraftUser[],
  onPiece: (written: number) => void,
): Promise<void> {
  const done = await inBulk(
    client,
    `UPDATE users AS u SET status = r.status, settings = r.settings, transport = r.transport,
            quota_bytes = r.quota_bytes, forwards = r.forwards
       FROM jsonb_to_recordset($1::jsonb) AS r (id integer, was_status text, was_settings jsonb, ${COLUMN_TYPES})
      WHERE u.id = r.id AND u.status = r.was_status AND u.settings = r.was_settings RETURNING u.id`,
    changed,
    (user) => ({
      id: user.id,
      was_status: user.before?.status,
      was_settings: user.before?.settings,
      ...columns(user),
    }),
    { onPiece },
  );
  if (done < changed.length) throw new ChangeRefused(OVERTAKEN);
}

export const OVERTAKEN =
  'another command changed one of these rows at this very moment; run this command again, and it writes what is missing';

const COLUMNS = 'status, settings, transport, quota_bytes, forwards';
const COLUMN_TYPES = 'status text, settings jsonb, transport text, quota_bytes bigint, forwards text[]';

function columns({ status, settings, transport, quota, forwards }: DraftUser) {
  return { status, settings, transport, quota_bytes: quota, forwards };
}

async function nextUserIds(client: Client, count: number): Promise<readonly number[]> {
  if (count === 0) return [];
  const { rows } = await client.query<{ id: number }>(
    `SELECT nextval(pg_get_serial_sequence('users', 'id'))::int AS id FROM generate_series(1, $1)`,
    [count],
  );
  return rows.map(({ id }) => id);
}

/** Outside addresses that are to have a key. */
export async function writeContacts(
  client: Client,
  contacts: readonly DraftContact[],
  written: Written,
): Promise<void> {
  const fresh = contacts.filter(({ id }) => id === null);
  await insertAddresses(client, 'contact', fresh, written.contacts);
}

/** Inserts addresses that are no user's, and notes the number of each. */
async function insertAddresses<T extends DraftAlias | DraftContact>(
  client: Client,
  kind: 'alias' | 'contact',
  fresh: readonly T[],
  written: Map<T, number>,
  onPiece?: (written: number) => void,
): Promise<void> {
  const ids = new Map<string, number>();
  await inBulk<T, { id: number; address: string }>(
    client,
    `INSERT INTO addresses (address, domain, kind)
     SELECT address, domain, '${kind}' FROM jsonb_to_recordset($1::jsonb) AS r (address text, domain text)
     RETURNING id, address`,
    fresh,
    ({ address, domain }) => ({ address, domain: typeof domain === 'string' ? domain : domain.name }),
    { onPiece, onRow: ({ id, address }) => ids.set(address, id) },
  );
  for (const each of fresh) written.set(each, ids.get(each.address) ?? 0);
}

/** New aliases, and those whose targets change. */
export async function writeAliases(
  client: Client,
  { draft }: Plan,
  written: Written,
  onPiece: (written: number) => void,
): Promise<void> {
  const all: DraftAlias[] = [];
  for (const found of draft.addresses.values())
    if (found.kind === 'alias' && (found.alias.id === null || found.alias.changed)) all.push(found.alias);
  const fresh = all.filter(({ id }) => id === null);
  await insertAddresses(client, 'alias', fresh, written.aliases, onPiece);
  await inBulk(
    client,
    `DELETE FROM alias_targets WHERE alias_id IN (SELECT id FROM jsonb_to_recordset($1::jsonb) AS r (id integer))`,
    all,
    ({ id }) => (id === null ? null : { id }),
  );
  await inBulk(
    client,
    `INSERT INTO alias_targets (alias_id, position, target, target_user_id)
     SELECT alias_id, position, target, user_id
       FROM jsonb_to_recordset($1::jsonb) AS r (alias_id integer, position integer, target text, user_id integer)`,
    targetsOf(all),
    ({ alias, position, target, user }) => ({
      alias_id: idOf(written.aliases, alias),
      position,
      target,
      user_id: user === null ? null : idOf(written.users, user),
    }),
    { onPiece },
  );
}

function* targetsOf(
  aliases: readonly DraftAlias[],
): Generator<DraftTarget & { readonly alias: DraftAlias; readonly position: number }> {
  for (const alias of aliases)
    for (const [position, target] of alias.targets.entries()) yield { ...target, alias, position };
}

/** What is gone at the source: users and keys are disabled, aliases are removed. */
export async function writeGone(client: Client, gone: readonly KnownRow[]): Promise<void> {
  const among = 'IN (SELECT id FROM jsonb_to_recordset($1::jsonb) AS r (id integer))';
  const write = (wanted: KnownRow['kind'], text: string): Promise<number> =>
    inBulk(client, `${text} id ${among}`, gone, ({ kind, id }) => (kind === wanted ? { id } : null));
  await write('user', `UPDATE users SET status = 'disabled' WHERE`);
  await write('alias', `DELETE FROM addresses WHERE kind = 'alias' AND`);
  await write('key', `UPDATE keys SET status = 'disabled', updated_at = now() WHERE`);
}

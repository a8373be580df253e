// Writes a plan, many rows in each statement. Runs inside one transaction; nothing here decides anything.
import type pg from 'pg';
import { ChangeRefused } from '../directory/refused.ts';
import type { DraftAlias, DraftContact, DraftDomain, DraftUser } from './draft.ts';
import type { Plan } from './plan.ts';
import type { Link } from './plan-aliases.ts';
import type { KnownRow } from './snapshot.ts';

type Client = Pick<pg.ClientBase, 'query'>;

/** Rows in one statement, which stays far below a query's deadline. */
const AT_ONCE = 2000;

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

/** Runs a statement that takes its rows as one JSON value, piece by piece. */
export async function inBulk<Row extends pg.QueryResultRow = pg.QueryResultRow>(
  client: Client,
  text: string,
  rows: readonly object[],
  onPiece: (written: number) => void = () => undefined,
): Promise<Row[]> {
  const all: Row[] = [];
  for (let at = 0; at < rows.length; at += AT_ONCE) {
    const piece = rows.slice(at, at + AT_ONCE);
    const { rows: given } = await client.query<Row>(text, [JSON.stringify(piece)]);
    for (const row of given) all.push(row);
    onPiece(piece.length);
  }
  return all;
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

export async function writeDomains(client: Client, { draft }: Plan, written: Written): Promise<void> {
  const all = [...draft.domains.values()];
  const fresh = all.filter(({ id }) => id === null);
  const rows = await inBulk<{ id: number; name: string }>(
    client,
    `INSERT INTO domains (name, class, local)
     SELECT name, class, local FROM jsonb_to_recordset($1::jsonb) AS r (name text, class text, local boolean)
     RETURNING id, name`,
    fresh.map(({ name, class: kind, local }) => ({ name, class: kind, local })),
  );
  const ids = new Map(rows.map(({ id, name }) => [name, id]));
  for (const domain of fresh) written.domains.set(domain, ids.get(domain.name) ?? 0);
  await inBulk(
    client,
    `UPDATE domains AS d SET class = r.class, local = r.local
       FROM jsonb_to_recordset($1::jsonb) AS r (id integer, class text, local boolean) WHERE d.id = r.id`,
    all
      .filter(({ id, changed }) => id !== null && changed)
      .map(({ id, class: kind, local }) => ({ id, class: kind, local })),
  );
  const names = all.flatMap((domain) =>
    domain.newNames.map((name) => ({ name, domain_id: idOf(written.domains, domain) })),
  );
  await inBulk(
    client,
    `INSERT INTO domain_names (name, domain_id)
     SELECT name, domain_id FROM jsonb_to_recordset($1::jsonb) AS r (name text, domain_id integer)`,
    names,
  );
}

/** New users with their addresses; contacts become users with their keys; then what changed of the others. */
export async function writeUsers(
  client: Client,
  { draft }: Plan,
  written: Written,
  onPiece: (written: number) => void,
): Promise<void> {
  const fresh: DraftUser[] = [];
  for (const found of draft.addresses.values())
    if (found.kind === 'user' && found.user.id === null) fresh.push(found.user);
  const ids = await nextUserIds(client, fresh.length);
  const rows = fresh.map((user, index) => {
    const id = ids[index] ?? 0;
    written.users.set(user, id);
    return {
      id,
      domain_id: idOf(written.domains, user.domain),
      address: user.address,
      domain: user.domain.name,
      contact_id: user.contactId,
      ...columns(user),
    };
  });
  await inBulk(
    client,
    `INSERT INTO users (id, domain_id, ${COLUMNS})
     SELECT id, domain_id, ${COLUMNS} FROM jsonb_to_recordset($1::jsonb) AS r (id integer, domain_id integer, ${COLUMN_TYPES})`,
    rows,
    onPiece,
  );
  const strangers = rows.filter(({ contact_id }) => contact_id === null);
  await inBulk(
    client,
    `INSERT INTO addresses (address, domain, kind, user_id)
     SELECT address, domain, 'user', id FROM jsonb_to_recordset($1::jsonb) AS r (address text, domain text, id integer)`,
    strangers.map(({ address, domain, id }) => ({ address, domain, id })),
  );
  const contacts = rows
    .filter(({ contact_id }) => contact_id !== null)
    .map(({ id, contact_id }) => ({ id, contact_id }));
  await inBulk(
    client,
    `UPDATE keys AS k SET user_id = r.id, contact_id = NULL
       FROM jsonb_to_recordset($1::jsonb) AS r (id integer, contact_id integer) WHERE k.contact_id = r.contact_id`,
    contacts,
  );
  const turned = await inBulk(
    client,
    `UPDATE addresses AS a SET kind = 'user', user_id = r.id
       FROM jsonb_to_recordset($1::jsonb) AS r (id integer, contact_id integer)
      WHERE a.id = r.contact_id AND a.kind = 'contact' RETURNING a.id`,
    contacts,
  );
  if (turned.length < contacts.length) throw new ChangeRefused(OVERTAKEN);
  const changed = [...draft.users.values()].filter((user) => user.changed);
  const updated = await inBulk(
    client,
    `UPDATE users AS u SET status = r.status, settings = r.settings, transport = r.transport,
            quota_bytes = r.quota_bytes, forwards = r.forwards
       FROM jsonb_to_recordset($1::jsonb) AS r (id integer, was_status text, was_settings jsonb, ${COLUMN_TYPES})
      WHERE u.id = r.id AND u.status = r.was_status AND u.settings = r.was_settings RETURNING u.id`,
    changed.map((user) => ({
      id: user.id,
      was_status: user.before?.status,
      was_settings: user.before?.settings,
      ...columns(user),
    })),
    onPiece,
  );
  if (updated.length < changed.filter(({ id }) => id !== null).length) throw new ChangeRefused(OVERTAKEN);
}

const OVERTAKEN =
  'another command changed one of these users at this very moment, and nothing was written; run this command again';

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
  const rows = await inBulk<{ id: number; address: string }>(
    client,
    `INSERT INTO addresses (address, domain, kind)
     SELECT address, domain, '${kind}' FROM jsonb_to_recordset($1::jsonb) AS r (address text, domain text)
     RETURNING id, address`,
    fresh.map(({ address, domain }) => ({
      address,
      domain: typeof domain === 'string' ? domain : domain.name,
    })),
    onPiece,
  );
  const ids = new Map(rows.map(({ id, address }) => [address, id]));
  for (const each of fresh) written.set(each, ids.get(each.address) ?? 0);
}

export async function writeAliases(
  client: Client,
  { draft, links }: Plan,
  written: Written,
  onPiece: (written: number) => void,
): Promise<void> {
  const all: DraftAlias[] = [];
  for (const found of draft.addresses.values())
    if (found.kind === 'alias' && (found.alias.id === null || found.alias.changed)) all.push(found.alias);
  const fresh = all.filter(({ id }) => id === null);
  await insertAddresses(client, 'alias', fresh, written.aliases, onPiece);
  const changed = all.flatMap(({ id }) => (id === null ? [] : [{ id }]));
  await inBulk(
    client,
    `DELETE FROM alias_targets WHERE alias_id IN (SELECT id FROM jsonb_to_recordset($1::jsonb) AS r (id integer))`,
    changed,
  );
  const targets = all.flatMap((alias) =>
    alias.targets.map(({ target, user }, position) => ({
      alias_id: idOf(written.aliases, alias),
      position,
      target,
      user_id: user === null ? null : idOf(written.users, user),
    })),
  );
  await inBulk(
    client,
    `INSERT INTO alias_targets (alias_id, position, target, target_user_id)
     SELECT alias_id, position, target, user_id
       FROM jsonb_to_recordset($1::jsonb) AS r (alias_id integer, position integer, target text, user_id integer)`,
    targets,
    onPiece,
  );
  const rewritten = new Set(changed.map(({ id }) => id));
  await writeLinks(
    client,
    links.filter(({ aliasId }) => !rewritten.has(aliasId)),
    written,
  );
}

async function writeLinks(client: Client, links: readonly Link[], written: Written): Promise<void> {
  await inBulk(
    client,
    `UPDATE alias_targets AS t SET target_user_id = r.user_id
       FROM jsonb_to_recordset($1::jsonb) AS r (alias_id integer, position integer, user_id integer)
      WHERE t.alias_id = r.alias_id AND t.position = r.position AND t.target_user_id IS NULL`,
    links.map(({ aliasId, position, user }) => ({
      alias_id: aliasId,
      position,
      user_id: idOf(written.users, user),
    })),
  );
}

/** What is gone at the source: users and keys are disabled, aliases are removed. */
export async function writeGone(client: Client, gone: readonly KnownRow[]): Promise<void> {
  const ids = (wanted: 'user' | 'alias' | 'key') =>
    gone.flatMap(({ kind, id }) => (kind === wanted ? [{ id }] : []));
  const among = 'IN (SELECT id FROM jsonb_to_recordset($1::jsonb) AS r (id integer))';
  await inBulk(client, `UPDATE users SET status = 'disabled' WHERE id ${among}`, ids('user'));
  await inBulk(client, `DELETE FROM addresses WHERE kind = 'alias' AND id ${among}`, ids('alias'));
  await inBulk(
    client,
    `UPDATE keys SET status = 'disabled', updated_at = now() WHERE id ${among}`,
    ids('key'),
  );
}

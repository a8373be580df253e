// Loads what the directory has of the names that a source brings, in pieces that each stay far below a query's deadline.
import type pg from 'pg';
import { lookupCandidates, parseTyped } from '../address/normalise.ts';
import { createBreather } from '../pacing/breather.ts';
import type { ReadRows } from './plan.ts';
import type {
  KnownAddress,
  KnownDomain,
  KnownKey,
  KnownRow,
  KnownTarget,
  KnownUser,
  Snapshot,
  UnlinkedTarget,
} from './snapshot.ts';

/** How many names one statement asks for. */
const AT_ONCE = 5000;

type Client = Pick<pg.ClientBase, 'query'>;

/** Every address that the rows name, as typed. */
function* namedAddresses(rows: ReadRows): Generator<string> {
  for (const { address } of rows.users) yield address;
  for (const { address, targets } of rows.aliases) {
    yield address;
    yield* targets;
  }
  for (const { row, key } of rows.keys) {
    yield* key.names;
    if (row.owners.kind === 'these') yield* row.owners.addresses;
    if (row.owners.kind === 'named') yield* row.owners.also;
  }
}

/**
 * Every address that a plan of these rows may ask for, as it may be stored; some come twice.
 * @param others other names of domains: what stands under one of them may be meant
 */
function* wantedAddresses(
  rows: ReadRows,
  delimiters: string,
  others: ReadonlyMap<string, string>,
): Generator<string> {
  const catchAlls = new Set<string>();
  for (const text of namedAddresses(rows)) {
    const typed = parseTyped(text);
    if (typed === null) continue;
    const parts = { ...typed, domain: others.get(typed.domain) ?? typed.domain };
    const [folded, spelled] = [true, false].map((fold) => lookupCandidates(parts, delimiters, fold));
    for (const each of new Set([...(folded ?? []), ...(spelled ?? [])])) {
      if (!each.startsWith('@')) yield each;
      else if (!catchAlls.has(each)) {
        catchAlls.add(each);
        yield each;
      }
    }
  }
}

/**
 * Loads a snapshot.
 * @param rows of the source whose name is `source`
 */
export async function loadSnapshot(
  client: Client,
  rows: ReadRows,
  source: string,
  delimiters: string,
): Promise<Snapshot> {
  const domains = await loadDomains(client);
  const others = new Map(domains.flatMap(({ name, otherNames }) => otherNames.map((other) => [other, name])));
  const { addresses, userIds } = await loadAddresses(
    client,
    wantedAddresses(rows, delimiters, others),
    source,
  );
  const renamed = await loadRenamed(client, source);
  for (const id of renamed.values()) userIds.add(id);
  const users = await loadUsers(client, userIds);
  const fingerprints = [...new Set(rows.keys.flatMap(({ key }) => key.fingerprint ?? []))];
  const contacts = addresses.flatMap(({ id, kind }) => (kind === 'contact' ? [id] : []));
  return {
    domains,
    users,
    addresses,
    keys: await loadKeys(client, fingerprints),
    keyed: rows.keys.length === 0 ? new Set() : await loadKeyed(client, userIds, contacts),
    renamed,
  };
}

async function* inPieces<Row extends pg.QueryResultRow, T>(
  client: Client,
  text: string,
  all: Iterable<T>,
  ...more: readonly string[]
): AsyncGenerator<Row> {
  const breathe = createBreather();
  let piece: T[] = [];
  for (const each of all) {
    piece.push(each);
    await breathe();
    if (piece.length < AT_ONCE) continue;
    yield* (await client.query<Row>(text, [piece, ...more])).rows;
    piece = [];
  }
  if (piece.length > 0) yield* (await client.query<Row>(text, [piece, ...more])).rows;
}

async function loadDomains(client: Client): Promise<readonly KnownDomain[]> {
  const { rows } = await client.query<KnownDomain>(
    `SELECT d.id, d.name, d.class, d.local, d.fold_local_part AS fold,
            ARRAY(SELECT n.name FROM domain_names n WHERE n.domain_id = d.id) AS "otherNames"
       FROM domains d`,
  );
  return rows;
}

interface AddressesFound {
  readonly addresses: readonly KnownAddress[];
  /** Of the users at the other ones, and of those that aliases lead to. */
  readonly userIds: Set<number>;
}

async function loadAddresses(
  client: Client,
  wanted: Iterable<string>,
  source: string,
): Promise<AddressesFound> {
  const userIds = new Set<number>();
  const found = new Map<number, Omit<KnownAddress, 'targets'>>();
  const rows = inPieces<
    Omit<KnownAddress, 'targets' | 'kind'> & {
      readonly userId: number | null;
      readonly kind: 'alias' | 'contact' | 'user';
    },
    string
  >(
    client,
    `SELECT a.id, a.address, a.kind, a.user_id AS "userId",
            EXISTS (SELECT FROM imported i WHERE i.address_id = a.id AND i.source = $2) AS own
       FROM addresses a WHERE a.address = ANY ($1::text[])`,
    wanted,
    source,
  );
  for await (const { userId, kind, ...row } of rows) {
    if (userId !== null) userIds.add(userId);
    if (kind !== 'user') found.set(row.id, { ...row, kind });
  }
  const aliases = [...found.values()].flatMap(({ id, kind }) => (kind === 'alias' ? [id] : []));
  const targets = new Map<number, KnownTarget[]>(aliases.map((id) => [id, []]));
  const targetRows = inPieces<KnownTarget & { readonly aliasId: number }, number>(
    client,
    `SELECT alias_id AS "aliasId", target, target_user_id AS "userId" FROM alias_targets
      WHERE alias_id = ANY ($1::int[]) ORDER BY alias_id, position`,
    aliases,
  );
  for await (const { aliasId, target, userId } of targetRows) {
    targets.get(aliasId)?.push({ target, userId });
    if (userId !== null) userIds.add(userId);
  }
  const addresses = [...found.values()].map((row) => ({ ...row, targets: targets.get(row.id) ?? [] }));
  return { addresses, userIds };
}

/** Most users have none of their own: they share these. */
const NO_SETTINGS: KnownUser['settings'] = {};
const NO_FORWARDS: readonly string[] = [];

async function loadUsers(client: Client, ids: Iterable<number>): Promise<readonly KnownUser[]> {
  const users: KnownUser[] = [];
  const rows = inPieces<KnownUser, number>(
    client,
    `SELECT u.id, a.address, u.status, u.settings, u.transport, u.quota_bytes::float8 AS quota, u.forwards
       FROM users u JOIN addresses a ON a.user_id = u.id AND a.kind = 'user' WHERE u.id = ANY ($1::int[])`,
    ids,
  );
  for await (const { settings, forwards, ...row } of rows) {
    users.push({
      ...row,
      settings: Object.keys(settings).length === 0 ? NO_SETTINGS : settings,
      forwards: forwards.length === 0 ? NO_FORWARDS : forwards,
    });
  }
  return users;
}

async function loadRenamed(client: Client, source: string): Promise<ReadonlyMap<string, number>> {
  const { rows } = await client.query<{ name: string; id: number }>(
    `SELECT i.name, i.user_id AS id FROM imported i
       JOIN addresses a ON a.user_id = i.user_id AND a.kind = 'user'
      WHERE i.source = $1 AND i.kind = 'user' AND a.address <> i.name`,
    [source],
  );
  return new Map(rows.map(({ name, id }) => [name, id]));
}

/** Few: what leads to one of our domains and to nobody there. */
export async function loadUnlinked(client: Client): Promise<readonly UnlinkedTarget[]> {
  const { rows } = await client.query<UnlinkedTarget>(
    `SELECT t.alias_id AS "aliasId", t.position, t.target FROM alias_targets t
       JOIN domains d ON d.name = substring(t.target FROM '@([^@]*)$')
      WHERE t.target_user_id IS NULL`,
  );
  return rows;
}

async function loadKeys(client: Client, fingerprints: readonly string[]): Promise<Snapshot['keys']> {
  const keys = new Map<string, KnownKey[]>();
  const rows = inPieces<KnownKey & { readonly fingerprint: string }, string>(
    client,
    `SELECT id, fingerprint, status, revoked, encode(sha256(coalesce(original, certificate)), 'hex') AS digest,
            CASE WHEN user_id IS NOT NULL THEN 'user:' || user_id
                 WHEN contact_id IS NOT NULL THEN 'contact:' || contact_id ELSE 'domain:' || domain_id END AS owner
       FROM keys WHERE fingerprint = ANY ($1::text[])`,
    fingerprints,
  );
  for await (const { fingerprint, ...key } of rows) {
    const known = keys.get(fingerprint) ?? [];
    known.push(key);
    keys.set(fingerprint, known);
  }
  return keys;
}

async function loadKeyed(
  client: Client,
  users: Iterable<number>,
  contacts: Iterable<number>,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const asked: readonly (readonly [string, Iterable<number>])[] = [
    [`SELECT DISTINCT 'user:' || user_id AS owner FROM keys WHERE user_id = ANY ($1::int[])`, users],
    [
      `SELECT DISTINCT 'contact:' || contact_id AS owner FROM keys WHERE contact_id = ANY ($1::int[])`,
      contacts,
    ],
  ];
  for (const [text, ids] of asked)
    for await (const { owner } of inPieces<{ owner: string }, number>(client, text, ids)) found.add(owner);
  const { rows } = await client.query<{ owner: string }>(
    `SELECT DISTINCT 'domain:' || k.domain_id AS owner FROM domains d JOIN keys k ON k.domain_id = d.id`,
  );
  for (const { owner } of rows) found.add(owner);
  return found;
}

/** What the source made before, by kind and name. */
export async function* importedRows(client: Client, source: string): AsyncGenerator<KnownRow> {
  let after: readonly [string, string] = ['', ''];
  for (;;) {
    const { rows } = await client.query<KnownRow>(
      `SELECT i.kind, i.name, coalesce(i.user_id, i.address_id, i.key_id) AS id,
              coalesce(u.status, k.status, 'active') = 'disabled' AS disabled
         FROM imported i LEFT JOIN users u ON u.id = i.user_id LEFT JOIN keys k ON k.id = i.key_id
        WHERE i.source = $1 AND (i.kind, i.name) > ($2, $3) ORDER BY i.kind, i.name LIMIT ${AT_ONCE}`,
      [source, ...after],
    );
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < AT_ONCE) return;
    after = [last.kind, last.name];
  }
}

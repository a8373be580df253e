// Loads what one resolution needs from PostgreSQL: everything about some addresses, domains and users in one statement, hence
// one round trip and one snapshot.
import type pg from 'pg';
import type { Address } from '../address/address.ts';
import { type SettingsOverride, settingsOverrideSchema } from '../config/settings.ts';
import { type DirectoryVersion, VERSION_SQL, versionOf } from '../database/directory-version.ts';
import { type AddressRow, type DirectoryRows, MAX_NAMESAKES, type TargetRow } from './resolve.ts';
import { type RawRule, rulesOf } from './rule-rows.ts';
import type { Domain, KeyKind, KeySource, StoredKey, User } from './types.ts';

/** Names to look up; those that do not exist are simply not in the answer. */
export interface Wanted {
  readonly addresses: readonly string[];
  readonly domains: readonly string[];
  readonly users: readonly number[];
  /** Local parts, as they are spelled in an address: whose they are in any domain of ours. */
  readonly namesakes: readonly string[];
}

// UNION instead of OR: each branch is then an index scan, also with a million rows.
const STATEMENT = `
WITH namesake AS MATERIALIZED (
  SELECT l.local, d.name AS domain, a.id, a.address, a.kind, a.user_id
  FROM unnest($4::text[]) AS l (local) CROSS JOIN domains d JOIN addresses a ON a.address = l.local || '@' || d.name
  WHERE cardinality($4::text[]) > 0 AND a.kind IN ('user', 'alias')
  LIMIT ${MAX_NAMESAKES + 1}
), hit AS MATERIALIZED (
  SELECT a.id, a.address, a.kind, a.user_id FROM addresses a WHERE a.address = ANY ($1::text[])
  UNION SELECT id, address, kind, user_id FROM namesake
), other_name AS MATERIALIZED (
  SELECT n.name, n.domain_id FROM domain_names n WHERE n.name = ANY ($2::text[])
), expansion AS MATERIALIZED (
  SELECT t.alias_id, t.position, t.target, t.target_user_id
  FROM hit JOIN alias_targets t ON t.alias_id = hit.id WHERE hit.kind = 'alias'
), wanted AS MATERIALIZED (
  SELECT user_id AS id FROM hit WHERE user_id IS NOT NULL
  UNION SELECT target_user_id FROM expansion WHERE target_user_id IS NOT NULL
  UNION SELECT unnest($3::int[])
), owner AS MATERIALIZED (
  SELECT u.id, u.domain_id, u.status, u.settings, u.quota_bytes, p.address
  FROM wanted
  JOIN users u ON u.id = wanted.id
  JOIN addresses p ON p.user_id = u.id AND p.kind = 'user'
), ours AS MATERIALIZED (
  SELECT d.id, d.name, d.class, d.local, d.fold_local_part, d.settings, d.transport, d.refusals #>> '{unknown,action}' AS unknown
  FROM domains d WHERE d.name = ANY ($2::text[])
  UNION ALL
  SELECT d.id, d.name, d.class, d.local, d.fold_local_part, d.settings, d.transport, d.refusals #>> '{unknown,action}' AS unknown
  FROM (SELECT domain_id FROM owner UNION SELECT domain_id FROM other_name) o JOIN domains d ON d.id = o.domain_id
), key AS (
  SELECT k.id, 'user:' || k.user_id AS owner, k.kind, k.fingerprint, k.status, k.source, k.created_at, k.certificate
  FROM owner JOIN keys k ON k.user_id = owner.id
  UNION ALL
  SELECT k.id, 'contact:' || k.contact_id, k.kind, k.fingerprint, k.status, k.source, k.created_at, k.certificate
  FROM hit JOIN keys k ON k.contact_id = hit.id WHERE hit.kind = 'contact'
  UNION ALL
  SELECT k.id, 'domain:' || k.domain_id, k.kind, k.fingerprint, k.status, k.source, k.created_at, k.certificate
  FROM (SELECT DISTINCT id FROM ours) o JOIN keys k ON k.domain_id = o.id
), rule AS (
  SELECT r.id, r.position, 'user:' || r.user_id AS owner, r.action, r.sender, r.header_name, r.header_pattern, r.larger_than
  FROM owner JOIN rules r ON r.user_id = owner.id
  UNION ALL
  SELECT r.id, r.position, 'domain:' || r.domain_id, r.action, r.sender, r.header_name, r.header_pattern, r.larger_than
  FROM (SELECT DISTINCT id FROM ours) o JOIN rules r ON r.domain_id = o.id
)
SELECT 'version' AS what, to_json(${VERSION_SQL}) AS row, NULL::bytea AS certificate
UNION ALL SELECT 'address', to_json(hit), NULL FROM hit
UNION ALL SELECT 'name', to_json(other_name), NULL FROM other_name
UNION ALL SELECT 'namesake', json_build_object('local', local, 'domain', domain), NULL FROM namesake
UNION ALL SELECT 'target', to_json(expansion), NULL FROM expansion
UNION ALL SELECT 'user', to_json(owner), NULL FROM owner
UNION ALL SELECT 'domain', to_json(ours), NULL FROM ours
UNION ALL SELECT 'rule', to_json(rule), NULL FROM rule
UNION ALL SELECT 'key', json_build_object('id', id, 'owner', owner, 'kind', kind, 'fingerprint', fingerprint,
                                          'status', status, 'source', source, 'created_at', created_at), certificate FROM key`;

interface RawDomain {
  readonly id: number;
  readonly name: string;
  readonly class: Domain['class'];
  readonly local: boolean;
  readonly fold_local_part: boolean;
  readonly settings: unknown;
  readonly transport: string | null;
  /** What is done about an address that nobody has; null: the default. */
  readonly unknown: string | null;
}

type Row =
  | {
      readonly what: 'address';
      readonly row: {
        readonly id: number;
        readonly address: Address;
        readonly kind: AddressRow['kind'];
        readonly user_id: number | null;
      };
    }
  | {
      readonly what: 'target';
      readonly row: {
        readonly alias_id: number;
        readonly position: number;
        readonly target: string;
        readonly target_user_id: number | null;
      };
    }
  | {
      readonly what: 'user';
      readonly row: {
        readonly id: number;
        readonly domain_id: number;
        readonly status: User['status'];
        readonly settings: unknown;
        readonly quota_bytes: number | null;
        readonly address: Address;
      };
    }
  | { readonly what: 'version'; readonly row: string }
  | { readonly what: 'domain'; readonly row: RawDomain }
  | { readonly what: 'name'; readonly row: { readonly name: string; readonly domain_id: number } }
  | { readonly what: 'namesake'; readonly row: { readonly local: string; readonly domain: string } }
  | { readonly what: 'rule'; readonly row: RawRule & { readonly owner: string } }
  | {
      readonly what: 'key';
      readonly row: {
        readonly id: number;
        readonly owner: string;
        readonly kind: KeyKind;
        readonly fingerprint: string;
        readonly status: StoredKey['status'];
        readonly source: KeySource;
        readonly created_at: string;
      };
      readonly certificate: Buffer;
    };

/** Rows that are collected over several loads of one resolution. */
export interface MutableRows extends DirectoryRows {
  readonly domains: Map<string, Domain>;
  readonly otherNames: Map<string, string>;
  readonly namesakes: Map<string, string[]>;
  readonly addresses: Map<string, AddressRow>;
  readonly targets: Map<number, TargetRow[]>;
  readonly users: Map<number, User>;
  readonly keys: Map<string, StoredKey[]>;
}

export function emptyRows(): MutableRows {
  return {
    domains: new Map(),
    otherNames: new Map(),
    namesakes: new Map(),
    addresses: new Map(),
    targets: new Map(),
    users: new Map(),
    keys: new Map(),
  };
}

/**
 * Loads the wanted names into `rows`: addresses with their alias targets, the users behind both, their domains, and all
 * keys of users, contacts and domains. Rejects as the pool does.
 * @returns the version of the directory in the same snapshot
 */
export async function loadRows(
  pool: Pick<pg.Pool, 'query'>,
  wanted: Wanted,
  rows: MutableRows,
): Promise<DirectoryVersion | undefined> {
  const result = await pool.query<Row>({
    name: 'sealpost-directory',
    text: STATEMENT,
    values: [wanted.addresses, wanted.domains, wanted.users, wanted.namesakes],
  });
  const of = <W extends Row['what']>(what: W) =>
    result.rows.filter((row): row is Extract<Row, { what: W }> => row.what === what);

  const domainsById = new Map<number, Domain>();
  const rules = new Map<string, RawRule[]>();
  for (const { row } of of('rule')) rules.set(row.owner, [...(rules.get(row.owner) ?? []), row]);
  for (const { row } of of('domain')) {
    const domain = domainOf(row, rules.get(`domain:${row.id}`));
    domainsById.set(domain.id, domain);
    rows.domains.set(domain.name, domain);
  }
  for (const { row } of of('name')) {
    const domain = domainsById.get(row.domain_id);
    if (domain === undefined) throw new Error(`the name ${row.name} is of no domain`);
    rows.otherNames.set(row.name, domain.name);
  }
  for (const { row } of of('namesake'))
    rows.namesakes.set(row.local, [...(rows.namesakes.get(row.local) ?? []), row.domain]);
  for (const { row } of of('address')) {
    rows.addresses.set(row.address, {
      id: row.id,
      address: row.address,
      kind: row.kind,
      userId: row.user_id,
    });
    if (row.kind === 'alias') rows.targets.set(row.id, []);
  }
  for (const { row } of of('target').sort((a, b) => a.row.position - b.row.position)) {
    const targets = rows.targets.get(row.alias_id);
    // An alias that lost its targets on the way would look like one that leads to nobody.
    if (targets === undefined) throw new Error(`a target belongs to no alias: ${row.alias_id}`);
    targets.push({ target: row.target, targetUserId: row.target_user_id });
  }
  for (const { row } of of('user')) {
    const domain = domainsById.get(row.domain_id);
    // The foreign key and the snapshot make this impossible; a guess would be a user without settings.
    if (domain === undefined) throw new Error(`user ${row.id} has no domain`);
    rows.users.set(row.id, {
      id: row.id,
      address: row.address,
      status: row.status,
      settings: settingsOf(row.settings),
      domain,
      quotaBytes: row.quota_bytes,
      rules: rulesOf(rules.get(`user:${row.id}`)),
    });
    rows.keys.set(`user:${row.id}`, []);
  }
  for (const domain of domainsById.values()) rows.keys.set(`domain:${domain.id}`, []);
  for (const { row, certificate } of of('key').sort((a, b) => a.row.id - b.row.id)) {
    const keys = rows.keys.get(row.owner) ?? [];
    keys.push({
      kind: row.kind,
      fingerprint: row.fingerprint,
      certificate,
      status: row.status,
      source: row.source,
      createdAt: new Date(row.created_at),
    });
    rows.keys.set(row.owner, keys);
  }
  const [version] = of('version');
  return version === undefined ? undefined : versionOf(version.row);
}

function domainOf(row: RawDomain, rules: readonly RawRule[] | undefined): Domain {
  return {
    id: row.id,
    name: row.name,
    class: row.class,
    local: row.local,
    foldLocalPart: row.fold_local_part,
    settings: settingsOf(row.settings),
    transport: row.transport,
    ...(row.unknown === 'accept' ? { acceptsUnknown: true } : {}),
    rules: rulesOf(rules),
  };
}

/** Settings as stored. A row that this version cannot read is an error, never "no override": it may say reject. */
function settingsOf(stored: unknown): SettingsOverride {
  return settingsOverrideSchema.parse(stored);
}

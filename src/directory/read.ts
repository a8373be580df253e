// Reads one recipient from the database, round by round: what the pure resolution asks for is loaded, until it asks for
// nothing more. Also the names under which answers depend on rows, so that a cache can be told of changes.
import type pg from 'pg';
import type { AddressParts } from '../address/normalise.ts';
import type { Readings } from '../address/readings.ts';
import type { VersionTracker } from '../database/directory-version.ts';
import type { Change } from '../database/notifications.ts';
import { emptyRows, loadRows, type MutableRows } from './load.ts';
import { type ReadOnOptions, resolveReadings } from './read-on.ts';
import {
  type Asked,
  type DirectoryRows,
  MAX_ALIAS_DEPTH,
  type ResolveOptions,
  resolveRecipient,
} from './resolve.ts';
import { DirectoryUnavailable, type RecipientFacts } from './types.ts';

export interface ReadRecipient {
  readonly facts: RecipientFacts;
  readonly rows: DirectoryRows;
  /** Names of everything that the facts rest on; see {@link dependencyName}. */
  readonly dependsOn: readonly string[];
  /** Not where it rests on all of our domains: nobody tells of one more that has the name. */
  readonly mayBeKept: boolean;
}

/**
 * Reads everything about one address as it is written, without a cache.
 * @param versions refuses rows of an older state than the one that is known; default: every state is good
 * @throws DirectoryUnavailable when the rows change under every round; what the pool, or `versions`, throws otherwise
 */
export function readRecipient(
  pool: Pick<pg.Pool, 'query'>,
  parts: AddressParts,
  options: ResolveOptions,
  versions?: Pick<VersionTracker, 'check'>,
): Promise<ReadRecipient> {
  return inRounds(pool, versions, (rows) => resolveRecipient(rows, parts, options));
}

/** The same for a path, and for what Postfix may make of it. */
export function readReadings(
  pool: Pick<pg.Pool, 'query'>,
  readings: Readings,
  options: ReadOnOptions,
  versions?: Pick<VersionTracker, 'check'>,
): Promise<ReadRecipient> {
  return inRounds(pool, versions, (rows) => resolveReadings(rows, readings, options));
}

/** Every round goes one alias deeper; the chain ends below the limit, or is a loop. Namesakes take two rounds more. */
const MAX_ROUNDS = MAX_ALIAS_DEPTH + 4;

async function inRounds(
  pool: Pick<pg.Pool, 'query'>,
  versions: Pick<VersionTracker, 'check'> | undefined,
  resolve: (rows: DirectoryRows) => { readonly facts: RecipientFacts; readonly asked: Asked },
): Promise<ReadRecipient> {
  const rows = emptyRows();
  let restoredFrom: string | null | undefined;
  const loaded = {
    addresses: new Set<string>(),
    domains: new Set<string>(),
    users: new Set<number>(),
    namesakes: new Set<string>(),
  };
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { facts, asked } = resolve(rows);
    const wanted = {
      addresses: [...asked.addresses].filter((name) => !loaded.addresses.has(name)),
      domains: [...asked.domains].filter((name) => !loaded.domains.has(name)),
      users: [...asked.users].filter((id) => !loaded.users.has(id)),
      namesakes: [...asked.namesakes].filter((name) => !loaded.namesakes.has(name)),
    };
    if (round > 0 && Object.values(wanted).every(({ length }) => length === 0)) {
      return {
        facts: restoredFrom ? { ...facts, restoredFrom } : facts,
        rows,
        dependsOn: namesOf(rows, loaded),
        mayBeKept: loaded.namesakes.size === 0,
      };
    }
    // Also where nothing is asked for: whether the directory was restored counts for every address.
    const version = await loadRows(pool, wanted, rows);
    restoredFrom = version?.restored_from;
    if (versions !== undefined) {
      if (version === undefined) throw new DirectoryUnavailable('the version of the directory is missing');
      versions.check(version);
    }
    for (const name of wanted.addresses) loaded.addresses.add(name);
    for (const name of wanted.domains) loaded.domains.add(name);
    for (const id of wanted.users) loaded.users.add(id);
    for (const name of wanted.namesakes) loaded.namesakes.add(name);
  }
  throw new DirectoryUnavailable('the directory changed faster than it could be read');
}

/** The name under which answers depend on a changed row; null for a change that no recipient depends on. */
export function dependencyName(table: Change['table'], key: string): string | null {
  switch (table) {
    case 'domains':
    case 'domain_names':
      return `domain:${key}`;
    case 'users':
      return `user:${key}`;
    case 'addresses':
    case 'alias_targets':
      return `address:${key}`;
    case 'keys':
      return `key of ${key}`;
    case 'rules':
      return key;
    default:
      return null;
  }
}

function namesOf(
  rows: MutableRows,
  loaded: {
    readonly addresses: ReadonlySet<string>;
    readonly domains: ReadonlySet<string>;
    readonly users: ReadonlySet<number>;
  },
): readonly string[] {
  const names = new Set<string>();
  for (const address of loaded.addresses) names.add(`address:${address}`);
  for (const domain of loaded.domains) names.add(`domain:${domain}`);
  for (const id of loaded.users) {
    names.add(`user:${id}`);
    names.add(`key of user:${id}`);
  }
  for (const user of rows.users.values()) {
    names.add(`user:${user.id}`);
    names.add(`key of user:${user.id}`);
    names.add(`address:${user.address}`);
  }
  for (const domain of rows.domains.values()) {
    names.add(`domain:${domain.name}`);
    names.add(`key of domain:${domain.id}`);
  }
  for (const address of rows.addresses.values()) {
    if (address.kind === 'contact') names.add(`key of contact:${address.id}`);
  }
  return [...names];
}

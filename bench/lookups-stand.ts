// What the lookup bench runs on: a PostgreSQL, a sealpost with one map, and Postfix's own pgsql: map over the same tables.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { allocatePlaces, freePorts } from '../test/support/places.ts';
import { startPostgres } from '../test/support/private-postgres.ts';
import { createSealpost } from '../test/support/sealpost-process.ts';

export interface LookupsStand {
  readonly sealpost: Awaited<ReturnType<typeof createSealpost>>;
  readonly client: pg.Client;
  /** Of the map virtual_alias. */
  readonly port: number;
  /** For postmap. */
  readonly configDir: string;
  /** Postfix's map for the same answers, and for the least that a map can ask. */
  readonly aliasMap: string;
  readonly usersMap: string;
}

/** What virtual_alias answers, in SQL: id addresses and forwards of users, targets of aliases (Postfix itself recurses). */
const ALIAS_QUERY =
  "SELECT unnest(array_prepend('id_' || u.id || '@' || a.domain, u.forwards)) FROM addresses a " +
  "JOIN users u ON u.id = a.user_id WHERE a.address = '%s' UNION ALL " +
  "SELECT t.target FROM addresses a JOIN alias_targets t ON t.alias_id = a.id WHERE a.address = '%s'";
/** The least that a map can ask: users, and nothing else. */
const USERS_QUERY = "SELECT 'id_' || user_id || '@' || domain FROM addresses WHERE address = '%s'";

/**
 * Starts everything but sealpost itself, whose tables are empty then.
 * @param closing gets what ends it, the last first; also when the start fails
 */
export async function startLookupsStand(
  serveArguments: readonly string[],
  closing: (() => Promise<unknown>)[],
): Promise<LookupsStand> {
  const postgres = await startPostgres([
    'fsync=off',
    'shared_buffers=512MB',
    'max_wal_size=4GB',
    'autovacuum=off',
  ]);
  closing.push(() => postgres.remove());
  const places = await allocatePlaces();
  closing.push(() => places.remove());
  const [port = 0] = await freePorts(1);
  const sealpost = await createSealpost({
    commands: 'program',
    places,
    example: null,
    substitutions: {},
    serveArguments,
    config: {
      database: { url: postgres.url },
      filter: { listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` }] },
      policy: { tcp: { virtual_alias: `127.0.0.1:${port}` } },
      observe: { log_level: 'error' },
    },
  });
  closing.push(() => sealpost.close());
  const migrated = await sealpost.cli(['migrate']);
  if (migrated.code !== 0) throw new Error(`sealpost migrate: ${migrated.stderr}`);
  await sealpost.cli(['domain', 'add', 'bench.test']);
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  closing.push(() => client.end());
  const configDir = join(places.dir, 'postmap');
  await mkdir(configDir);
  await writeFile(join(configDir, 'main.cf'), 'compatibility_level = 3.6\n');
  return {
    sealpost,
    client,
    port,
    configDir,
    aliasMap: await writePgsqlMap(configDir, postgres.port, 'alias', ALIAS_QUERY),
    usersMap: await writePgsqlMap(configDir, postgres.port, 'users', USERS_QUERY),
  };
}

/** @returns the map as postmap takes it */
async function writePgsqlMap(configDir: string, port: number, name: string, query: string): Promise<string> {
  const file = join(configDir, `${name}.cf`);
  const where = [
    `hosts = inet:127.0.0.1:${port}`,
    'user = sealpost',
    'password = irrelevant',
    'dbname = sealpost',
  ];
  await writeFile(file, [...where, `query = ${query}`, ''].join('\n'));
  return `pgsql:${file}`;
}

/** Adds users with addresses. @param from, to numbers; `to` is exclusive */
export async function fill({ client }: LookupsStand, from: number, to: number): Promise<void> {
  await client.query(
    'INSERT INTO users (id, domain_id) SELECT n + 1, 1 FROM generate_series($1::int, $2::int) n',
    [from, to - 1],
  );
  await client.query(
    `INSERT INTO addresses (address, domain, kind, user_id)
     SELECT 'user' || n || '@bench.test', 'bench.test', 'user', n + 1 FROM generate_series($1::int, $2::int) n`,
    [from, to - 1],
  );
  // As after the first autovacuum: no question has to tidy up what the import left behind.
  await client.query('VACUUM (FREEZE, ANALYZE)');
  // Waits for what was written, so that it is not part of what is measured.
  await client.query('CHECKPOINT');
}

/** Every cached answer is forgotten, as after a change of many rows. */
export async function forget({ client }: LookupsStand): Promise<void> {
  await client.query(`SELECT pg_notify('sealpost_change', '{"table":"domains","key":null}')`);
  await new Promise((resolve) => setTimeout(resolve, 200));
}

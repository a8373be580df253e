import { writeFileSync } from 'node:fs';
import { openLookupDatabase } from '../policy/daemons.ts';
import { createLookups } from '../policy/lookups.ts';
import { configSchema } from '../src/config/schema.ts';
import { applyMigrations } from '../src/database/migrate.ts';
import { openDatabase } from '../src/database/open.ts';
import { addDomain } from '../src/directory/domains.ts';
import { createLogger } from '../src/observe/log.ts';
import { createMetrics } from '../src/observe/metrics.ts';
import { mustRun } from '../test/e2e/support/child.ts';
import { startPostgres } from '../test/e2e/support/private-postgres.ts';

const pgs = await startPostgres(['fsync=off', 'shared_buffers=256MB', 'autovacuum=off']);
const config = configSchema.parse({ state_dir: '/tmp/x', database: { url: pgs.url } });
const db = await openDatabase(config, { requireMigrated: false });
await applyMigrations(db);
await addDomain(db, 'bench.test');
const N = 100000;
await db.pool.query(`INSERT INTO users (id, domain_id) SELECT n + 1, 1 FROM generate_series(0, ${N - 1}) n`);
await db.pool.query(
  `INSERT INTO addresses (address, domain, kind, user_id) SELECT 'user' || n || '@bench.test', 'bench.test', 'user', n + 1 FROM generate_series(0, ${N - 1}) n`,
);
await db.pool.query('ANALYZE');
const log = createLogger({ level: 'silent' });
const { database, close } = await openLookupDatabase(config, log);
const lookups = createLookups({ config, database, logger: log, metrics: createMetrics() });
const time = async (name: string, n: number, f: (i: number) => unknown) => {
  const s = performance.now();
  for (let i = 0; i < n; i++) await f(i);
  console.log(name, (((performance.now() - s) * 1000) / n).toFixed(1), 'µs');
};
for (let r = 0; r < 3; r++) {
  await time('SELECT 1 pool', 5000, () => db.pool.query({ name: 'one', text: 'SELECT 1' }));
  const c = await db.pool.connect();
  await time('SELECT 1 client', 5000, () => c.query({ name: 'one', text: 'SELECT 1' }));
  await time('simple prepared client', 5000, (i) =>
    c.query({
      name: 'simple',
      text: `SELECT user_id FROM addresses WHERE address = $1`,
      values: [`user${i}@bench.test`],
    }),
  );
  c.release();
  await time('uncached virtual_alias', 10000, (i) =>
    lookups.answer('virtual_alias', `user${i + r * 10000}@bench.test`, { protocol: 'command' }),
  );
  await time('cached', 10000, (i) =>
    lookups.answer('virtual_alias', `user${i + r * 10000}@bench.test`, { protocol: 'command' }),
  );
}
const cf = (q: string, f: string) => {
  writeFileSync(
    f,
    `hosts = inet:127.0.0.1:${pgs.port}\nuser = sealpost\npassword = x\ndbname = sealpost\nquery = ${q}\n`,
  );
  return f;
};
for (const [n, q] of [
  ['simple', "SELECT 'id_' || user_id || '@' || domain FROM addresses WHERE address = '%s'"],
  [
    'union',
    "SELECT 'id_' || user_id || '@' || domain FROM addresses WHERE address = '%s' AND kind = 'user' UNION ALL SELECT t.target FROM addresses a JOIN alias_targets t ON t.alias_id = a.id WHERE a.address = '%s'",
  ],
  [
    'join',
    "SELECT coalesce('id_' || a.user_id || '@' || a.domain, t.target) FROM addresses a LEFT JOIN alias_targets t ON t.alias_id = a.id WHERE a.address = '%s' ORDER BY t.position",
  ],
]) {
  const f = cf(q ?? '', `/tmp/pgm-${n}.cf`);
  const keys = Array.from({ length: 20000 }, (_, i) => `user${i}@bench.test\n`).join('');
  for (let r = 0; r < 2; r++) {
    const s = performance.now();
    await mustRun('postmap', ['-q', '-', `pgsql:${f}`], { stdin: keys });
    console.log('pgsql', n, (((performance.now() - s) * 1000) / 20000).toFixed(1), 'µs');
  }
}
await close();
await db.close();
await pgs.remove();

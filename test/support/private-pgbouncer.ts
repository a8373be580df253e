// A PgBouncer of its own in transaction mode, before a private PostgreSQL: LISTEN is taken and never heard of again, and prepared
// statements get lost between its server connections.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { waitUntil } from './child.ts';
import { need } from './needs.ts';
import { freePorts } from './places.ts';
import type { PrivatePostgres } from './private-postgres.ts';

need('pgbouncer');

export interface PrivatePgbouncer {
  /** postgres://... of the database `sealpost`. */
  readonly url: string;
  close(): Promise<void>;
}

export async function startPgbouncer(postgres: PrivatePostgres): Promise<PrivatePgbouncer> {
  const folder = mkdtempSync('/tmp/sp-bouncer-');
  chmodSync(folder, 0o755);
  const [port = 0] = await freePorts(1);
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(
    file,
    `[databases]
sealpost = host=127.0.0.1 port=${postgres.port} user=sealpost dbname=sealpost
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_round_robin = 1
`,
  );
  const root = process.getuid?.() === 0;
  // It refuses to be root.
  const as = root ? { uid: 65534, gid: 65534 } : {};
  const pooler = spawn('/usr/sbin/pgbouncer', [file], { ...as, stdio: 'ignore' });
  const ended = once(pooler, 'close');
  const url = `postgres://sealpost:irrelevant@127.0.0.1:${port}/sealpost`;
  await waitUntil('PgBouncer to answer', 10_000, async () => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      return false;
    }
  });
  return {
    url,
    async close() {
      pooler.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

// Quotas kept here, mailboxes kept by Dovecot: the lines of docs/lookups.md in a real Dovecot and a real PostgreSQL.
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { type Database, openDatabase } from '../../src/database/open.ts';
import { addDomain } from '../../src/directory/domains.ts';
import { addUser } from '../../src/directory/users.ts';
import { waitUntil } from '../support/child.ts';
import { need } from '../support/needs.ts';
import { repository } from '../support/places.ts';
import { doveadm, type PrivateDovecot, startDovecot } from '../support/private-dovecot.ts';
import { type PrivatePostgres, startPostgres } from '../support/private-postgres.ts';
import { sendRaw } from '../support/submit.ts';

need('dovecot-pgsql');

const ALICE = 'alice@example.org';
const QUOTA = 5000;
const DICTIONARY = '/etc/dovecot/sealpost-dict.conf.ext';
const CONNECT = 'host=/run/postgresql dbname=sealpost user=dovecot';

let folder: string;
let postgres: PrivatePostgres;
let database: Database;
let dovecot: PrivateDovecot;

/** The indented block of docs/lookups.md that follows this line. */
function documented(first: string): string {
  const lines = readFileSync(join(repository, 'docs/lookups.md'), 'utf8').split('\n');
  const from = lines.indexOf(`    ${first}`) + 1;
  if (from === 0) throw new Error(`docs/lookups.md has no "${first}"`);
  const length = lines.slice(from).findIndex((line) => !line.startsWith('    '));
  return lines.slice(from, from + length).join('\n');
}

function replaced(text: string, what: string, by: string): string {
  if (!text.includes(what)) throw new Error(`docs/lookups.md has no "${what}"`);
  return text.replace(what, by);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sp-quota-'));
  // Dovecot's mail processes are not root.
  chmodSync(folder, 0o755);
  postgres = await startPostgres();
  const config: Config = configSchema.parse({ state_dir: folder, database: { url: postgres.url } });
  database = await openDatabase(config, { requireMigrated: false });
  await applyMigrations(database);
  await addDomain(database, 'example.org');
  await addUser(database, ALICE, QUOTA, '+');
  await database.pool.query('CREATE ROLE dovecot LOGIN');
  await database.pool.query(documented('-- what the role needs'));
  const dictionary = join(folder, 'dict.conf.ext');
  const connection = `host=127.0.0.1 port=${postgres.port} dbname=sealpost user=dovecot`;
  await writeFile(dictionary, replaced(documented(`# ${DICTIONARY}`), CONNECT, connection), { mode: 0o644 });
  dovecot = await startDovecot({
    dir: join(folder, 'dovecot'),
    more: replaced(
      replaced(documented('# dovecot.conf'), DICTIONARY, dictionary),
      'group = vmail',
      'group = nogroup',
    ),
  });
});

afterAll(async () => {
  await dovecot?.stop();
  await database?.close();
  await postgres?.remove();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

async function usage(): Promise<{ readonly bytes: number; readonly messages: number }> {
  const { rows } = await database.pool.query<{ bytes: string; messages: string }>(
    'SELECT bytes, messages FROM mailbox_usage WHERE username = $1',
    [ALICE],
  );
  return { bytes: Number(rows[0]?.bytes), messages: Number(rows[0]?.messages) };
}

async function counted(what: string, messages: number): Promise<void> {
  await waitUntil(
    `${what} to be counted`,
    20_000,
    async () => (await usage()).messages === messages,
    dovecot.log,
  );
}

async function deliver(): Promise<void> {
  await sendRaw({
    to: { path: dovecot.lmtpSocket },
    protocol: 'lmtp',
    sender: 'carol@outside.test',
    recipients: [ALICE],
    message: Buffer.from(`Subject: one\r\n\r\n${'x'.repeat(70)}\r\n`.padEnd(3000, 'y\r\n')),
  });
}

describe('Dovecot’s quota_clone, set up as documented', () => {
  it('tells what a mailbox holds, after a delivery and after an expunge', async () => {
    await deliver();
    await counted('the first message', 1);
    const one = await usage();
    expect(one.bytes).toBeGreaterThan(3000);
    expect(one.bytes).toBeLessThan(QUOTA);
    await deliver();
    await counted('the second one', 2);
    expect((await usage()).bytes).toBeGreaterThan(QUOTA);
    const expunged = await doveadm(dovecot, ['expunge', '-u', ALICE, 'mailbox', 'INBOX', '1']);
    expect(expunged.code, expunged.stderr).toBe(0);
    await counted('the expunge', 1);
    expect((await usage()).bytes).toBe(one.bytes);
  });
});

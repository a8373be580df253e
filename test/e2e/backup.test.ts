// Backup and restore: from the embedded PostgreSQL 18 to one of Debian's of another version, under traffic, and what a restored
// state lets out before somebody has accepted it.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { drizzle } from 'drizzle-orm/node-postgres';
import { createMessage, decrypt, encrypt, generateKey, type PrivateKey, readMessage } from 'openpgp';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DATABASE_HEAD, HEAD, jsonBytes } from '../../src/backup/format.ts';
import { createArchive } from '../../src/backup/write-archive.ts';
import { registerBackup } from '../../src/cli/backup.ts';
import { registerDoctor } from '../../src/cli/doctor.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerExplain } from '../../src/cli/explain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerLookup } from '../../src/cli/lookup.ts';
import { registerRestore } from '../../src/cli/restore.ts';
import { registerStatus } from '../../src/cli/status.ts';
import { registerUser } from '../../src/cli/user.ts';
import { registerVerify } from '../../src/cli/verify.ts';
import { openEngine } from '../../src/delivery/engine.ts';
import { verifyChain } from '../../src/keys/chain.ts';
import { runCommand } from '../support/command-line.ts';
import { debianPostgres, type PrivatePostgres, startPostgres } from '../support/private-postgres.ts';
import { fileInQueue } from '../support/queue-stand.ts';
import { importFor, listedHop, mail, openTrial, silent, type Trial, textOf } from '../support/trial.ts';

const ALICE = 'alice@example.org';
const BOB = 'bob@example.org';
const PASSWORD = 'Tr0ub4dor-and-3';
const SPOOLED = 'plaintext that nobody has filed yet';
const REGISTERS = [
  registerBackup,
  registerDoctor,
  registerDomain,
  registerExplain,
  registerKey,
  registerLookup,
  registerRestore,
  registerStatus,
  registerUser,
  registerVerify,
];

describe.runIf(debianPostgres() !== null)('a backup', () => {
  let trial: Trial;
  let postgres: PrivatePostgres;
  let pool: pg.Pool;
  let alice: PrivateKey;
  let tar: string;
  const texts: readonly string[] = [
    'a small letter to alice\r\n',
    `a large one\r\n${randomBytes(700_000).toString('hex')}\r\n`,
  ];

  async function must(...words: readonly string[]): Promise<string> {
    const { code, out, err } = await trial.sealpost(...words);
    if (code !== 0) throw new Error(`${words.join(' ')}: exit ${code}: ${out}${err}`);
    return out;
  }

  /** Runs a command by another configuration. */
  async function at(config: string, ...words: readonly string[]): Promise<{ code: number; text: string }> {
    const { code, stdout, stderr } = await runCommand(() => {
      const program = new Command('sealpost');
      for (const register of REGISTERS) register(program);
      return program;
    }, [...words, '--config', config]);
    return { code, text: stdout.toString() + stderr };
  }

  async function sealedFor(text: string): Promise<Uint8Array> {
    return (await encrypt({
      message: await createMessage({ binary: Buffer.from(text) }),
      encryptionKeys: alice.toPublic(),
      format: 'binary',
    })) as Uint8Array;
  }

  async function rowsOf(from: Pick<pg.Pool, 'query'>, sql: string): Promise<readonly unknown[]> {
    return (await from.query(sql)).rows;
  }

  beforeAll(async () => {
    trial = await openTrial(
      REGISTERS,
      `[receiver]\nspool = "spool"\n[[sync]]\nsource = "postfixadmin"\nurl = "mysql://reader:${PASSWORD}@127.0.0.1:9/x"\n# was: ${PASSWORD}\n`,
    );
    postgres = await startPostgres();
    pool = new pg.Pool({ connectionString: postgres.url, max: 3 });
    pool.on('error', () => undefined);
    await trial.sealpost('domain', 'add', 'example.org');
    await must('user', 'add', ALICE, BOB);
    ({ privateKey: alice } = await generateKey({ userIDs: [{ email: ALICE }], format: 'object' }));
    await importFor(trial, ALICE, alice);
    await fileInQueue(trial.database.pool, { id: 1 }, [
      await sealedFor(texts[0] ?? ''),
      await sealedFor(texts[1] ?? ''),
    ]);
    mkdirSync(join(trial.folder, 'spool', 'new'), { recursive: true });
    writeFileSync(join(trial.folder, 'spool', 'new', '1700000000.M1P2.host:2,S'), SPOOLED);
    writeFileSync(join(trial.folder, 'state', 'log.key'), Buffer.alloc(32, 'k'));
    await trial.database.pool.query(
      `INSERT INTO events (at, event, queue_id, transaction, message_id, recipient, because, reason, keys, size, ms, reply)
       VALUES (now(), 'sealed', 'Q1', 't', '', $1, 'usable key', E'tab\\there \\\\ back', '{A,B}', 1, 1, '250')`,
      [ALICE],
    );
    tar = join(trial.folder, 'backup.tar');
  });
  afterAll(async () => {
    await pool?.end();
    await trial?.close();
    await postgres?.remove();
  });

  it('is taken while mail comes and goes, is for its owner alone, and agrees with itself', async () => {
    const small = await sealedFor('under way');
    const traffic = { on: true, filed: 0 };
    const flow = (async () => {
      while (traffic.on) {
        await fileInQueue(trial.database.pool, { id: 2 }, [small]);
        traffic.filed += 1;
        if (traffic.filed % 3 === 0)
          await trial.database.pool.query(
            'DELETE FROM incoming WHERE id = (SELECT id FROM incoming WHERE user_id = 2 ORDER BY number LIMIT 1)',
          );
      }
    })();
    expect(await must('backup', tar)).toMatch(
      /users 2, keys 1, queued messages \d+, as of .*without the secrets of sync\[0\]\.url/,
    );
    traffic.on = false;
    await flow;
    expect(traffic.filed).toBeGreaterThan(0);
    expect(statSync(tar).mode & 0o777).toBe(0o600);
    expect(await must('verify', tar)).toMatch(/is whole/);
    expect(readdirSync(trial.folder).filter((name) => name.includes('.part-'))).toEqual([]);
    expect(statSync(join(trial.folder, 'state', 'last-backup')).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
  });

  it('has no secret and no plaintext in it', () => {
    const bytes = readFileSync(tar);
    for (const secret of [PASSWORD, SPOOLED, 'k'.repeat(32), texts[0] ?? '', (texts[1] ?? '').slice(20, 90)])
      for (const encoding of ['utf8', 'hex', 'base64'] as const) {
        // Of base64 what no neighbour changes.
        const form = Buffer.from(secret.slice(0, Math.floor(secret.length / 3) * 3)).toString(encoding);
        expect(bytes.includes(form), `${secret.slice(0, 20)} as ${encoding}`).toBe(false);
      }
    expect(bytes.includes('mysql://reader@127.0.0.1:9/x')).toBe(true);
  });

  it('is told by name where a byte of it has changed', async () => {
    const bytes = readFileSync(tar);
    const at = bytes.indexOf(`${ALICE}\t`);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 0x02, at);
    const damaged = trial.file('damaged.tar', bytes);
    const { code, out } = await trial.sealpost('verify', damaged);
    expect(code).toBe(1);
    expect(out).toMatch(/database\/addresses\/000000 is not what was written/);
    const restored = await trial.sealpost('restore', damaged, '--database-url', postgres.url);
    expect(restored).toMatchObject({ code: 1, err: expect.stringMatching(/not whole .*addresses/) });
    expect(await rowsOf(pool, `SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).toEqual(
      [],
    );
  });

  it('of a newer program is refused in one sentence', async () => {
    const archive = createArchive(new Date());
    const at = new Date().toISOString();
    const newer = {
      taken_at: at,
      server_version: 180000,
      migrations: [4_000_000_000_000],
      directory_version: 1,
      tables: [],
      sequences: [],
      partitions: [],
    };
    const head = {
      format: 1,
      program: '9.0.0',
      started_at: at,
      hostname: 'mx',
      secrets: false,
      spool: false,
      taken_out: [],
    };
    const filled = (async () => {
      await archive.add(HEAD, jsonBytes(head));
      await archive.add(DATABASE_HEAD, jsonBytes(newer));
      await archive.finish();
    })();
    const pieces: Uint8Array[] = [];
    for await (const piece of archive.bytes) pieces.push(piece);
    await filled;
    const file = trial.file('newer.tar', Buffer.concat(pieces));
    expect(await trial.sealpost('restore', file, '--database-url', postgres.url)).toEqual({
      code: 1,
      out: '',
      err: 'sealpost: the backup is of a newer sealpost (9.0.0) than this program, whose tables it does not know: use that version or a newer one\n',
    });
  });

  it('is sealed to a certificate, with spool and secrets, and opened by its key alone', async () => {
    const { privateKey } = await generateKey({ userIDs: [{ email: 'admin@example.org' }], format: 'object' });
    const certificate = trial.file('admin.asc', privateKey.toPublic().armor());
    const sealed = join(trial.folder, 'sealed.tar');
    await must('backup', sealed, '--to', certificate, '--with-secrets', '--with-spool');
    const bytes = readFileSync(sealed);
    expect(bytes.includes(PASSWORD)).toBe(false);
    expect(await trial.sealpost('verify', sealed)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/is sealed; .*gpg --decrypt .* \| sealpost verify -/),
    });
    const opened = await decrypt({
      message: await readMessage({ binaryMessage: bytes }),
      decryptionKeys: privateKey,
      format: 'binary',
    });
    const open = trial.file('opened.tar', opened.data as Uint8Array);
    expect(await must('verify', open)).toMatch(/is whole/);
    expect((opened.data as Uint8Array).includes(0)).toBe(true);
    const plain = Buffer.from(opened.data as Uint8Array);
    for (const wanted of [PASSWORD, SPOOLED, 'k'.repeat(32)]) expect(plain.includes(wanted)).toBe(true);
  });

  it('is restored into an empty PostgreSQL of another version, and once only', async () => {
    const letters = await rowsOf(trial.database.pool, 'SELECT count(*)::int AS n FROM reader_changes');
    expect(await must('restore', tar, '--database-url', postgres.url)).toMatch(
      /users 2, keys 1[\s\S]*restore --accept/,
    );
    const [{ major } = { major: 0 }] = (await rowsOf(
      pool,
      `SELECT current_setting('server_version_num')::int / 10000 AS major`,
    )) as { major: number }[];
    expect(major).toBeLessThan(18);
    expect(await rowsOf(pool, 'SELECT count(*)::int AS n FROM reader_changes')).toEqual(letters);
    expect(await rowsOf(pool, 'SELECT count(*)::int AS n FROM enrolment_letters')).toEqual([{ n: 0 }]);
    expect(await trial.sealpost('restore', tar, '--database-url', postgres.url)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/the database is not empty: its table domains has rows/),
    });
  });

  it('has every letter of the queue, and its owner can read it', async () => {
    const found = await pool.query<{ content: Buffer; size: string }>(
      `SELECT coalesce(i.content, (SELECT string_agg(c.content, ''::bytea ORDER BY c.chunk) FROM incoming_chunks c WHERE c.id = i.id)) AS content,
              i.size FROM incoming i WHERE user_id = 1 ORDER BY number`,
    );
    const opened = await Promise.all(
      found.rows.map(async ({ content, size }) => {
        expect(content.length).toBe(Number(size));
        const { data } = await decrypt({
          message: await readMessage({ binaryMessage: content }),
          decryptionKeys: alice,
          format: 'binary',
        });
        return Buffer.from(data as Uint8Array).toString();
      }),
    );
    expect(opened).toEqual(texts);
    expect(
      await rowsOf(
        pool,
        `SELECT c.user_id FROM incoming_counts c WHERE ROW(messages, bytes) IS DISTINCT FROM
           (SELECT ROW(count(*), coalesce(sum(size), 0)::bigint) FROM incoming i WHERE i.user_id = c.user_id)`,
      ),
    ).toEqual([]);
  });

  it('brings back the audit with its chain, the triggers, the numbers, and the events', async () => {
    const chain = await verifyChain(drizzle(pool), { kind: 'user', id: 1 });
    expect(chain).toMatchObject({ broken: null, events: [{ event: 'added' }] });
    const triggers = `SELECT c.relname, t.tgname, t.tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
      WHERE NOT t.tgisinternal ORDER BY 1, 2`;
    expect(await rowsOf(pool, triggers)).toEqual(await rowsOf(trial.database.pool, triggers));
    const events = 'SELECT tableoid::regclass::text AS day, reason, keys FROM events';
    expect(await rowsOf(pool, events)).toEqual(await rowsOf(trial.database.pool, events));
    const { rows } = await pool.query<{ id: string }>(
      `INSERT INTO key_events (event, fingerprint, user_id, status, source, revoked, actor)
       VALUES ('changed', 'F', 1, 'active', 'cli', false, 'test') RETURNING id`,
    );
    expect(Number(rows[0]?.id)).toBeGreaterThan(Number(chain.events[0]?.id));
    expect((await verifyChain(drizzle(pool), { kind: 'user', id: 1 })).broken).toBeNull();
    // Ids of users who came after the backup name mailboxes: nobody else gets them.
    const next = await pool.query<{ id: string }>(
      `SELECT nextval(pg_get_serial_sequence('users', 'id')) AS id`,
    );
    expect(Number(next.rows[0]?.id)).toBeGreaterThan(1000);
  });

  it('lets out nothing in plaintext until it is accepted, and refuses nobody for good', async () => {
    const config = { ...trial.config, database: { ...trial.config.database, url: postgres.url } };
    const file = trial.file(
      'restored.toml',
      `hostname = "mx.example"\nstate_dir = "state2"\n[database]\nurl = "${postgres.url}"\n`,
    );
    const asked = (...words: readonly string[]) => at(file, ...words);
    const hop = listedHop();
    const engine = await openEngine({ config, ...silent(), workers: 0, watchChanges: true, nextHop: hop });
    const fates = async (...recipients: readonly string[]): Promise<readonly string[]> => {
      const told: string[] = [];
      for (const recipient of recipients) {
        const { outcomes } = await engine.deliverer.deliver(mail('Subject: x\r\n\r\nbody\r\n', recipient));
        told.push(`${outcomes[0]?.reply.code}`);
      }
      return told;
    };
    try {
      expect(await fates(ALICE, BOB, 'new@example.org', 'friend@outside.example')).toEqual([
        '250',
        '450',
        '450',
        '450',
      ]);
      expect(hop.sent.map(textOf).join()).not.toContain('body\r\n');
      expect((await asked('explain', BOB)).text).toMatch(/decision +defer[\s\S]*restored from a backup/);
      expect(await asked('lookup', 'check_recipient', 'new@example.org')).toMatchObject({ code: 75 });
      expect(await asked('lookup', 'virtual_mailbox', 'new@example.org')).toMatchObject({ code: 75 });
      expect((await asked('lookup', 'check_recipient', ALICE)).text).toMatch(/DUNNO/);
      expect((await asked('status')).text).toMatch(/restored from a backup of .*restore --accept/);
      expect(await asked('restore', '--accept')).toMatchObject({
        code: 0,
        text: expect.stringMatching(/^accepted/),
      });
      // The same engine, whose answers were kept.
      expect(await fates(ALICE, BOB, 'friend@outside.example')).toEqual(['250', '250', '250']);
      expect(await asked('lookup', 'virtual_mailbox', 'new@example.org')).toMatchObject({ code: 1 });
      expect((await asked('status')).text).not.toMatch(/restored from/);
      expect(await asked('restore', '--accept')).toMatchObject({ code: 1 });
    } finally {
      await engine.close();
    }
  });

  it('is put on a machine that has nothing, with configuration, spool and secrets', async () => {
    const home = join(trial.folder, 'new-machine');
    const target = join(home, 'sealpost.toml');
    await pool.query('CREATE DATABASE second');
    const url = postgres.url.replace(/\/sealpost$/, '/second');
    const opened = join(trial.folder, 'opened.tar');
    const done = await at(target, 'restore', opened, '--database-url', url, '--accept');
    expect(done).toMatchObject({
      code: 0,
      text: expect.stringMatching(/configuration written[\s\S]*accepted/),
    });
    expect(readFileSync(target, 'utf8')).toContain(PASSWORD);
    expect(readFileSync(target, 'utf8')).toContain(url);
    expect(statSync(target).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(home, 'spool', 'new', '1700000000.M1P2.host:2,S'), 'utf8')).toBe(SPOOLED);
    expect(readFileSync(join(home, 'state', 'log.key'), 'utf8')).toBe('k'.repeat(32));
    expect(readdirSync(join(home, 'spool', 'tmp'))).toEqual([]);
  });
});

// What an older version left, under this one: migrated, and nothing of it lost. test/fixtures/upgrade has a folder for each such
// version, with the same data as SQL for a PostgreSQL of one's own and as the folder of the embedded one.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { snakeCased } from '../../src/cli/snake-case.ts';
import { type Contents, keyOf, plaintextHash } from '../fixtures/upgrade/contents.ts';
import { mustRun } from '../support/child.ts';
import { openpgpDecrypt } from '../support/keys.ts';
import { backUpOlder } from '../support/older-backup.ts';
import { allocatePlaces, freePorts, type Places, repository } from '../support/places.ts';
import { debianPostgres, startPostgres } from '../support/private-postgres.ts';
import { createSealpost, type SealpostProcess, sealpostCommand } from '../support/sealpost-process.ts';
import { type Sink, startSink } from '../support/sink.ts';
import { sendRaw } from '../support/submit.ts';
import { fieldValues, looksSealed, splitMessage, unsealAndCompare } from '../support/unseal.ts';

const fixtures = join(repository, 'test', 'fixtures', 'upgrade');
const commits = readdirSync(fixtures, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** The data as this version found it. */
interface Found {
  /** Of sealpost.toml's database.url. */
  readonly url: string;
  /** Gives the number of rows of a table; undefined where only sealpost itself can ask. */
  readonly count?: (table: string) => Promise<number>;
  close(): Promise<void>;
}

/** Loads data.sql into a PostgreSQL of its own. */
async function loadSql(fixture: string): Promise<Found> {
  const postgres = await startPostgres();
  const client = new pg.Client({ connectionString: postgres.url });
  const close = async (): Promise<void> => {
    await client.end();
    await postgres.remove();
  };
  try {
    await client.connect();
    await client.query(readFileSync(join(fixture, 'data.sql'), 'utf8'));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url: postgres.url,
    async count(table) {
      const { rows } = await client.query<{ n: number }>(`SELECT count(*)::int AS n FROM public.${table}`);
      return rows[0]?.n ?? 0;
    },
    close,
  };
}

/** Unpacks data.tar.xz to where the embedded PostgreSQL of a state folder lies. */
async function unpackFolder(fixture: string, { dir }: Places): Promise<Found> {
  const state = join(dir, 'state');
  mkdirSync(state);
  await mustRun('tar', ['-C', state, '--no-same-owner', '-xJf', join(fixture, 'data.tar.xz')]);
  // PostgreSQL does not run as root: it runs as whoever owns its data.
  if (process.getuid?.() === 0)
    await mustRun('chown', ['-R', '65534:65534', join(state, 'postgres', 'data')]);
  return { url: 'embedded:', close: async () => undefined };
}

/** Whether tar can read data.tar.xz. */
function hasXz(): boolean {
  try {
    execFileSync('xz', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const forms = [
  { form: 'a PostgreSQL of its own', prepare: loadSql, possible: debianPostgres() !== null, counts: true },
  { form: 'the embedded PostgreSQL', prepare: unpackFolder, possible: hasXz(), counts: false },
];

describe.each(commits)('what version %s left', (commit) => {
  const fixture = join(fixtures, commit);
  const contents = JSON.parse(readFileSync(join(fixture, 'contents.json'), 'utf8')) as Contents;

  for (const { form, prepare, possible, counts } of forms) {
    describe.runIf(possible)(`in ${form}`, () => {
      let places: Places;
      let found: Found;
      let hop: Sink;
      let sealpost: SealpostProcess;
      let apiPort: number;
      let migrated: unknown;
      const rows: Record<string, number> = {};

      /** Runs a command that must succeed. @returns what it printed under --json */
      async function must(words: readonly string[]): Promise<unknown> {
        const done = await sealpost.cli([...words, '--json']);
        if (done.code !== 0)
          throw new Error(`sealpost ${words.join(' ')}: exit ${done.code}\n${done.stderr}`);
        return done.json;
      }

      /** Hands a message to the filter. @returns its reply */
      async function send(recipients: readonly string[], message: string): Promise<string> {
        const { sender } = contents.retry;
        const to = { port: places.smtpPort };
        const [reply = ''] = await sendRaw({ to, sender, recipients, message: Buffer.from(message) });
        return reply;
      }

      beforeAll(async () => {
        places = await allocatePlaces();
        found = await prepare(fixture, places);
        const [hopPort = 0, freePort = 0] = await freePorts(2);
        apiPort = freePort;
        hop = await startSink({ protocol: 'smtp', listen: { port: hopPort } });
        sealpost = await createSealpost({
          places,
          example: null,
          substitutions: {},
          migrate: false,
          config: {
            database: { url: found.url },
            filter: {
              next_hop: `smtp:127.0.0.1:${hopPort}`,
              listen: [{ name: 'smtp', protocol: 'smtp', address: `127.0.0.1:${places.smtpPort}` }],
              // The data are as old as the fixture.
              duplicate_lifetime: '36500d',
            },
            receiver: { api: { listen: `127.0.0.1:${apiPort}` } },
          },
        });
        // As that version would have made it: its tables, its migrations.
        if (found.count !== undefined) await backUpOlder(found.url, join(places.dir, 'older.tar'));
        migrated = await must(['migrate']);
        // Before serve runs, which forgets some things after their time.
        if (found.count !== undefined)
          for (const table of Object.keys(contents.rows)) rows[table] = await found.count(table);
        await sealpost.start();
      });

      afterAll(async () => {
        await sealpost?.close();
        await found?.close();
        await hop?.stop();
        await places?.remove();
      });

      it('is migrated to what this version wants, with nothing left to apply', () => {
        expect(migrated).toMatchObject({ pending: [], unknown: [] });
      });

      it('is in a backup that verifies', async () => {
        const file = join(places.dir, 'backup.tar');
        expect(await must(['backup', file])).toMatchObject({ rows: { incoming: contents.queued.length } });
        expect(await must(['verify', file])).toMatchObject({ ok: true, problems: [] });
      });

      if (counts)
        it('is restored from a backup of that version, and brought to the present', async () => {
          const client = new pg.Client({ connectionString: found.url });
          await client.connect();
          await client.query('CREATE DATABASE older');
          await client.end();
          const url = found.url.replace(/\/sealpost$/, '/older');
          expect(
            await must(['restore', join(places.dir, 'older.tar'), '--database-url', url, '--accept']),
          ).toMatchObject({ program: '0.1.0', accepted: true });
          const older = new pg.Client({ connectionString: url });
          await older.connect();
          const restored: Record<string, number> = {};
          for (const table of Object.keys(contents.rows)) {
            const { rows: counted } = await older.query<{ n: number }>(
              `SELECT count(*)::int AS n FROM public.${table}`,
            );
            restored[table] = counted[0]?.n ?? 0;
          }
          await older.end();
          expect(restored).toEqual(rows);
        });

      if (counts)
        it('has every row that it had', () => {
          // This one grows with each migration.
          const { sealpost_migrations: before = 0, ...others } = contents.rows;
          expect(rows).toMatchObject(others);
          expect(rows.sealpost_migrations).toBeGreaterThanOrEqual(before);
        });

      // Fields may be added, and none may be lost: programs read them. Their names were mixedCase at first, and are snake_case now.
      it.each(contents.said.map(({ words, json }) => [words.join(' '), words, json] as const))(
        'is told by "%s" as its own version told it',
        async (_command, words, json) => {
          expect({ json: await must(words) }).toMatchObject({ json: snakeCased(json) });
        },
      );

      it('has a queue whose messages open with the keys of their users, the large ones too', async () => {
        for (const { address, id, sha256 } of contents.queued) {
          const { code, stdout } = await sealpost.cli(['queue', 'fetch', address, id]);
          expect(code).toBe(0);
          expect(await plaintextHash(keyOf(contents, address), stdout)).toBe(sha256);
        }
      });

      it('lets a client in with the token that it has', async () => {
        const { address, token } = contents.token;
        const answer = await fetch(`http://127.0.0.1:${apiPort}/v1/messages`, {
          headers: { authorization: `Bearer ${token}` },
        });
        expect(answer.status).toBe(200);
        const { messages } = (await answer.json()) as { messages: { id: string }[] };
        const ids = contents.queued.filter((each) => each.address === address).map(({ id }) => id);
        expect(messages.map(({ id }) => id)).toEqual(ids);
      });

      it('seals new mail to the keys that were there', async () => {
        for (const key of contents.keys) {
          hop.clear();
          const message = `From: <carol@outside.example>\r\nTo: <${key.address}>\r\nSubject: new\r\n\r\nThe body.\r\n`;
          expect(await send([key.address], message)).toMatch(/^250 /);
          const delivered = hop.deliveries().find(({ recipient }) => recipient === key.address);
          if (delivered === undefined) throw new Error(`nothing came for ${key.address}`);
          await unsealAndCompare(Buffer.from(message), delivered.message, openpgpDecrypt(key));
          const { fields } = splitMessage(delivered.message);
          expect(fieldValues(fields, 'Sealpost-Status').join()).toMatch(/^sealed/);
        }
      });

      it('does not send again what the next hop had accepted before, when Postfix tries again', async () => {
        hop.clear();
        const { accepted, open, message } = contents.retry;
        expect(await send([accepted, open], message)).toMatch(/^250 /);
        expect(hop.deliveries().map(({ recipient }) => recipient)).toEqual([open]);
        expect(hop.deliveries().some((delivery) => looksSealed(delivery.message))).toBe(false);
      });
    });
  }

  it('has a sealpost.toml that is still right', async () => {
    const places = await allocatePlaces();
    try {
      cpSync(join(fixture, 'sealpost.toml'), places.sealpostConfig);
      const { program, args } = sealpostCommand();
      const checked = await mustRun(program, [
        ...args,
        'config',
        'check',
        '--json',
        '--config',
        places.sealpostConfig,
      ]);
      expect(JSON.parse(checked.stdout.toString())).toMatchObject({ ok: true, errors: [], warnings: [] });
    } finally {
      await places.remove();
    }
  });
});

// The blocks of commands in README and in the other pages, as they stand there: typed into a shell, one after the other, on a machine
// that has what the pages speak of. test/unit/docs/command-blocks.test.ts counts them, and those that are not run.
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PrivateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { type Database, openDatabase } from '../../src/database/open.ts';
import { hashedMessageId } from '../../src/delivery/tell.ts';
import { pseudonymKey } from '../../src/observe/pseudonym.ts';
import { type Authority, CA_EXTENSIONS, openAuthority } from '../support/authority.ts';
import { placeMigratedDatabase } from '../support/database-template.ts';
import { everyBlock, nameOf } from '../support/doc-blocks.ts';
import { type DocShell, openDocShell } from '../support/doc-shell.ts';
import type { GpgHome } from '../support/keys.ts';
import { armorOf, homeWith, keyFor } from '../support/moving.ts';
import { openTrial, type Trial } from '../support/trial.ts';

const blocks = everyBlock().filter(({ fate }) => fate.kind === 'run');
const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';

let trial: Trial;
let shell: DocShell;
let authority: Authority;
let gpg: GpgHome;
let fingerprint = '';
const opened: Database[] = [];
const before = { cwd: '', config: '' as string | undefined };

/** Where a file of the pages lies here. */
const here = (path: string): string => join(trial.folder, path);

function place(path: string, text: string): void {
  mkdirSync(dirname(here(path)), { recursive: true });
  writeFileSync(here(path), text);
}

async function must(...words: readonly string[]): Promise<void> {
  const { code, said } = await shell.run(`sealpost ${words.map((word) => `'${word}'`).join(' ')}`);
  if (code !== 0) throw new Error(`${words.join(' ')}: exit ${code}: ${said}`);
}

/** A block as it is typed here: what lies in folders of the machine lies below this one, and FINGERPRINT is one. */
const placed = (block: string): string =>
  block
    .replaceAll(/(?<![\w/.])\/(etc|srv|var)\//g, (_, folder) => `${here(folder)}/`)
    .replaceAll(/\bFINGERPRINT\b/g, fingerprint);

/** An event as `serve` writes it. */
async function sealedFor(recipient: string, queueId: string, id: string): Promise<void> {
  const messageId = hashedMessageId(pseudonymKey(here('state')), id);
  await trial.database.pool.query(
    `INSERT INTO events (at, event, queue_id, transaction, message_id, recipient, because, reason, keys, size, ms, reply)
     VALUES (now(), 'sealed', $1, 't', $2, $3, 'usable key', '1 usable key', '{A}', 1, 1, '250')`,
    [queueId, messageId, recipient],
  );
}

/** What a block finds that no block before it has made, by its first line. */
const FINDS: Readonly<Record<string, () => Promise<void> | void>> = {
  'gpg --decrypt sealpost.tar | sealpost verify -': async () => {
    await must('backup', 'sealpost.tar', '--to', 'backup.asc');
  },
  // A new machine, with a database that has nothing.
  'sealpost restore sealpost.tar': async () => {
    await must('backup', 'sealpost.tar', '--with-secrets');
    await moveToNewMachine();
  },
  'sealpost import csv users.csv                 # the report': () => {
    const table = everyBlock().find(({ fate }) => fate.kind === 'shown' && fate.what === 'users.csv');
    place('users.csv', table?.text ?? '');
  },
  'sealpost trace dora@example.org --since 7d': () =>
    sealedFor('dora@example.org', 'Q2', 'second@example.net'),
  "sealpost trace 4bXkQ21zzz            # Postfix's queue ID": async () => {
    // The new machine was the page before's.
    process.env.SEALPOST_CONFIG = here('sealpost.toml');
    await sealedFor('alice@example.org', '4bXkQ21zzz', 'id@example.net');
  },
};

/** Another machine, whose database has tables and no rows; commands are of that one from now on. */
async function moveToNewMachine(): Promise<void> {
  place('new/sealpost.toml', 'hostname = "mx2.example.org"\nstate_dir = "state"\n');
  const { config } = loadConfig({ path: here('new/sealpost.toml') });
  await placeMigratedDatabase(config.state_dir);
  // It stays for the commands to come.
  opened.push(await openDatabase(config, { requireMigrated: false, actor: 'test' }));
  process.env.SEALPOST_CONFIG = here('new/sealpost.toml');
}

const keyOf = (name: string): Promise<PrivateKey> => keyFor([`${name}@example.org`]);

/** What lies on the machine that the pages speak of: keys in files, another program's configuration, an authority. */
async function furnish(): Promise<void> {
  place(
    'sealpost.toml',
    `hostname = "mx.example.org"\nstate_dir = "state"\n[smime]\ntrust = "authority.pem"\n`,
  );
  const root = authority.issue('root', { extensions: CA_EXTENSIONS });
  copyFileSync(root.certificateFile, here('authority.pem'));
  copyFileSync(authority.issue('alice', { issuer: root }).certificateFile, here('alice.pem'));
  copyFileSync(
    authority.issue('bob', { extensions: ['subjectAltName=email:bob@example.net'] }).certificateFile,
    here('bob.pem'),
  );
  const [alice, admin, carol] = [await keyOf('alice'), await keyOf('admin'), await keyOf('carol')];
  for (const name of ['dora', 'dora-laptop', 'dora-2027']) {
    const key = await keyOf('dora');
    place(`${name}.asc`, armorOf(key));
    fingerprint = key.getFingerprint().toUpperCase();
  }
  gpg = await homeWith([alice, carol]);
  await gpg.run(['--import'], admin.armor());
  place('alice.asc', armorOf(alice));
  place('keys/alice.asc', armorOf(alice));
  place('backup.asc', armorOf(admin));
  place('srv/keys/carol.asc', armorOf(carol));
  place('etc/gpg-mailgate.conf', `[gpg]\nkeyhome = ${gpg.dir}\n`);
  place('etc/zeyple.conf', `[zeyple]\nlog_file = /dev/null\n[gpg]\nhome = ${gpg.dir}\n`);
  mkdirSync(here('var/lib/keys'), { recursive: true });
  symlinkSync(gpg.dir, here('var/lib/keys/.gnupg'));
}

describe('the blocks of the pages, typed as they stand', () => {
  beforeAll(async () => {
    trial = await openTrial([]);
    authority = openAuthority();
    await furnish();
    before.cwd = process.cwd();
    before.config = process.env.SEALPOST_CONFIG;
    process.chdir(trial.folder);
    process.env.SEALPOST_CONFIG = here('sealpost.toml');
    shell = await openDocShell(trial.folder, { GNUPGHOME: gpg.dir });
    for (const domain of ['example.org', 'relay.example', 'newsletter.example'])
      await must('domain', 'add', domain);
    await must('user', 'add', 'alice@example.org', 'carol@example.org');
  });
  afterAll(async () => {
    for (const each of opened) await each.close();
    if (before.config === undefined) delete process.env.SEALPOST_CONFIG;
    else process.env.SEALPOST_CONFIG = before.config;
    if (before.cwd !== '') process.chdir(before.cwd);
    await shell?.close();
    await gpg?.close();
    authority?.close();
    await trial?.close();
  });

  it('has nothing ready that no block asks for', () => {
    const lines = new Set(blocks.map(({ text }) => firstLine(text)));
    expect(Object.keys(FINDS).filter((line) => !lines.has(line))).toEqual([]);
  });

  it.each(blocks.map((block) => [nameOf(block), block] as const))(
    '%s',
    // Done twice, it finds what it made the first time.
    { retry: 0 },
    async (_name, { text, fate }) => {
      await FINDS[firstLine(text)]?.();
      if (fate.kind === 'run' && fate.as === 'SQL') {
        await trial.database.pool.query(text);
        return;
      }
      const { code, said } = await shell.run(placed(text));
      expect(code, said).toBe(0);
    },
  );
});

// `sealpost init`: a configuration file, a database, its tables. May be repeated: what is there is kept.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { describeConfig } from '../config/describe.ts';
import { loadConfig } from '../config/load.ts';
import { applyMigrations, migrationStatus } from '../database/migrate.ts';
import { openDatabase } from '../database/open.ts';
import { refoldAddresses } from '../directory/refold.ts';
import { Refused } from '../host/exit-codes.ts';
import { groupId, setAccess } from '../host/unix-socket.ts';
import { type AskedPostfix, askPostfix } from '../postfix/postconf.ts';
import { run, withCommonOptions } from './command.ts';
import { takeOver, withOperators } from './init-postfix.ts';

interface InitOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly dir?: string;
  readonly postfixConfig?: string;
}

export function registerInit(program: Command): void {
  withCommonOptions(
    program
      .command('init')
      .description('write sealpost.toml, create the database, apply the migrations')
      .option(
        '--dir <dir>',
        'where sealpost.toml goes (default: $SEALPOST_CONFIG; without it /etc/sealpost for root, else this folder)',
      )
      .option(
        '--postfix-config <dir>',
        "where main.cf is, as Postfix's own -c (default: where Postfix has it)",
      ),
    'sealpost init --dir /etc/sealpost',
  ).action((options: InitOptions) =>
    run(options, async ({ print }) => {
      const path = placeOf(options);
      const written = !existsSync(path);
      const postfix = await askPostfix(options.postfixConfig ?? null);
      if (written) write(path, postfix);
      const { config } = loadConfig({ path });
      const database = await openDatabase(config, { requireMigrated: false });
      try {
        await applyMigrations(database, { allowDestructive: false });
        await refoldAddresses(database);
        const { applied } = await migrationStatus(database);
        // Behind the start of an embedded PostgreSQL, which makes the service's user where it is missing.
        const left = written ? await giveToService(path) : null;
        if (left !== null) process.stderr.write(`sealpost: warning: ${left}\n`);
        const found = await takeOver(database, postfix, { written, configured: config.postfix });
        print(
          { config: path, written, state_dir: config.state_dir, migrations: applied, postfix: found.json },
          [
            `${written ? 'wrote' : 'kept '} ${path}`,
            `database ready (${applied.length} migrations applied), state in ${config.state_dir}`,
            ...found.lines,
            'next: sealpost domain add example.org && sealpost user add alice@example.org && sealpost serve',
            'then Postfix: postfix-examples/delivery-lmtp/README.md (mailboxes in Dovecot, Cyrus or any other store with LMTP)',
          ].join('\n'),
        );
      } finally {
        await database.close();
      }
    }),
  );
}

/** Where the other commands look for it afterwards, if nothing else is said. */
function placeOf({ config, dir }: InitOptions): string {
  const named = process.env.SEALPOST_CONFIG;
  if (config !== undefined) return resolve(config);
  if (dir === undefined && named !== undefined && named !== '') return resolve(named);
  return resolve(dir ?? defaultFolder(), 'sealpost.toml');
}

const SYSTEM_FILE = '/etc/sealpost/sealpost.toml';

function defaultFolder(): string {
  return process.getuid?.() === 0 ? '/etc/sealpost' : '.';
}

/** The group of packaging/systemd/sealpost.service and of the pipe(8) service. */
const SERVICE_GROUP = 'sealpost';

/**
 * Lets the service read a file that root has written with mode 0640.
 * @returns what is left to do, in a sentence; null: nothing
 */
export async function giveToService(path: string, group = SERVICE_GROUP): Promise<string | null> {
  if (process.getuid?.() !== 0) return null;
  if ((await groupId(group)) === null) {
    return (
      `only root may read ${path}, and there is no group "${group}" yet; before you run the service: ` +
      `"adduser --system --group --home /var/lib/sealpost ${group}" and "chgrp ${group} ${path}"`
    );
  }
  await setAccess(path, '0640', group);
  return null;
}

/** @param postfix what is found goes into [postfix] */
function write(path: string, postfix: AskedPostfix): void {
  const folder = resolve(path, '..');
  try {
    mkdirSync(folder, { recursive: true });
    const text = withOperators(describeConfig(), postfix);
    // With a folder of one's own the state stays beside the file; only the system-wide file uses /var/lib/sealpost.
    const stateDir = path === SYSTEM_FILE && process.getuid?.() === 0 ? '/var/lib/sealpost' : './.sealpost';
    writeFileSync(path, text.replace(/^#? *state_dir = .*$/m, `state_dir = ${JSON.stringify(stateDir)}`), {
      mode: 0o640,
      flag: 'wx',
    });
  } catch (error) {
    throw new Refused(
      `cannot write ${path}: ${error instanceof Error ? error.message : String(error)}; choose another place with --dir`,
    );
  }
}

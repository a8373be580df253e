// `sealpost init`: a configuration file, a database, its tables. May be repeated: what is there is kept.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { describeConfig } from '../config/describe.ts';
import { loadConfig } from '../config/load.ts';
import { applyMigrations, migrationStatus } from '../database/migrate.ts';
import { openDatabase } from '../database/open.ts';
import { Refused, run, withCommonOptions } from './command.ts';

interface InitOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly dir?: string;
}

export function registerInit(program: Command): void {
  withCommonOptions(
    program
      .command('init')
      .description('write sealpost.toml, create the database, apply the migrations')
      .option('--dir <dir>', 'where sealpost.toml goes (default: /etc/sealpost for root, else this folder)'),
    'sealpost init --dir /etc/sealpost',
  ).action((options: InitOptions) => {
    const path = resolve(options.config ?? join(options.dir ?? defaultFolder(), 'sealpost.toml'));
    const { config: _, ...rest } = options;
    return run({ ...rest, ...(existsSync(path) ? { config: path } : {}) }, async ({ print }) => {
      const written = !existsSync(path);
      if (written) write(path, options.dir === undefined && options.config === undefined);
      const { config } = loadConfig({ path });
      const database = await openDatabase(config, { requireMigrated: false });
      try {
        await applyMigrations(database, { allowDestructive: false });
        const { applied } = await migrationStatus(database);
        print(
          { config: path, written, state_dir: config.state_dir, migrations: applied },
          [
            `${written ? 'wrote' : 'kept '} ${path}`,
            `database ready (${applied.length} migrations applied), state in ${config.state_dir}`,
            'next: sealpost domain add example.org && sealpost user add alice@example.org && sealpost serve',
          ].join('\n'),
        );
      } finally {
        await database.close();
      }
    });
  });
}

function defaultFolder(): string {
  return process.getuid?.() === 0 ? '/etc/sealpost' : '.';
}

function write(path: string, systemWide: boolean): void {
  const folder = resolve(path, '..');
  try {
    mkdirSync(folder, { recursive: true });
    const text = describeConfig();
    // With a folder of one's own the state stays beside the file; only the system-wide file uses /var/lib/sealpost.
    const stateDir = systemWide && process.getuid?.() === 0 ? '/var/lib/sealpost' : './.sealpost';
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

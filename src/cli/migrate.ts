// `sealpost migrate`: brings the database to this program's schema, or tells what is missing.
import type { Command } from 'commander';
import { run, withCommonOptions } from './command.ts';

interface MigrateOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly status?: boolean;
  readonly allowDestructive?: boolean;
}

export function registerMigrate(program: Command): void {
  withCommonOptions(
    program
      .command('migrate')
      .description('apply the migrations that the database lacks')
      .option('--status', 'only tell which are applied and which are pending')
      .option('--allow-destructive', 'also apply migrations that remove something'),
    'sealpost migrate --status',
  ).action((options: MigrateOptions) =>
    run(options, async ({ loaded, print }) => {
      const { openDatabase } = await import('../database/open.ts');
      const { applyMigrations, migrationStatus } = await import('../database/migrate.ts');
      const { foldingTogether, refoldAddresses } = await import('../directory/refold.ts');
      const database = await openDatabase(loaded.config, { requireMigrated: false });
      try {
        if (options.status !== true) {
          await applyMigrations(database, { allowDestructive: options.allowDestructive === true });
          await refoldAddresses(database);
        }
        const status = await migrationStatus(database);
        // Before the tables are there, nothing is stored.
        const folding_together = status.pending.length === 0 ? await foldingTogether(database) : [];
        const lines = [
          ...status.applied.map((name) => `applied  ${name}`),
          ...status.pending.map((name) => `pending  ${name}`),
          ...status.unknown.map((name) => `unknown  ${name} (made by a newer sealpost)`),
          ...folding_together.map(
            ({ address, foldsTo }) =>
              `same     ${address} is ${foldsTo} to Postfix, and another address is so, too: rename or remove one of them`,
          ),
        ];
        print({ ...status, folding_together }, lines.join('\n'));
      } finally {
        await database.close();
      }
    }),
  );
}

// `sealpost alias`: addresses that expand to users or outside addresses, and catch-alls.
import type { Command } from 'commander';
import type { AliasView } from '../directory/aliases.ts';
import { run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';
import { confirm } from './confirm.ts';
import { table } from './table.ts';

export function registerAlias(program: Command): void {
  const alias = program.command('alias').description('aliases, forwards and catch-alls');

  withCommonOptions(
    alias
      .command('add')
      .description('add an alias, or further targets to one')
      .argument('<address>', 'in a domain that was added; @domain is the catch-all')
      .argument('<target...>', "a user's address, or an outside one"),
    'sealpost alias add sales@example.org alice@example.org bob@partner.example',
  ).action((address: string, targets: string[], options: CommonOptions) =>
    run(options, async ({ loaded, database, print }) => {
      const { addAlias } = await import('../directory/aliases.ts');
      const added = await addAlias(await database(), address, targets, loaded.config.recipient_delimiter);
      for (const warning of added.warnings) process.stderr.write(`sealpost: warning: ${warning}\n`);
      print({ address: added.address, targets: added.targets }, row(added).join(' '));
    }),
  );

  withCommonOptions(
    alias
      .command('list')
      .description('list the aliases')
      .argument('[address]', 'only the alias at this address, and those that lead to it'),
    'sealpost alias list sales@example.org',
  ).action((address: string | undefined, options: CommonOptions) =>
    run(options, async ({ database, print }) => {
      const { listAliases } = await import('../directory/aliases.ts');
      const aliases = await listAliases(await database(), address);
      print(aliases, table(aliases.map(row)));
    }),
  );

  withCommonOptions(
    alias
      .command('remove')
      .description('remove an alias')
      .argument('<address>', 'the alias; @domain is the catch-all')
      .option('--yes', 'do not ask'),
    'sealpost alias remove sales@example.org --yes',
  ).action((address: string, options: CommonOptions & { readonly yes?: boolean }) =>
    run(options, async ({ database, print }) => {
      const { removeAlias } = await import('../directory/aliases.ts');
      await confirm(`remove the alias ${address}`, options.yes === true);
      const removed = await removeAlias(await database(), address);
      print(removed, `removed ${removed.address}`);
    }),
  );
}

function row({ address, targets }: AliasView): readonly string[] {
  return [address, targets.join(', ')];
}

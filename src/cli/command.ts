// What every command shares. --help loads nothing beside this and the commands themselves: what they do, they import when they
// do it.
import type { Command } from 'commander';
import type { CommandContext, CommonOptions } from './command-context.ts';

export type { CommandContext } from './command-context.ts';

/** Adds the options that every command has, and an example to its --help. */
export function withCommonOptions(command: Command, example: string): Command {
  return command
    .option(
      '--config <file>',
      'configuration file (default: $SEALPOST_CONFIG, ./sealpost.toml, /etc/sealpost/sealpost.toml)',
    )
    .option('--json', 'print JSON for machines')
    .addHelpText('after', `\nExample:\n  $ ${example}`);
}

/**
 * Runs a command's action with a context made from its common options, closes what it opened, and turns what it threw
 * into a message on standard error and an exit code. Never prints a stack trace.
 */
export async function run(
  options: CommonOptions,
  action: (context: CommandContext) => Promise<void>,
): Promise<void> {
  const { runAction } = await import('./run-action.ts');
  await runAction(options, action);
}

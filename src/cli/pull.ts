// `sealpost pull`: the client that users have as `sealpost-pull`, from the server's own command line.
import type { Command } from 'commander';
import { asPull } from '../../client/command.ts';

export function registerPull(program: Command): void {
  asPull(program.command('pull'), 'sealpost pull').option(
    '--config <file>',
    'taken like everywhere, and not read: pull needs no configuration',
  );
}

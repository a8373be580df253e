// `sealpost database accept`: says that the server which answers now is the right one.
import type { Command } from 'commander';
import { Refused } from '../host/exit-codes.ts';
import { run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';

export function registerDatabase(program: Command): void {
  const database = program.command('database').description('the database server that sealpost uses');
  withCommonOptions(
    database
      .command('accept')
      .description(
        'take the server that database.url leads to for the right one: another one than before, or one that is behind, is refused until then',
      ),
    'sealpost database accept && systemctl restart sealpost',
  ).action((options: CommonOptions) =>
    run(options, async ({ loaded, print }) => {
      const { acceptServer } = await import('../database/accept-server.ts');
      const accepted = await acceptServer(loaded.config);
      if (accepted === null)
        throw new Refused(
          'there is nothing to accept: the embedded server lies in state_dir and is no other one',
        );
      const { before, now } = accepted;
      const name = `system identifier ${now.system}, timeline ${now.timeline}`;
      const known =
        before === null ? 'none was known before' : `before: ${before.system}, timeline ${before.timeline}`;
      print(
        {
          system_identifier: now.system,
          timeline: now.timeline,
          before: before === null ? null : { system_identifier: before.system, timeline: before.timeline },
        },
        `accepted: ${name} (${known}); a serve that runs has to be restarted where this server is behind`,
      );
    }),
  );
}

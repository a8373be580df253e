// `sealpost portal`: help for people who cannot sign in to the portal by themselves.
import type { Command } from 'commander';
import { run, withCommonOptions } from './command.ts';
import { flowContext } from './flow-context.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

export function registerPortal(program: Command): void {
  const portal = program.command('portal').description('the pages on which users hand over their keys');

  withCommonOptions(
    portal
      .command('link')
      .description(
        'print a link with which a user signs in once, to be given to them by other means than mail',
      )
      .argument('<address>', "the user's address"),
    'sealpost portal link alice@example.org',
  ).action((address: string, options: Options) =>
    run(options, async (context) => {
      const { supportLink } = await import('../enrolment/sign-in.ts');
      const link = await supportLink(await flowContext(context), { address });
      const expires = new Date(link.expiresAt).toISOString();
      context.print(
        { url: link.url, address: link.address, expires },
        `${link.url}\nsigns in as ${link.address}, once, until ${expires}; whoever has it can do so`,
      );
    }),
  );
}

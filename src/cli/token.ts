// `sealpost token`: the bearer tokens with which a user's client empties the queue over HTTP.
import type { Command } from 'commander';
import { Refused, WrongUsage } from '../host/exit-codes.ts';
import { run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';
import { confirmAtTerminal } from './confirm.ts';
import { type PagingOptions, printPages, readNumberAfter, readPaging, withPaging } from './paging.ts';

export function registerToken(program: Command): void {
  const token = program.command('token').description("tokens with which a user's client fetches mail");

  withCommonOptions(
    token
      .command('add')
      .description('make a token and print it, this once')
      .argument('<address>', "the user's primary address")
      .option('--name <name>', 'what it is for, such as the device', ''),
    'sealpost token add alice@example.org --name laptop',
  ).action((address: string, options: CommonOptions & { readonly name: string }) =>
    run(options, async ({ database, print }) => {
      const { addToken } = await import('../../receiver/queue/tokens.ts');
      const { requireUser } = await import('../directory/find.ts');
      const { orm, pool } = await database();
      const { user } = await requireUser(orm, address);
      const { id, token } = await addToken(pool, user.id, options.name);
      print({ id, token, address, name: options.name }, token);
    }),
  );

  withCommonOptions(
    withPaging(
      token
        .command('list')
        .description('list the tokens: number, user, name, when they were made, used and revoked')
        .argument('[address]', "only this user's, by the primary address"),
      '<number>',
    ),
    'sealpost token list alice@example.org',
  ).action((address: string | undefined, options: CommonOptions & PagingOptions) =>
    run(options, async (context) => {
      const { tokensAfter } = await import('../../receiver/queue/tokens.ts');
      const { requireUser } = await import('../directory/find.ts');
      const { pagesOf } = await import('../database/pages.ts');
      const paging = readPaging(options, readNumberAfter);
      const { orm, pool } = await context.database();
      const only = address === undefined ? null : (await requireUser(orm, address)).user.id;
      const pages = pagesOf(
        (after: number | null, count) => tokensAfter(pool, only, after, count),
        ({ id }) => id,
        paging,
      );
      await printPages(context, pages, (one) => [
        String(one.id),
        one.address,
        one.name === '' ? '-' : one.name,
        `made ${one.created}`,
        one.last_used === null ? 'never used' : `used ${one.last_used}`,
        one.revoked === null ? '' : `revoked ${one.revoked}`,
      ]);
    }),
  );

  withCommonOptions(
    token
      .command('revoke')
      .description('revoke a token: it is refused from now on')
      .argument('<id>', 'its number, see "sealpost token list ADDRESS"')
      .option('--yes', 'do not ask, on a terminal'),
    'sealpost token revoke 3',
  ).action((id: string, options: CommonOptions & { readonly yes?: boolean }) =>
    run(options, async ({ database, print }) => {
      const { revokeToken } = await import('../../receiver/queue/tokens.ts');
      if (!/^\d{1,9}$/.test(id)) {
        throw new WrongUsage(
          `found ${JSON.stringify(id.slice(0, 12))}, expected a token's number; see "sealpost token list ADDRESS"`,
        );
      }
      const { pool } = await database();
      await confirmAtTerminal(`revoke the token ${id}`, options.yes === true);
      const revoked = await revokeToken(pool, Number(id));
      if (revoked === null) throw new Refused(`there is no token ${id}; see "sealpost token list ADDRESS"`);
      print({ id: revoked.id, revoked: true }, `revoked token ${id}`);
    }),
  );
}

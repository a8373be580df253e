// `sealpost user`: mailbox owners. A user keeps the id through every rename, and with it keys, aliases and mailbox.
import { type Command, Option } from 'commander';
import type { Erased } from '../directory/erase.ts';
import type { UserView } from '../directory/user-views.ts';
import { Refused, WrongUsage } from '../host/exit-codes.ts';
import type { KeyView } from '../keys/view.ts';
import { existingPseudonymKey } from '../observe/pseudonym.ts';
import { readMessageQuota, readQuota } from './arguments.ts';
import { run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';
import { confirm } from './confirm.ts';
import { viewAll } from './key-list.ts';
import { type PagingOptions, printPages, readPaging, withPaging } from './paging.ts';
import { settingsInWords, table } from './table.ts';

export function registerUser(program: Command): void {
  const user = program.command('user').description('mailbox owners');
  registerAdd(user);
  registerList(user);
  registerShow(user);
  registerSet(user);
  registerRename(user);
  registerRemove(user);
}

function registerAdd(user: Command): void {
  withCommonOptions(
    user
      .command('add')
      .description('add users to domains that were added, all of them or none')
      .argument('<address...>', 'the primary address of each; "import csv" adds many with their settings')
      .option('--quota <size>', 'such as 1GB; none: unlimited', 'none'),
    'sealpost user add alice@example.org --quota 1GB',
  ).action((typed: string[], options: CommonOptions & { readonly quota: string }) =>
    run(options, async ({ loaded, database, print }) => {
      const { addUsers } = await import('../directory/users.ts');
      const quota = readQuota(options.quota);
      const added = await addUsers(await database(), typed, quota, loaded.config.recipient_delimiter);
      const [first] = added;
      // One user is one object, as ever.
      print(
        added.length === 1 ? first : added,
        added.map(({ id, address }) => `added user ${id} ${address}`).join('\n'),
      );
    }),
  );
}

function registerList(user: Command): void {
  withCommonOptions(
    withPaging(
      user
        .command('list')
        .description('list the users by address')
        .argument('[domain]', "only this domain's")
        .option(
          '--without-key',
          "only those for whom no key is stored, neither their own nor their domain's",
        ),
      '<address>',
    ),
    'sealpost user list example.org --without-key --limit 100',
  ).action(
    (
      domain: string | undefined,
      options: CommonOptions & PagingOptions & { readonly withoutKey?: boolean },
    ) =>
      run(options, async (context) => {
        const { userPages } = await import('../directory/user-views.ts');
        const { pagesOf } = await import('../database/pages.ts');
        const paging = readPaging(options, (text) => text);
        const filter = { domain: domain ?? null, withoutKey: options.withoutKey === true };
        const read = await userPages(await context.database(), filter);
        await printPages(
          context,
          pagesOf(read, ({ address }) => address, paging),
          row,
        );
      }),
  );
}

function registerShow(user: Command): void {
  withCommonOptions(
    user
      .command('show')
      .description('show a user with keys and usage')
      .argument('<address>', 'the primary address, or id_NUMBER@domain'),
    'sealpost user show alice@example.org',
  ).action((address: string, options: CommonOptions) =>
    run(options, async (context) => {
      const { showUser } = await import('../directory/users.ts');
      const { keysOfUser } = await import('../keys/rows.ts');
      const database = await context.database();
      const shown = await showUser(database, address);
      const keys = await viewAll(await keysOfUser(database.orm, shown.id), context);
      context.print({ ...shown, keys }, describe(shown, keys));
    }),
  );
}

function registerSet(user: Command): void {
  withCommonOptions(
    user
      .command('set')
      .description('set what differs from the domain; an empty value removes it')
      .argument('<address>', 'the primary address')
      .argument(
        '[key=value...]',
        'encrypt, style, subject, header_policy, on_missing_key, on_expired_key, on_unusable_key, hide_key_ids, prefer, smime_cipher, transport, forward=ADDRESS,... (copies to outside addresses), send_as=ADDRESS,... (further sender addresses), publish=on|off (whether everybody can look the keys up; empty: as the domain has it)',
      )
      .addOption(
        new Option('--status <status>', 'disabled: keeps everything, takes no new mail').choices([
          'active',
          'disabled',
        ]),
      )
      .option('--quota <size>', 'such as 1GB; none: unlimited')
      .option('--quota-messages <number>', 'such as 100000; none: unlimited'),
    'sealpost user set alice@example.org --quota 2GB subject=hide style=',
  ).action(
    (
      address: string,
      words: string[],
      options: CommonOptions & {
        readonly status?: 'active' | 'disabled';
        readonly quota?: string;
        readonly quotaMessages?: string;
      },
    ) =>
      run(options, async ({ database, print }) => {
        const { setUser } = await import('../directory/users.ts');
        const { readAssignments } = await import('./assignments.ts');
        const { status, quota, quotaMessages } = options;
        if (
          words.length === 0 &&
          status === undefined &&
          quota === undefined &&
          quotaMessages === undefined
        ) {
          throw new WrongUsage('nothing to set; expected key=value, --status, --quota or --quota-messages');
        }
        const changes = {
          assignments: readAssignments(words, 'user'),
          status,
          quota: quota === undefined ? undefined : readQuota(quota),
          quotaMessages: quotaMessages === undefined ? undefined : readMessageQuota(quotaMessages),
        };
        const changed = await setUser(await database(), address, changes);
        print(changed, table([row(changed)]));
      }),
  );
}

function registerRename(user: Command): void {
  withCommonOptions(
    user
      .command('rename')
      .description(
        'give a user another address; id, keys and aliases stay, and the old address becomes an alias',
      )
      .argument('<old>', 'the primary address')
      .argument('<new>', 'an address that nobody has, in a domain that was added')
      .option('--drop-old', "keep no alias: the old address is nobody's afterwards"),
    'sealpost user rename alice@example.org alice.liddell@example.org',
  ).action((from: string, to: string, options: CommonOptions & { readonly dropOld?: boolean }) =>
    run(options, async ({ loaded, database, print }) => {
      const { renameUser } = await import('../directory/users.ts');
      const { dropOld = false } = options;
      const { recipient_delimiter: delimiters } = loaded.config;
      const renamed = await renameUser(await database(), from, to, delimiters, { dropOld });
      const kept = renamed.alias === null ? '' : `; ${renamed.alias} stays as an alias`;
      print(renamed, `user ${renamed.id} is ${renamed.address} now${kept}`);
    }),
  );
}

function registerRemove(user: Command): void {
  withCommonOptions(
    user
      .command('remove')
      .description('remove a user with keys, and the aliases that lead nowhere else')
      .argument('<address>', 'the primary address')
      .option(
        '--erase',
        'also what is left otherwise: the events that trace reads, the audit of the keys, notices of keys that expire',
      )
      .option('--yes', 'do not ask'),
    'sealpost user remove alice@example.org --yes',
  ).action((address: string, options: CommonOptions & { readonly yes?: boolean; readonly erase?: boolean }) =>
    run(options, async ({ loaded, database, print }) => {
      const { removeUser } = await import('../directory/users.ts');
      const { keptAs } = await import('../delivery/trace.ts');
      const { recipient_delimiter: delimiters, mailbox_domain, state_dir } = loaded.config;
      const erase = options.erase === true;
      const what = erase ? ' with all keys, and erase what is kept of past mail and keys' : ' with all keys';
      await confirm(`remove the user ${address}${what}`, options.yes === true);
      const removed = await removeUser(
        await database(),
        address,
        delimiters,
        erase
          ? patternsOf(state_dir, (each, key) => keptAs(each, key, delimiters, mailbox_domain))
          : undefined,
      );
      const aliases =
        removed.removedAliases.length === 0 ? '' : ` and the aliases ${removed.removedAliases.join(', ')}`;
      const lines = [
        `removed user ${removed.id} ${removed.address}${aliases}`,
        ...erasedInWords(removed.erased),
      ];
      print(removed, lines.join('\n'));
    }),
  );
}

/**
 * Gives the patterns under which events keep an address; without pseudonyms where this machine has made none.
 * @throws Refused where their key cannot be read: what is kept under them would stay unnoticed
 */
function patternsOf(
  stateDir: string,
  keptAs: (address: string, key: Uint8Array) => readonly string[],
): (address: string) => readonly string[] {
  try {
    const key = existingPseudonymKey(stateDir) ?? Buffer.alloc(0);
    return (address) => keptAs(address, key);
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new Refused(
      `cannot find what is kept under pseudonyms (${found}); run this command as root or as the account of sealpost; nothing was removed`,
    );
  }
}

function erasedInWords(erased: Erased | null): readonly string[] {
  if (erased === null) return [];
  const { events, key_events, notices, acknowledged } = erased;
  return [
    `erased ${events} events of mail, ${key_events} of keys, ${notices} notices, ${acknowledged} identifiers of mail that was fetched`,
    'kept: lines in the log, the mailbox, backups; and for filter.duplicate_lifetime hashes of what was delivered',
  ];
}

function row(user: UserView): readonly string[] {
  return [
    String(user.id),
    user.address,
    user.status,
    user.keys.length === 1 ? '1 key' : `${user.keys.length} keys`,
    [
      ...(user.quota === null ? [] : [`quota=${user.quota}`]),
      ...(user.quota_messages === null ? [] : [`quota-messages=${user.quota_messages}`]),
      settingsInWords(user.settings),
      ...(user.transport === null ? [] : [`transport=${user.transport}`]),
      ...(user.forwards.length === 0 ? [] : [`forward=${user.forwards.join(',')}`]),
      ...(user.send_as.length === 0 ? [] : [`send_as=${user.send_as.join(',')}`]),
      ...(user.publish === null ? [] : [`publish=${user.publish}`]),
    ]
      .filter((word) => word !== '')
      .join(' '),
  ];
}

function describe(user: UserView, keys: readonly KeyView[]): string {
  return [
    `address    ${user.address}`,
    `id         ${user.id} (id_${user.id}@${user.domain})`,
    `status     ${user.status}`,
    `quota      ${limit(user.quota, 'bytes')}, ${limit(user.quota_messages, 'messages')}`,
    `used       ${user.used.bytes} bytes, ${user.used.messages} messages`,
    `settings   ${settingsInWords(user.settings) || "the domain's"}`,
    `transport  ${user.transport ?? "the domain's"}`,
    ...(user.forwards.length === 0 ? [] : [`forward    ${user.forwards.join(', ')}`]),
    ...(user.send_as.length === 0 ? [] : [`send as    ${user.send_as.join(', ')}`]),
    `publish    ${user.publish ?? "the domain's"}`,
    ...(keys.length === 0 ? ['key        none'] : []),
    ...keys.map(
      (key) => `key        ${key.fingerprint} ${key.state}${key.because === null ? '' : `: ${key.because}`}`,
    ),
  ].join('\n');
}

function limit(quota: number | null, unit: string): string {
  return `${quota === null ? 'unlimited' : quota} ${unit}`;
}

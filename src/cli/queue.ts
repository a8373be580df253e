// `sealpost queue`: what waits for a user, for the administrator. Nothing in it can be read without the user's secret key.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import type { QueuedMessage } from '../../receiver/queue/types.ts';
import type { Database } from '../database/open.ts';
import { EXIT, Refused } from '../host/exit-codes.ts';
import type { Waiting } from '../queue-api/shapes.ts';
import { type CommandContext, run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';
import { confirmAtTerminal } from './confirm.ts';
import { type PagingOptions, printPages, readPaging, withPaging } from './paging.ts';
import { table } from './table.ts';

const USER = ['<address>', "the user's primary address"] as const;
const IDS = ['<id...>', 'as "sealpost queue list ADDRESS" shows them'] as const;

export function registerQueue(program: Command): void {
  const queue = program.command('queue').description('sealed mail that waits for its user');
  registerList(queue);
  registerStats(queue);
  registerShow(queue);
  registerFetch(queue);
  registerAck(queue);
}

function registerList(queue: Command): void {
  withCommonOptions(
    withPaging(
      queue
        .command('list')
        .description('list what waits for a user, oldest first; without a user, how much waits for whom')
        .argument('[address]', "the user's primary address"),
      '<id|address>',
    ),
    'sealpost queue list alice@example.org',
  ).action((address: string | undefined, options: CommonOptions & PagingOptions) =>
    run(options, (context) =>
      address === undefined ? listQueues(options, context) : listWaiting(address, options, context),
    ),
  );
}

async function listQueues(options: PagingOptions, context: CommandContext): Promise<void> {
  const { queuesAfter } = await import('../../receiver/queue/overview.ts');
  const { pagesOf } = await import('../database/pages.ts');
  const paging = readPaging(options, (text) => text);
  const { pool } = await context.database();
  const pages = pagesOf(
    (after: string | null, count) => queuesAfter(pool, after, count),
    (each) => each.address,
    paging,
  );
  await printPages(context, pages, (each) => [
    each.address,
    each.messages === 1 ? '1 message' : `${each.messages} messages`,
    `${each.bytes} bytes`,
    `since ${each.oldest ?? 'this moment'}`,
  ]);
}

async function listWaiting(address: string, options: PagingOptions, context: CommandContext): Promise<void> {
  const { findInQueue, listQueue } = await import('../../receiver/queue/fetch.ts');
  const { waitingOf } = await import('../../receiver/api/waiting.ts');
  const { requireUser } = await import('../directory/find.ts');
  const { eachPage, pagesOf } = await import('../database/pages.ts');
  const { after: id, limit } = readPaging(options, (text) => text);
  const { orm, pool } = await context.database();
  const { user } = await requireUser(orm, address);
  const [before] = id === null ? [] : await findInQueue(pool, user.id, [id]);
  if (id !== null && before === undefined) throw unknownIds([id], address);
  const pages = pagesOf(
    (after: number | null, count) => listQueue(pool, user.id, after ?? 0, count),
    (message) => message.number,
    { after: before?.number ?? null, limit },
  );
  const shown = eachPage(pages, (page) => page.map(waitingOf));
  await printPages(context, shown, ({ id: each, size, received }) => [each, `${size} bytes`, received]);
}

function registerStats(queue: Command): void {
  withCommonOptions(
    queue
      .command('stats')
      .description('how much waits for a user, and since when')
      .argument(...USER),
    'sealpost queue stats alice@example.org',
  ).action((address: string, options: CommonOptions) =>
    run(options, async ({ database, print }) => {
      const { queueStats } = await import('../../receiver/queue/fetch.ts');
      const { requireUser } = await import('../directory/find.ts');
      const { orm, pool } = await database();
      const { user } = await requireUser(orm, address);
      const stats = {
        ...(await queueStats(pool, user.id)),
        quota: user.quota_bytes,
        quota_messages: user.quota_messages,
      };
      print(
        stats,
        [
          `messages  ${stats.messages}${stats.quota_messages === null ? '' : ` of ${stats.quota_messages}`}`,
          `bytes     ${stats.bytes}${stats.quota === null ? '' : ` of ${stats.quota}`}`,
          `oldest    ${stats.oldest ?? 'none'}`,
          `newest    ${stats.newest ?? 'none'}`,
        ].join('\n'),
      );
    }),
  );
}

function registerShow(queue: Command): void {
  withCommonOptions(
    queue
      .command('show')
      .description('show what can be known of messages without the key: size, date, key IDs')
      .argument(...USER)
      .argument(...IDS),
    'sealpost queue show alice@example.org 0123456789abcdef0123456789abcdef',
  ).action((address: string, ids: string[], options: CommonOptions) =>
    run(options, async ({ database, print }) => {
      const opened = await database();
      const { waitingOf } = await import('../../receiver/api/waiting.ts');
      const shown: (Waiting & { readonly keys: readonly string[] | null })[] = [];
      for (const message of await requireMessages(opened, address, ids)) {
        shown.push({ ...waitingOf(message), keys: await keyIdsOf(opened, message) });
      }
      const rows = shown.map(({ id, size, received, keys }) => [
        id,
        `${size} bytes`,
        received,
        keys === null ? 'no key IDs' : keys.join(' '),
      ]);
      print(shown, table(rows));
    }),
  );
}

function registerFetch(queue: Command): void {
  withCommonOptions(
    queue
      .command('fetch')
      .description('write the stored bytes of messages to standard output: binary OpenPGP')
      .argument(...USER)
      .argument(...IDS),
    'sealpost queue fetch alice@example.org 0123456789abcdef0123456789abcdef | gpg --decrypt',
  ).action((address: string, ids: string[], options: CommonOptions) =>
    run(options, async ({ database }) => {
      const { readMessage } = await import('../../receiver/queue/fetch.ts');
      const opened = await database();
      for (const message of await requireMessages(opened, address, ids)) {
        await pipeline(
          Readable.from(readMessage(opened.pool, message), { objectMode: false }),
          process.stdout,
          {
            end: false,
          },
        );
      }
    }),
  );
}

function registerAck(queue: Command): void {
  withCommonOptions(
    queue
      .command('ack')
      .description('acknowledge messages: they leave the queue for good. May be repeated')
      .argument(...USER)
      .argument(...IDS)
      .option('--yes', 'do not ask, on a terminal'),
    'sealpost queue ack alice@example.org 0123456789abcdef0123456789abcdef',
  ).action((address: string, ids: string[], options: CommonOptions & { readonly yes?: boolean }) =>
    run(options, async ({ database, print }) => {
      const { acknowledge } = await import('../../receiver/queue/fetch.ts');
      const { requireUser } = await import('../directory/find.ts');
      const { orm, pool } = await database();
      const { user } = await requireUser(orm, address);
      const what = ids.length === 1 ? `the message ${ids[0]}` : `${ids.length} messages`;
      await confirmAtTerminal(`remove ${what} of ${address} from the queue for good`, options.yes === true);
      const gone = await acknowledge(pool, user.id, ids);
      const unknown = ids.filter((id) => !gone.has(id));
      if (gone.size === 0) throw unknownIds(unknown, address);
      print(
        { acknowledged: [...gone] },
        `acknowledged ${gone.size === 1 ? '1 message' : `${gone.size} messages`}`,
      );
      if (unknown.length === 0) return;
      process.exitCode = EXIT.refused;
      process.stderr.write(
        `sealpost: ${unknownIds(unknown, address).message}; the others are acknowledged\n`,
      );
    }),
  );
}

/** The messages in the order in which they were named. @throws Refused when one of them does not wait for this user */
async function requireMessages(
  { orm, pool }: Database,
  address: string,
  ids: readonly string[],
): Promise<readonly QueuedMessage[]> {
  const { requireUser } = await import('../directory/find.ts');
  const { findInQueue } = await import('../../receiver/queue/fetch.ts');
  const { user } = await requireUser(orm, address);
  const found = new Map((await findInQueue(pool, user.id, ids)).map((message) => [message.id, message]));
  const unknown = ids.filter((id) => !found.has(id));
  if (unknown.length > 0) throw unknownIds(unknown, address);
  return ids.flatMap((id) => found.get(id) ?? []);
}

function unknownIds(ids: readonly string[], address: string): Refused {
  return new Refused(
    `no such ${ids.length === 1 ? 'message' : 'messages'} in the queue of ${address}: ${ids.join(', ')}; see "sealpost queue list ${address}"`,
  );
}

/** The key IDs that a message is sealed to; null where it is no OpenPGP message. */
async function keyIdsOf({ pool }: Database, message: QueuedMessage): Promise<readonly string[] | null> {
  const { readMessage } = await import('../../receiver/queue/fetch.ts');
  const { encryptedMessageKeyIds } = await import('../openpgp/encrypted-message.ts');
  const pieces: Buffer[] = [];
  for await (const bytes of readMessage(pool, message)) pieces.push(bytes);
  return encryptedMessageKeyIds(Buffer.concat(pieces));
}

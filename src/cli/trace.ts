// `sealpost trace`: what became of a message, or of the mail to an address.
import type { Command } from 'commander';
import { parseDuration } from '../config/units.ts';
import type { EventRow } from '../database/events.ts';
import type { Orm } from '../directory/find.ts';
import { Refused, WrongUsage } from '../host/exit-codes.ts';
import { existingPseudonymKey } from '../observe/pseudonym.ts';
import { run, withCommonOptions } from './command.ts';
import { printable } from './table.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly since: string;
  readonly limit: string;
}

export function registerTrace(program: Command): void {
  withCommonOptions(
    program
      .command('trace')
      .description('what became of a message, recipient by recipient')
      .argument('<what>', "Postfix's queue ID, a Message-ID, or an address")
      .option('--since <duration>', 'how far to look back', '2d')
      .option('--limit <number>', 'the newest so many', '200'),
    'sealpost trace 4bXkQ21zzz && sealpost trace alice@example.org --since 6h',
  ).action((what: string, options: Options) =>
    run(options, async ({ loaded, database, print }) => {
      const { findEvents } = await import('../database/events.ts');
      const { keptAs, readTraced } = await import('../delivery/trace.ts');
      const { config } = loaded;
      const { recipient_delimiter: delimiters, mailbox_domain: mailboxDomain } = config;
      const span = { since: Date.now() - readSince(options.since), limit: readLimit(options.limit) };
      const { key, because } = keyOf(config.state_dir);
      const asked = readTraced(what, key, delimiters);
      const { pool, orm } = await database();
      const mailbox = asked.recipients === undefined ? [] : await mailboxOf(orm, what);
      const names = mailbox.flatMap((each) => keptAs(each, key, delimiters, mailboxDomain));
      const recipients = [...(asked.recipients ?? []), ...names];
      const found = [...(await findEvents(pool, { ...asked, recipients, ...span }))].reverse();
      const unseen = because !== null && asked.recipients !== undefined ? because : null;
      if (found.length === 0) throw new Refused(unseen ?? nothing(what, options.since, config.trace.keep));
      if (unseen !== null) process.stderr.write(`sealpost: warning: ${unseen}\n`);
      print(found.map(shown), found.map(inWords).join('\n'));
    }),
  );
}

/** The key of the pseudonyms; where it cannot be read, why what is kept under them is not found. */
function keyOf(stateDir: string): { readonly key: Buffer | null; readonly because: string | null } {
  try {
    return { key: existingPseudonymKey(stateDir), because: null };
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    return {
      key: null,
      because: `Message-IDs and foreign addresses were not looked for: the key of their pseudonyms cannot be read (${found}); run this command as root or as the account of sealpost`,
    };
  }
}

/** What else a user's mail comes as: the id address, where Postfix asks the lookup daemons for aliases, and other names. */
async function mailboxOf(orm: Orm, typed: string): Promise<readonly string[]> {
  const { requireUser } = await import('../directory/find.ts');
  const { knownAs } = await import('../directory/known-as.ts');
  const { ChangeRefused } = await import('../directory/refused.ts');
  try {
    return await knownAs(orm, await requireUser(orm, typed));
  } catch (error) {
    if (error instanceof ChangeRefused) return [];
    throw error;
  }
}

/** @throws WrongUsage */
function readSince(text: string): number {
  const parsed = parseDuration(text);
  if (!parsed.ok) throw new WrongUsage(`--since: found ${JSON.stringify(text)}, expected ${parsed.expected}`);
  return parsed.value;
}

/** @throws WrongUsage */
function readLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > 100_000)
    throw new WrongUsage(`--limit: found ${JSON.stringify(text)}, expected a number from 1 to 100000`);
  return limit;
}

function nothing(what: string, since: string, keep: number): string {
  const kept =
    keep === 0
      ? 'trace.keep is 0: nothing is kept (sealpost config describe)'
      : `events are kept for ${inDays(keep)} (trace.keep)`;
  return `no event of ${JSON.stringify(what)} in the last ${since}; ${kept}. The mail may be on its way still, or may not have come through sealpost: look in the mail log of Postfix`;
}

/** @param ms milliseconds */
function inDays(ms: number): string {
  const hours = Math.max(1, Math.round(ms / 3_600_000));
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

/** For machines: snake_case, as in the log. */
function shown(row: EventRow): Readonly<Record<string, unknown>> {
  return {
    time: new Date(row.at).toISOString(),
    event: row.event,
    queue_id: row.queueId,
    transaction: row.transaction,
    recipient: row.recipient,
    because: row.because,
    reason: row.reason,
    keys: row.keys,
    size: row.size,
    ms: row.ms,
    reply: row.reply,
  };
}

function inWords(row: EventRow): string {
  const time = new Date(row.at).toISOString().replace('T', ' ').replace('Z', '');
  const lines = [
    `${time}  ${row.event.padEnd(9)}  ${row.recipient || 'every recipient'}  ${row.queueId === '' ? row.transaction : row.queueId}`,
    `    ${row.because}: ${row.reason}`,
    ...row.keys.map((key) => `    key ${key}`),
    `    ${row.size} bytes, ${row.ms} ms; answered: ${row.reply}`,
  ];
  return lines.map(printable).join('\n');
}

// `sealpost trace`: what became of a message, or of the mail to an address.
import type { Command } from 'commander';
import { parseDuration } from '../config/units.ts';
import type { EventRow } from '../database/events.ts';
import { Refused, WrongUsage } from '../host/exit-codes.ts';
import { pseudonymKey } from '../observe/pseudonym.ts';
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
      const { readTraced } = await import('../delivery/trace.ts');
      const { config } = loaded;
      const asked = readTraced(what, pseudonymKey(config.state_dir), config.recipient_delimiter);
      const since = Date.now() - readSince(options.since);
      const { pool } = await database();
      const found = [
        ...(await findEvents(pool, { ...asked, since, limit: readLimit(options.limit) })),
      ].reverse();
      if (found.length === 0) throw new Refused(nothing(what, options.since, config.trace.keep));
      print(found.map(shown), found.map(inWords).join('\n'));
    }),
  );
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
      : `events are kept for ${Math.round(keep / 86_400_000)} days (trace.keep)`;
  return `no event of ${JSON.stringify(what)} in the last ${since}; ${kept}. The mail may be on its way still, or may not have come through sealpost: look in the mail log of Postfix`;
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
    `${time}  ${row.event.padEnd(9)}  ${row.recipient}  ${row.queueId === '' ? row.transaction : row.queueId}`,
    `    ${row.because}: ${row.reason}`,
    ...row.keys.map((key) => `    key ${key}`),
    `    ${row.size} bytes, ${row.ms} ms; answered: ${row.reply}`,
  ];
  return lines.map(printable).join('\n');
}

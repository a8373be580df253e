// Lists that may be long: --limit and --after, and printing while the database is still being read.
import { once } from 'node:events';
import type { Command } from 'commander';
import type { Paging } from '../database/pages.ts';
import { WrongUsage } from '../host/exit-codes.ts';
import type { CommandContext } from './command-context.ts';
import { snakeCased } from './snake-case.ts';
import { table } from './table.ts';

export interface PagingOptions {
  readonly limit?: string;
  readonly after?: string;
}

/** Adds --limit and --after. @param what the list is ordered by it, such as `<address>` */
export function withPaging(command: Command, what: string): Command {
  return command
    .option('--limit <number>', 'at most so many')
    .option(`--after ${what}`, 'what stands behind this one in the list: the last one of the page before');
}

/** @param readCursor reads what --after names; throws WrongUsage where it can be no such thing */
export function readPaging<Cursor>(
  { limit, after }: PagingOptions,
  readCursor: (text: string) => Cursor,
): Paging<Cursor> {
  return {
    after: after === undefined ? null : readCursor(after),
    limit: limit === undefined ? null : readLimit(limit),
  };
}

/** @throws WrongUsage */
function readLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(limit) || limit < 1)
    throw new WrongUsage(`--limit: found ${JSON.stringify(text)}, expected a number from 1`);
  return limit;
}

/** A row's number as --after takes it. @throws WrongUsage */
export function readNumberAfter(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number))
    throw new WrongUsage(`--after: found ${JSON.stringify(text)}, expected a number, as listed`);
  return number;
}

/**
 * Prints a list as its pages come: under --json one array, else a table with columns of equal width within a page. Waits for a
 * reader that is slower than the database.
 */
export async function printPages<Row>(
  { json }: Pick<CommandContext, 'json'>,
  pages: AsyncIterable<readonly Row[]>,
  cells: (row: Row) => readonly string[],
): Promise<void> {
  let printed = 0;
  for await (const page of pages) {
    if (page.length === 0) continue;
    await write(json ? elements(page, printed === 0) : `${table(page.map(cells))}\n`);
    printed += page.length;
  }
  if (json) await write(printed === 0 ? '[]\n' : '\n]\n');
}

/** As JSON.stringify(rows, null, 2) prints them within their array. */
function elements(rows: readonly unknown[], first: boolean): string {
  const lines = rows.map((row) => JSON.stringify(snakeCased(row), null, 2).replaceAll(/^/gm, '  '));
  return `${first ? '[' : ','}\n${lines.join(',\n')}`;
}

async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

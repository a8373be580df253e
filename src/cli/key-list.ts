// `sealpost key list` and `key events`: what keys there are, which are missing, and what became of them.
import type { Command } from 'commander';
import { parseDuration } from '../config/units.ts';
import type { Paging } from '../database/pages.ts';
import { Refused, WrongUsage } from '../host/exit-codes.ts';
import type { OwnedKey } from '../keys/rows.ts';
import type { KeyView } from '../keys/view.ts';
import { type CommandContext, run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';
import { type PagingOptions, printPages, readNumberAfter, readPaging, withPaging } from './paging.ts';
import { table } from './table.ts';

interface ListOptions extends CommonOptions, PagingOptions {
  readonly expiring?: string;
  readonly missing?: boolean;
}

export function registerKeyList(key: Command): void {
  withCommonOptions(
    withPaging(
      key
        .command('list')
        .description('list the keys in the order in which they were stored')
        .argument('[address]', "only this owner's; @domain for a domain's")
        .option(
          '--expiring <period>',
          'only those that can be used now and expire within this, the soonest first',
        )
        .option(
          '--missing',
          'instead of keys the users for whom none is stored, and what on_missing_key says of their mail',
        ),
      '<number|address>',
    ),
    'sealpost key list --expiring 30d && sealpost key list --missing',
  ).action((address: string | undefined, options: ListOptions) =>
    run(options, async (context) => {
      const { missing = false, expiring } = options;
      if (missing && (address !== undefined || expiring !== undefined))
        throw new WrongUsage('--missing goes with neither an address nor --expiring');
      if (missing) return listMissing(options, context);
      const paging = readPaging(options, readNumberAfter);
      if (expiring !== undefined) return listExpiring(address, readPeriod(expiring), paging, context);
      const { eachPage } = await import('../database/pages.ts');
      const pages = eachPage(await keyPages(address, paging, context), (page) => listed(page, context));
      return printPages(context, pages, await cellsOfKeys());
    }),
  );
}

/** A key as it is listed: its number is what --after takes. */
interface ListedKey extends KeyView {
  readonly id: number;
}

async function listed(keys: readonly OwnedKey[], context: CommandContext): Promise<readonly ListedKey[]> {
  const views = await viewAll(keys, context);
  return views.map((view, at) => ({ id: keys[at]?.row.id ?? 0, ...view }));
}

async function cellsOfKeys(): Promise<(key: ListedKey) => readonly string[]> {
  const { keyRow } = await import('./key-text.ts');
  return (key) => [...keyRow(key), `number ${key.id}`];
}

export function registerKeyEvents(key: Command): void {
  withCommonOptions(
    withPaging(
      key
        .command('events')
        .description('the audit: every key that was added, changed or removed, and by whom, oldest first')
        .argument('[address]', "only this owner's; @domain for a domain's"),
      '<number>',
    ),
    'sealpost key events alice@example.org',
  ).action((address: string | undefined, options: CommonOptions & PagingOptions) =>
    run(options, async (context) => {
      const { keyEventsAfter } = await import('../keys/audit.ts');
      const { ownerNamed } = await import('../keys/owner.ts');
      const { pagesOf } = await import('../database/pages.ts');
      const paging = readPaging(options, readNumberAfter);
      const database = await context.database();
      const { recipient_delimiter: delimiters } = context.loaded.config;
      const owner = address === undefined ? null : await ownerNamed(database.orm, address, delimiters);
      const pages = pagesOf(
        (last: number | null, count) => keyEventsAfter(database, owner, last, count),
        ({ id }) => id,
        paging,
      );
      await printPages(context, pages, (told) => [
        String(told.id),
        told.at,
        told.event,
        told.fingerprint,
        told.owner ?? `${told.owner_kind} ${told.owner_id}, removed`,
        `${told.status}${told.revoked ? ', revoked' : ''}`,
        `${told.source} by ${told.actor}`,
      ]);
    }),
  );
}

async function listMissing(options: PagingOptions, context: CommandContext): Promise<void> {
  const { missingKeys } = await import('../keys/missing.ts');
  const { pagesOf } = await import('../database/pages.ts');
  const paging = readPaging(options, (text) => text);
  const { encryption } = context.loaded.config;
  const database = await context.database();
  const pages = pagesOf(
    (after: string | null, count) => missingKeys(database, encryption, after, count),
    ({ address }) => address,
    paging,
  );
  await printPages(context, pages, ({ address, status, encrypt, on_missing_key }) => [
    address,
    status,
    encrypt ? `on_missing_key=${on_missing_key}` : 'encrypt=off',
  ]);
}

/** Sorted by what the certificates say, so that all that expire soon are in memory; the others never are. */
async function listExpiring(
  address: string | undefined,
  period: number,
  { after, limit }: Paging<number>,
  context: CommandContext,
): Promise<void> {
  const { expiringWithin, isWithin } = await import('../keys/view.ts');
  const now = Date.now();
  const near: ListedKey[] = [];
  for await (const page of await keyPages(address, { after: null, limit: null }, context)) {
    // The column is a copy of what the certificate says: it spares reading those that are far from it.
    const close = page.filter(({ row: { expires_at } }) => isWithin(expires_at, period, now));
    near.push(...(await listed(close, context)));
  }
  const sorted = expiringWithin(near, period, now);
  const begin = after === null ? 0 : sorted.findIndex(({ id }) => id === after) + 1;
  if (after !== null && begin === 0)
    throw new Refused(
      `--after: there is no key ${after} in this list; the numbers are those of the same call without --after`,
    );
  const keys = sorted.slice(begin, limit === null ? undefined : begin + limit);
  context.print(keys, table(keys.map(await cellsOfKeys())));
}

/** @throws ChangeRefused where the address names nobody */
async function keyPages(
  address: string | undefined,
  paging: Paging<number>,
  context: CommandContext,
): Promise<AsyncIterable<readonly OwnedKey[]>> {
  const { keysAfter } = await import('../keys/rows.ts');
  const { ownerNamed } = await import('../keys/owner.ts');
  const { pagesOf } = await import('../database/pages.ts');
  const database = await context.database();
  const { recipient_delimiter: delimiters } = context.loaded.config;
  const owner = address === undefined ? null : await ownerNamed(database.orm, address, delimiters);
  return pagesOf(
    (after: number | null, count) => keysAfter(database, after, count, owner),
    ({ row }) => row.id,
    paging,
  );
}

/** Inspects keys for showing. */
export async function viewAll(
  keys: readonly OwnedKey[],
  context: CommandContext,
): Promise<readonly KeyView[]> {
  const { viewKey } = await import('../keys/view.ts');
  const now = Date.now();
  return Promise.all(keys.map((key) => viewKey(key, policyOf(context), now)));
}

export function policyOf({ loaded }: CommandContext): { readonly allowSha1: boolean } {
  return { allowSha1: loaded.config.keys.allow_sha1 };
}

/** Milliseconds. @throws WrongUsage */
function readPeriod(text: string): number {
  const parsed = parseDuration(text);
  if (!parsed.ok)
    throw new WrongUsage(`--expiring: found ${JSON.stringify(text)}, expected ${parsed.expected}`);
  return parsed.value;
}

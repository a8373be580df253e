// A Postfix: what its maps say of domains, mailboxes and aliases, as postconf(1) and postmap(1) tell it.

import { listOf } from '../../postfix/model.ts';
import { readBytes } from './files.ts';
import { linesOf } from './lines.ts';
import { outputOf } from './output.ts';
import { type AliasValue, readAliasValue, readListWord, readVirtualKey } from './postfix-values.ts';
import { type Source, SourceRefused, type SourceRow } from './rows.ts';

const ASKED = [
  'mail_version',
  'myorigin',
  'mydestination',
  'virtual_mailbox_domains',
  'virtual_mailbox_maps',
  'virtual_alias_domains',
  'virtual_alias_maps',
  'relay_domains',
  'alias_maps',
] as const;
type Asked = (typeof ASKED)[number];

/** Tables that can be listed: all others answer one question at a time. */
const LISTABLE: ReadonlySet<string> = new Set([
  'hash',
  'btree',
  'lmdb',
  'cdb',
  'dbm',
  'sdbm',
  'texthash',
  'inline',
]);

/** @param configDir absolute, as Postfix's own -c; null: where Postfix has it */
export function postfixSource(configDir: string | null): Source {
  return {
    name: `postfix ${configDir ?? 'of this machine'}`,
    addsDomains: false,
    addsOwners: false,
    rows: () => readPostfix(configDir),
  };
}

interface Context {
  readonly configDir: string | null;
  readonly values: ReadonlyMap<string, string>;
  readonly origin: string;
}

async function* readPostfix(configDir: string | null): AsyncGenerator<SourceRow> {
  const values = await askPostconf(configDir);
  const context = { configDir, values, origin: values.get('myorigin') ?? '' };
  const seen = new Set<string>();
  const local = yield* readLocalDomain(context, seen);
  yield* readDomains(context, 'virtual_mailbox_domains', 'virtual', seen);
  yield* readDomains(context, 'relay_domains', 'relay', seen);
  const virtual = new Map<string, { readonly value: AliasValue; readonly where: string }>();
  for (const setting of ['virtual_alias_domains', 'virtual_alias_maps'] as const)
    yield* readVirtualAliases(context, setting, virtual, seen);
  yield* readMailboxes(context, virtual);
  for (const [address, { value, where }] of virtual) yield aliasRow(address, value, where);
  if (local !== null) yield* readLocalAliases(context, local);
}

function wordsOf({ values }: Context, name: Asked): readonly string[] {
  return listOf(values.get(name) ?? '').filter((word) => word !== '{}');
}

/** The domain that stands for mydestination; its other names are other names of it. */
function* readLocalDomain(context: Context, seen: Set<string>): Generator<SourceRow, string | null> {
  const names = wordsOf(context, 'mydestination').flatMap((word) => {
    const read = readListWord(word);
    return read.kind === 'name' && !read.name.startsWith('!') ? [read.name.toLowerCase()] : [];
  });
  for (const name of names) seen.add(name);
  const origin = context.origin.toLowerCase();
  const full = names.filter(
    (name) => name.includes('.') && !name.startsWith('localhost.') && !name.startsWith('['),
  );
  const domain =
    names.includes(origin) && origin.includes('.') ? origin : full.length === 1 ? (full[0] ?? null) : null;
  if (domain !== null) {
    const otherNames = names.filter((name) => name !== domain);
    yield { kind: 'domain', where: 'mydestination', name: domain, local: true, otherNames };
  } else if (full.length > 0) {
    const because =
      'none of them is myorigin; say whose the others are: sealpost domain set NAME other_names=... local=on';
    yield { kind: 'left', of: 'domain', name: full.join(', '), where: 'mydestination', because };
  }
  return domain;
}

async function* readDomains(
  context: Context,
  setting: 'virtual_mailbox_domains' | 'relay_domains',
  kind: 'virtual' | 'relay',
  seen: Set<string>,
): AsyncGenerator<SourceRow> {
  for (const word of wordsOf(context, setting)) {
    for await (const { key, where, refused } of entries(context, setting, word)) {
      if (refused !== null) yield refused;
      const name = key.toLowerCase().replace(/^\./, '');
      if (refused !== null || name.startsWith('!') || seen.has(name)) continue;
      seen.add(name);
      yield { kind: 'domain', where, name, class: kind };
    }
  }
}

async function* readVirtualAliases(
  context: Context,
  setting: 'virtual_alias_domains' | 'virtual_alias_maps',
  aliases: Map<string, { readonly value: AliasValue; readonly where: string }>,
  seen: Set<string>,
): AsyncGenerator<SourceRow> {
  for (const word of wordsOf(context, setting)) {
    for await (const { key, value, where, refused } of entries(context, setting, word)) {
      if (refused !== null) {
        // By default the domains are those of the maps, which are read and refused but once.
        if (setting === 'virtual_alias_maps') yield refused;
        continue;
      }
      const read =
        setting === 'virtual_alias_domains' && !key.includes('@')
          ? { kind: 'domain' as const, name: key }
          : readVirtualKey(key, context.origin);
      const name = read.name.toLowerCase();
      if (read.kind === 'address') aliases.set(name, { value: readAliasValue(value, context.origin), where });
      else if (!seen.has(name) && name.includes('.')) {
        seen.add(name);
        yield { kind: 'domain', where, name, class: 'virtual' };
      }
    }
  }
}

async function* readMailboxes(
  context: Context,
  aliases: Map<string, { readonly value: AliasValue; readonly where: string }>,
): AsyncGenerator<SourceRow> {
  for (const word of wordsOf(context, 'virtual_mailbox_maps')) {
    for await (const { key, where, refused } of entries(context, 'virtual_mailbox_maps', word)) {
      if (refused !== null) {
        yield refused;
        continue;
      }
      const address = key.toLowerCase();
      if (key.startsWith('@')) {
        const because = `it is one mailbox for a whole domain: add a user, and lead the domain there with "sealpost alias add ${key} USER"`;
        yield { kind: 'refused', of: 'user', name: key, where, because };
        continue;
      }
      const alias = aliases.get(address);
      const isPlain = alias?.value.kind === 'addresses';
      if (isPlain) aliases.delete(address);
      const targets = alias?.value.kind === 'addresses' ? alias.value.targets : [];
      yield {
        kind: 'user',
        where,
        address: key,
        forwards: targets.filter((target) => target.toLowerCase() !== address),
      };
    }
  }
}

async function* readLocalAliases(context: Context, domain: string): AsyncGenerator<SourceRow> {
  for (const word of wordsOf(context, 'alias_maps')) {
    for await (const { key, value, where, refused } of entries(context, 'alias_maps', word)) {
      if (refused !== null) yield refused;
      // postalias(1) marks its files by an entry of its own.
      else if (key !== '@') yield aliasRow(`${key}@${domain}`, readAliasValue(value, domain), where);
    }
  }
}

function aliasRow(address: string, value: AliasValue, where: string): SourceRow {
  return value.kind === 'addresses'
    ? { kind: 'alias', where, address, targets: value.targets }
    : { kind: 'left', of: 'alias', name: address, where, because: value.because };
}

interface Entry {
  readonly key: string;
  readonly value: string;
  readonly where: string;
  /** Instead of an entry: why the whole word cannot be read. */
  readonly refused: SourceRow | null;
}

/** What a word of a list names: itself, the lines of a file, or the entries of a table. */
async function* entries(context: Context, setting: Asked, word: string): AsyncGenerator<Entry> {
  const read = readListWord(word);
  if (read.kind === 'name') {
    yield { key: read.name, value: '', where: setting, refused: null };
    return;
  }
  const refuse = (because: string): Entry => ({
    key: '',
    value: '',
    where: word,
    refused: { kind: 'refused', of: 'setting', name: setting, where: word, because },
  });
  if (read.kind === 'table' && !LISTABLE.has(read.type)) {
    yield refuse(
      `a table of the type ${read.type} cannot be listed: postmap -s knows hash, btree, lmdb, cdb and the like; ` +
        'a database is read by "sealpost import postfixadmin", or as "sealpost import csv"',
    );
    return;
  }
  try {
    const lines =
      read.kind === 'file'
        ? linesOf(readBytes(read.path))
        : linesOf(output('postmap', context.configDir, ['-s', read.table]));
    for await (const line of lines) {
      const text = line.trim();
      if (text === '' || (read.kind === 'file' && text.startsWith('#'))) continue;
      const [, key = '', value = ''] = /^(\S+)\s*(.*)$/.exec(text) ?? [];
      yield { key, value, where: read.kind === 'file' ? read.path : read.table, refused: null };
    }
  } catch (error) {
    if (!(error instanceof SourceRefused)) throw error;
    yield refuse(error.message);
  }
}

/** The oldest Postfix with postmap -s and postconf -x. */
const OLDEST_VERSION = 3;

/** @throws SourceRefused */
async function askPostconf(configDir: string | null): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  for await (const line of linesOf(output('postconf', configDir, ['-x', ...ASKED]))) {
    const [, name, value = ''] = /^(\w+) =\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined) values.set(name, value.trim());
  }
  const version = values.get('mail_version') ?? '';
  if (!(Number.parseInt(version, 10) >= OLDEST_VERSION))
    throw new SourceRefused(
      `the Postfix is of version ${JSON.stringify(version)}; expected ${OLDEST_VERSION}.0 or newer`,
    );
  return values;
}

function output(program: string, configDir: string | null, args: readonly string[]): AsyncGenerator<Buffer> {
  const where = configDir === null ? [] : ['-c', configDir];
  return outputOf(program, [...where, ...args], { debian: 'postfix' });
}

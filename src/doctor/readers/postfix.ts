// What Postfix has in its settings and tables; and what stands in .forward files.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { formatEndpoint } from '../../config/units.ts';
import { PostfixSilent, runPostfix } from '../../postfix/ask.ts';
import { tablesOf } from '../../postfix/entrances.ts';
import { listOf, settingOf } from '../../postfix/model.ts';
import { readPostfix } from '../../postfix/read-model.ts';
import {
  type AliasFacts,
  type DutyFacts,
  type PostfixFacts,
  type Readers,
  type TableTexts,
  type TransportFacts,
  Unseen,
} from '../facts.ts';
import { homesOf, textOf } from './homes.ts';
import { readSieve } from './sieve.ts';

export interface PostfixPlaces {
  /** As Postfix's own -c; null: where Postfix has it. */
  readonly configDir: string | null;
  /** passwd(5): whose .forward files and Sieve scripts are looked for. */
  readonly passwd: string;
  /** Folders of Sieve scripts beside those of the accounts. */
  readonly sieve: readonly string[];
}

const MOST_TEXT = 1_000_000;
const MOST_ENTRIES = 100_000;

type PostfixReaders = Pick<
  Readers,
  'postfixAnswer' | 'postfix' | 'aliases' | 'transports' | 'duties' | 'filters' | 'sieve'
>;

export function createPostfixReaders(places: PostfixPlaces): PostfixReaders {
  const { configDir } = places;
  const state: { asked?: Promise<PostfixFacts> } = {};
  const model = (): Promise<PostfixFacts> => {
    state.asked ??= readPostfix(configDir);
    return state.asked;
  };
  return {
    postfixAnswer: async () => {
      try {
        const { version } = await model();
        return { name: `Postfix ${version}${configDir === null ? '' : `, ${configDir}`}`, failure: null };
      } catch (error) {
        if (!(error instanceof PostfixSilent)) throw error;
        if (error.missing) throw new Unseen('there is no Postfix on this machine', true);
        return { name: 'Postfix', failure: `Postfix cannot be asked: ${error.message}` };
      }
    },
    postfix: async (ask) => {
      if ((await ask('postfixAnswer')).failure !== null) throw new Unseen('Postfix cannot be asked', true);
      return model();
    },
    aliases: async (ask) => {
      const postfix = await ask('postfix');
      const [tables, forwards] = await Promise.all([
        readAliases(postfix),
        readForwards(postfix, places.passwd),
      ]);
      return {
        entries: [...tables.entries, ...forwards.entries],
        unread: [...tables.unread, ...forwards.unread],
      };
    },
    transports: async (ask) => {
      const [postfix, directory] = await Promise.all([ask('postfix'), ask('directory')]);
      const names = directory.domains.map(({ name }) => name);
      const keys = [...names, ...parentPatterns(postfix, names), ...directory.keyed, '*'];
      const facts = await readTransports(postfix, keys);
      return directory.cut
        ? { ...facts, unread: [...facts.unread, 'more addresses than can be asked'] }
        : facts;
    },
    duties: async (ask) => {
      const directory = await ask('directory');
      const postfix = await ask('postfix').catch(() => null);
      if (postfix === null) return { known: new Set<string>(), unread: [] };
      return readDuties(postfix, [...directory.duties.keys()], await ask('aliases'));
    },
    filters: async (ask) => readTables(await ask('postfix'), lookupPlaces((await ask('config')).config)),
    sieve: () => readSieve(places),
  };
}

/** `key TAB value` of postmap(1) and postalias(1); a NUL ends keys and values of some tables. */
function pairsOf(text: string): readonly (readonly [string, string])[] {
  return text.split('\n').flatMap((line): (readonly [string, string])[] => {
    const at = line.indexOf('\t');
    return at === -1
      ? []
      : [
          [
            line.slice(0, at).replace(/[\0:]+$/, ''),
            line
              .slice(at + 1)
              .replace(/\0+$/, '')
              .trim(),
          ],
        ];
  });
}

/** The targets of aliases(5), parted by commas outside quotes. */
export function targetsOf(value: string): readonly string[] {
  return (value.match(/"(?:[^"\\]|\\.)*"|[^,\s"]+/g) ?? []).map((each) => each.trim());
}

async function readAliases(postfix: PostfixFacts): Promise<AliasFacts> {
  const entries: { from: string; target: string }[] = [];
  const unread: string[] = [];
  for (const map of tablesOf(settingOf(postfix, 'alias_maps'))) {
    const said = await runPostfix('postalias', postfix.configDir, ['-s', map]);
    if (said.code !== 0) {
      unread.push(map);
      continue;
    }
    for (const [name, value] of pairsOf(said.stdout).slice(0, MOST_ENTRIES)) {
      // postalias(1) writes these into its tables.
      if (name === '@' || name.startsWith('YP_')) continue;
      for (const target of targetsOf(value)) await takeTarget(name, target, entries, unread);
    }
  }
  return { entries, unread };
}

/** `:include:/file` stands for what is in the file (aliases(5)). */
async function takeTarget(
  from: string,
  target: string,
  entries: { from: string; target: string }[],
  unread: string[],
): Promise<void> {
  const included = /^"?:include:(.*?)"?$/.exec(target)?.[1];
  if (included === undefined) {
    entries.push({ from, target });
    return;
  }
  const text = await readFile(included, 'utf8').catch(() => null);
  if (text === null) unread.push(included);
  else for (const each of forwardTargets(text)) entries.push({ from: `${from} (${included})`, target: each });
}

function forwardTargets(text: string): readonly string[] {
  const lines = text
    .slice(0, MOST_TEXT)
    .split('\n')
    .filter((line) => !line.startsWith('#'));
  return targetsOf(lines.join(','));
}

async function readForwards(postfix: PostfixFacts, passwd: string): Promise<AliasFacts> {
  if (settingOf(postfix, 'forward_path') === '') return { entries: [], unread: [] };
  const entries: { from: string; target: string }[] = [];
  const unread: string[] = [];
  for (const { account, home } of await homesOf(passwd)) {
    const path = join(home, '.forward');
    const text = await textOf(path);
    if (text === null) unread.push(path);
    // `\name` is the mailbox itself.
    const targets = forwardTargets(text ?? '').filter((target) => !target.startsWith('\\'));
    entries.push(...targets.map((target) => ({ from: `${path} of ${account}`, target })));
  }
  return { entries, unread };
}

/** Asks a table for many keys at once. @returns null where it gives no answer */
async function askTable(
  postfix: PostfixFacts,
  map: string,
  keys: readonly string[],
): Promise<readonly (readonly [string, string])[] | null> {
  try {
    // 1 without a word: none of the keys is there.
    const said = await runPostfix('postmap', postfix.configDir, ['-q', '-', map], {
      stdin: `${keys.join('\n')}\n`,
    });
    return said.stderr.includes('fatal:') ? null : pairsOf(said.stdout);
  } catch (error) {
    if (error instanceof PostfixSilent) return null;
    throw error;
  }
}

/** What of transport(5) stands for subdomains, and so for some of these domains, too: `.example.org`. */
function parentPatterns(postfix: PostfixFacts, domains: readonly string[]): readonly string[] {
  const byName = listOf(settingOf(postfix, 'parent_domain_matches_subdomains')).includes('transport_maps');
  const parents = domains.flatMap((domain) => {
    const labels = domain.split('.');
    return labels.slice(1).map((_, at) => labels.slice(at + 1).join('.'));
  });
  const own = new Set(domains);
  return [...new Set(parents)]
    .filter((name) => !byName || !own.has(name))
    .map((name) => (byName ? name : `.${name}`));
}

async function readTransports(postfix: PostfixFacts, keys: readonly string[]): Promise<TransportFacts> {
  const answers: { key: string; value: string }[] = [];
  const unread: string[] = [];
  for (const map of tablesOf(settingOf(postfix, 'transport_maps'))) {
    const pairs = await askTable(postfix, map, keys);
    if (pairs === null) unread.push(map);
    else answers.push(...pairs.map(([key, value]) => ({ key, value })));
  }
  return { answers, unread };
}

/** Whether virtual aliases, virtual mailboxes or, for a domain in mydestination, aliases have them. */
async function readDuties(
  postfix: PostfixFacts,
  addresses: readonly string[],
  aliases: AliasFacts,
): Promise<DutyFacts> {
  const known = new Set<string>();
  const unread: string[] = [];
  const catchAll = (address: string): string => address.slice(address.lastIndexOf('@'));
  const maps = ['virtual_alias_maps', 'virtual_mailbox_maps'].flatMap((name) =>
    tablesOf(settingOf(postfix, name)),
  );
  for (const map of maps) {
    const pairs = await askTable(postfix, map, [...new Set([...addresses, ...addresses.map(catchAll)])]);
    if (pairs === null) unread.push(map);
    const found = new Set((pairs ?? []).map(([key]) => key));
    for (const address of addresses)
      if (found.has(address) || found.has(catchAll(address))) known.add(address);
  }
  const local = new Set(aliases.entries.map(({ from }) => from));
  for (const address of addresses) {
    const at = address.lastIndexOf('@');
    if (postfix.addresses.localNames.includes(address.slice(at + 1)) && local.has(address.slice(0, at)))
      known.add(address);
  }
  return { known, unread: [...unread, ...aliases.unread] };
}

/** In which settings a table may stand whose answer is an action. */
const ACTION_SETTINGS =
  /^(?:mime_|nested_|milter_)?header_checks$|^body_checks$|^smtpd_(?:client|helo|sender|relay|recipient|data|end_of_data|etrn)_restrictions$/;

/** Tables that are files of text, wherever they stand in a value; and those whose rows nobody can list. */
const TEXT_TABLE = /\b(?:hash|lmdb|btree|cdb|texthash|regexp|pcre|cidr):(\/[^\s,{}]+)/g;
const CLOSED_TABLE =
  /\b(?:mysql|pgsql|ldap|sqlite|mongodb|memcache|nis|nisplus|tcp|socketmap|sdbm|dbm):[^\s,{}]+/g;

/** @param own where sealpost answers lookups by itself: it never says FILTER */
async function readTables(postfix: PostfixFacts, own: readonly string[]): Promise<TableTexts> {
  const settings = [
    ...[...postfix.main].map(([name, value]) => [name, name, value] as const),
    ...postfix.services.flatMap((service) =>
      [...service.overrides].map(([name, value]) => [`${service.name} ${name}`, name, value] as const),
    ),
  ].filter(([, name, value]) => ACTION_SETTINGS.test(name) && value !== '');
  const texts: { where: string; text: string }[] = [];
  const unread: string[] = [];
  for (const [where, , value] of settings) {
    // An inline table, or an action that stands by itself.
    texts.push({ where, text: value });
    unread.push(...(value.match(CLOSED_TABLE) ?? []).filter((map) => !own.some((at) => map.includes(at))));
    for (const [map, path = ''] of value.matchAll(TEXT_TABLE)) {
      const text = await readFile(path, 'utf8').catch(() => null);
      if (text === null) unread.push(map);
      else texts.push({ where: `${where} ${map}`, text: text.slice(0, MOST_TEXT) });
    }
  }
  return { texts, unread: [...new Set(unread)] };
}

/** Where the lookup daemons listen, as Postfix writes it. */
function lookupPlaces({ policy }: Config): readonly string[] {
  const at = [...Object.values(policy.tcp), policy.socketmap.listen];
  return at.flatMap((each) => (each === null ? [] : [formatEndpoint(each)]));
}

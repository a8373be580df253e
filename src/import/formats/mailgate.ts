// GPG-Mailgate and Lacre, which goes on from it: the configuration file, the GnuPG home that it names, the folder of S/MIME
// certificates, and the database of the web pages where people hand over their keys.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { besideFile, readText, readUpload } from './files.ts';
import { exportHome } from './gnupg.ts';
import { type Ini, iniValue, parseIni } from './ini.ts';
import { type KeyOwners, type Source, SourceRefused, type SourceRow } from './rows.ts';
import { type Dsn, pagesOf, readDsn, requireColumns, type Sql, textOf } from './sql.ts';

export interface MailgateOptions {
  readonly program: 'gpg-mailgate' | 'lacre';
  /** Absolute. */
  readonly config: string;
  /** Instead of what [database] says. */
  readonly database?: string | undefined;
}

export function mailgateSource({ program, config, database }: MailgateOptions): Source {
  return {
    name: `${program} ${config}`,
    addsDomains: false,
    addsOwners: true,
    async *rows() {
      const ini = parseIni(await readText(config));
      if (typeof ini === 'string')
        throw new SourceRefused(`${config} is no configuration of ${program}: ${ini}`);
      const keyHome = iniValue(ini, 'gpg', 'keyhome');
      if (keyHome === undefined || keyHome === '')
        throw new SourceRefused(`${config} is no configuration of ${program}: [gpg] has no keyhome`);
      const context = { ini, config, home: besideFile(config, keyHome) };
      const dsn = database === undefined ? databaseOf(ini, config) : readDsn(database);
      yield* readStyles(context);
      yield* readHome(context, await readIdentities(dsn));
      yield* readCertificates(context);
      yield* readDatabase(dsn);
    },
  };
}

interface Context {
  readonly ini: Ini;
  readonly config: string;
  readonly home: string;
}

/** Its flags are the word `yes`. */
function isYes(ini: Ini, section: string, option: string): boolean {
  return iniValue(ini, section, option)?.toLowerCase() === 'yes';
}

function* readStyles({ ini, config }: Context): Generator<SourceRow> {
  for (const [address, { value, line }] of ini.get('pgp_style') ?? []) {
    const where = `${config}:${line}`;
    const style = value.toLowerCase();
    if (style === 'mime' || style === 'inline') yield { kind: 'user', where, address, settings: { style } };
    else {
      const because = `[pgp_style] has ${JSON.stringify(value.slice(0, 80))}: mime_conversion counts, as there`;
      yield { kind: 'left', of: 'setting', name: address, where, because };
    }
  }
  const conversion = ini.get('default')?.get('mime_conversion');
  if (conversion !== undefined && conversion.value.toLowerCase() !== 'yes') {
    yield {
      kind: 'left',
      of: 'setting',
      name: 'mime_conversion',
      where: `${config}:${conversion.line}`,
      because: 'mail was inline there by default; "sealpost domain set NAME style=inline" keeps it so',
    };
  }
}

interface KeymapEntry {
  /** An address, or `@domain`. */
  readonly owner: string;
  readonly where: string;
  /** Upper-case hexadecimal digits: a fingerprint, or a key ID. */
  readonly digits: string;
}

/** Several keys for one address stand with commas between. */
function keymap({ ini, config }: Context, section: string, prefix: string): readonly KeymapEntry[] {
  return [...(ini.get(section) ?? [])].flatMap(([name, { value, line }]) =>
    value.split(',').flatMap((each) => {
      const digits = digitsOf(each);
      return digits === '' ? [] : [{ owner: `${prefix}${name}`, digits, where: `${config}:${line}` }];
    }),
  );
}

function digitsOf(text: string): string {
  return text.replace(/[\s:]/g, '').replace(/^0x/i, '').toUpperCase();
}

/** The shortest key ID that GnuPG shows. */
const SHORTEST_ID = 8;

async function* readHome(context: Context, identities: readonly KeymapEntry[]): AsyncGenerator<SourceRow> {
  const { home } = context;
  const people = [...keymap(context, 'enc_keymap', ''), ...keymap(context, 'keymap', ''), ...identities];
  const entries = [...people, ...keymap(context, 'enc_domain_keymap', '@')];
  const only = isYes(context.ini, 'default', 'enc_keymap_only');
  const fingerprints = entries.length === 0 ? [] : await fingerprintsIn(home);
  const found = new Map<KeymapEntry, string>();
  for (const entry of entries) {
    const matching =
      entry.digits.length < SHORTEST_ID ? [] : fingerprints.filter((each) => isNamed(each, entry.digits));
    const [fingerprint] = matching;
    if (fingerprint !== undefined && matching.length === 1) found.set(entry, fingerprint);
    else yield unknownKey(entry, home, matching.length);
  }
  // Whom the keymap gives a key gets no other one by the keyring.
  const except = new Set(people.filter((entry) => found.has(entry)).map(({ owner }) => owner.toLowerCase()));
  for await (const { bytes, fingerprint } of exportHome(home)) {
    const also = [...found].flatMap(([{ owner }, each]) => (each === fingerprint ? [owner] : []));
    const owners: KeyOwners = only ? { kind: 'these', addresses: also } : { kind: 'named', except, also };
    const where = `gnupg:${home}`;
    if (only && also.length === 0) {
      const because = 'enc_keymap_only is set, and no keymap names it: no mail was sealed to it';
      yield { kind: 'left', of: 'key', name: fingerprint ?? 'a key', where, because };
    } else yield { kind: 'key', where, upload: bytes, owners, sealedBefore: true };
  }
}

async function fingerprintsIn(home: string): Promise<readonly string[]> {
  const fingerprints: string[] = [];
  for await (const { fingerprint } of exportHome(home))
    if (fingerprint !== null) fingerprints.push(fingerprint);
  return fingerprints;
}

/** By its fingerprint, or by a key ID: of version 4 its last digits, of version 6 its first. */
function isNamed(fingerprint: string, digits: string): boolean {
  return fingerprint.length === 64 ? fingerprint.startsWith(digits) : fingerprint.endsWith(digits);
}

function unknownKey({ owner, digits, where }: KeymapEntry, home: string, matching: number): SourceRow {
  const because =
    matching > 1
      ? `${matching} keys in ${home} have the key ID ${digits}; give the whole fingerprint`
      : `the key ${digits} is not in ${home}: no mail was sealed to it`;
  return { kind: 'refused', of: 'key', name: owner, where, because };
}

/** A file for each address; Python's configuration has the folder in [smime]. */
async function* readCertificates({ ini, config }: Context): AsyncGenerator<SourceRow> {
  const path = iniValue(ini, 'smime', 'cert_path');
  if (path === undefined || path === '') return;
  const folder = besideFile(config, path);
  const names = await readdir(folder).catch(() => null);
  if (names === null) {
    const because = '[smime] names this folder, and it cannot be read';
    yield { kind: 'left', of: 'setting', name: 'cert_path', where: folder, because };
    return;
  }
  for (const name of names.sort()) {
    const where = join(folder, name);
    const address = name.replace(/\.(?:pem|crt|cer|p7[bcs])$/i, '');
    if (name.startsWith('.')) continue;
    const upload = address.includes('@')
      ? await readUpload(where)
      : 'its name is no address, so no mail was sealed to it';
    if (typeof upload === 'string') yield { kind: 'refused', of: 'key', name, where, because: upload };
    else
      yield {
        kind: 'key',
        where,
        upload,
        owners: { kind: 'these', addresses: [address] },
        sealedBefore: true,
      };
  }
}

/** Lacre's table of keys that were handed over, and GPG-Mailgate's (gpg-mailgate-web/schema.sql). */
const TABLES = ['lacre_keys', 'gpgmw_keys'] as const;

/** Where newer versions of Lacre keep whose address has which key of the home, whatever the key names. */
const IDENTITIES = 'lacre_identities';

async function readIdentities(dsn: Dsn | null): Promise<readonly KeymapEntry[]> {
  if (dsn === null) return [];
  const sql = await dsn.open();
  try {
    if ((await sql.columns(IDENTITIES)).size === 0) return [];
    await requireColumns(sql, dsn.name, { [IDENTITIES]: ['email', 'fingerprint'] });
    const rows = await sql.query(`SELECT email, fingerprint FROM ${IDENTITIES} ORDER BY email`, []);
    return rows.map((row) => {
      const owner = textOf(row.email);
      return { owner, digits: digitsOf(textOf(row.fingerprint)), where: `${IDENTITIES} ${owner}` };
    });
  } finally {
    await sql.close();
  }
}

async function* readDatabase(dsn: Dsn | null): AsyncGenerator<SourceRow> {
  if (dsn === null) return;
  const sql = await dsn.open();
  try {
    yield* readTable(sql, dsn.name);
  } finally {
    await sql.close();
  }
}

/** @throws SourceRefused */
function databaseOf(ini: Ini, config: string): Dsn | null {
  if (!isYes(ini, 'database', 'enabled')) return null;
  const value = (option: string): string => iniValue(ini, 'database', option) ?? '';
  const url = value('url');
  // SQLAlchemy's paths are relative with three slashes, and absolute with four.
  const relative = /^sqlite(?:\+\w+)?:\/\/\/(?!\/)(.+)$/.exec(url)?.[1];
  if (relative !== undefined) return readDsn(`sqlite:///${besideFile(config, relative)}`);
  if (url !== '') return readDsn(url);
  if (value('name') === '')
    throw new SourceRefused(
      `${config}: [database] is enabled, and says neither url nor name; give --database DSN`,
    );
  const account = `${encodeURIComponent(value('username'))}:${encodeURIComponent(value('password'))}`;
  return readDsn(`mysql://${account}@${value('host') || 'localhost'}/${encodeURIComponent(value('name'))}`);
}

async function* readTable(sql: Sql, database: string): AsyncGenerator<SourceRow> {
  let table: string | undefined;
  for (const name of TABLES) if (table === undefined && (await sql.columns(name)).size > 0) table = name;
  if (table === undefined)
    throw new SourceRefused(
      `the schema of ${database} is not known: there is none of the tables ${TABLES.join(', ')}`,
    );
  await requireColumns(sql, database, { [table]: ['id', 'email', 'publickey', 'confirm', 'status'] });
  const rows = pagesOf(
    sql,
    `SELECT id, email, publickey, confirm, status FROM ${table} WHERE id > ? ORDER BY id`,
    'id',
    '0',
  );
  for await (const row of rows) {
    const name = textOf(row.email);
    const key = textOf(row.publickey);
    const where = `${table} ${textOf(row.id)}`;
    const because = whyNot(textOf(row.confirm), textOf(row.status), key);
    if (because !== null) yield { kind: 'left', of: 'key', name, where, because };
    else
      yield {
        kind: 'key',
        where,
        upload: Buffer.from(key),
        owners: { kind: 'these', addresses: [name] },
        sealedBefore: true,
      };
  }
}

/** `confirm` is empty once the address was confirmed; `status` is 0 until the key is in the home, 1 then, 2 to be deleted. */
function whyNot(confirm: string, status: string, key: string): string | null {
  if (confirm !== '') return 'its address was not confirmed';
  if (status === '2') return 'it waits to be deleted there';
  if (key.trim() === '')
    return status === '1' ? 'its key is in the GnuPG home' : 'it asks for no encryption any more';
  return null;
}

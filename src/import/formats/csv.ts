// A CSV file (RFC 4180) with a header line: address, name, quota, status, key_file, settings; in any order, only address is
// needed. The fastest way in for whatever has no importer of its own.
import { pipeline } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { parseSize } from '../../config/units.ts';
import { applySettings, parseAssignments } from '../../directory/assignments.ts';
import { ChangeRefused } from '../../directory/refused.ts';
import { besideFile, readBytes, readUpload } from './files.ts';
import { LONGEST_LINE } from './lines.ts';
import { type Source, SourceRefused, type SourceRow, type UserRow } from './rows.ts';

const COLUMNS = ['address', 'name', 'quota', 'status', 'key_file', 'settings'] as const;
type Column = (typeof COLUMNS)[number];

/** Other spellings of the header. */
const SPELLINGS: Readonly<Record<string, Column>> = {
  key: 'key_file',
  keyfile: 'key_file',
  email: 'address',
};

/**
 * A CSV file as a source.
 * @param path absolute; key files are relative to its folder
 */
export function csvSource(path: string): Source {
  return { name: `csv ${path}`, addsDomains: true, addsOwners: true, rows: () => readRows(path) };
}

interface Parsed {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

async function* readRows(path: string): AsyncGenerator<SourceRow> {
  const parser = parse({
    bom: true,
    info: true,
    skip_empty_lines: true,
    trim: true,
    relax_column_count: true,
    max_record_size: LONGEST_LINE,
  });
  // Its end and its failures reach whoever reads the parser.
  pipeline(readBytes(path), parser, () => undefined);
  let header: readonly (Column | null)[] | null = null;
  try {
    for await (const parsed of parser) {
      const { record, info } = parsed as Parsed;
      const where = `${path}:${info.lines}`;
      if (header === null) {
        header = readHeader(record, path);
        continue;
      }
      const fields = new Map<Column, string>();
      header.forEach((column, index) => {
        const text = record[index] ?? '';
        if (column !== null && text !== '') fields.set(column, text);
      });
      if (record.length > header.length) {
        yield refused(
          fields,
          where,
          `found ${record.length} fields, expected ${header.length} as in the header`,
        );
      } else yield* readRow(fields, where, path);
    }
  } catch (error) {
    if (error instanceof CsvError) throw new SourceRefused(`${path} is no CSV: ${error.message}`);
    throw error;
  }
  if (header === null)
    throw new SourceRefused(`${path} is empty; expected a header such as address,quota,status`);
}

/** @throws SourceRefused on a column that is not known */
function readHeader(record: readonly string[], path: string): readonly Column[] {
  const columns = record.map((text) => {
    const word = text.toLowerCase().replace(/[\s-]+/g, '_');
    const column = COLUMNS.find((each) => each === word) ?? SPELLINGS[word];
    if (column === undefined)
      throw new SourceRefused(
        `${path}: found the column ${JSON.stringify(text.slice(0, 80))}, expected ${COLUMNS.join(', ')}`,
      );
    return column;
  });
  if (!columns.includes('address')) throw new SourceRefused(`${path}: the header lacks the column address`);
  if (new Set(columns).size < columns.length)
    throw new SourceRefused(`${path}: the header has a column twice`);
  return columns;
}

function refused(fields: ReadonlyMap<Column, string>, where: string, because: string): SourceRow {
  return { kind: 'refused', of: 'user', name: fields.get('address') ?? '', where, because };
}

async function* readRow(
  fields: ReadonlyMap<Column, string>,
  where: string,
  path: string,
): AsyncGenerator<SourceRow> {
  const address = fields.get('address') ?? '';
  const user = readUser(fields, address, where);
  if (typeof user === 'string') {
    yield refused(fields, where, user);
    return;
  }
  yield user;
  const file = fields.get('key_file');
  if (file === undefined) return;
  const upload = await readUpload(besideFile(path, file));
  if (typeof upload === 'string') {
    yield { kind: 'refused', of: 'key', name: address, where, because: upload };
    return;
  }
  yield { kind: 'key', where, upload, owners: { kind: 'these', addresses: [address] }, sealedBefore: true };
}

/** @returns a sentence where a field cannot be read */
function readUser(fields: ReadonlyMap<Column, string>, address: string, where: string): UserRow | string {
  const status = fields.get('status')?.toLowerCase();
  if (status !== undefined && status !== 'active' && status !== 'disabled')
    return `status: found ${JSON.stringify(status.slice(0, 80))}, expected active or disabled`;
  const quota = readQuota(fields.get('quota'));
  if (typeof quota === 'string') return quota;
  const words = (fields.get('settings') ?? '').split(/[\s;]+/).filter((word) => word !== '');
  try {
    const assignments = parseAssignments(words, 'user');
    const { forwards, sendAs, publish } = assignments;
    if (forwards !== undefined || sendAs !== undefined || publish !== undefined)
      return 'settings: forward, send_as and publish are set by "sealpost user set"';
    return {
      kind: 'user',
      where,
      address,
      quota,
      status,
      settings: assignments.settings.size === 0 ? undefined : applySettings({}, assignments),
      transport: assignments.transport,
    };
  } catch (error) {
    if (error instanceof ChangeRefused) return error.message;
    throw error;
  }
}

/** undefined: not said; null: unlimited; a text: what was expected. */
function readQuota(text: string | undefined): number | null | undefined | string {
  if (text === undefined) return undefined;
  if (/^(?:none|unlimited)$/i.test(text)) return null;
  const parsed = parseSize(text);
  return parsed.ok
    ? parsed.value
    : `quota: found ${JSON.stringify(text.slice(0, 80))}, expected ${parsed.expected}, or none`;
}

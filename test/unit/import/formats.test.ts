import { describe, expect, it } from 'vitest';
import { parseIni } from '../../../src/import/formats/ini.ts';
import { jsonRows } from '../../../src/import/formats/json-rows.ts';
import { readAliasValue, readListWord, readVirtualKey } from '../../../src/import/formats/postfix-values.ts';
import { readDsn } from '../../../src/import/formats/sql.ts';
import { listOf } from '../../../src/postfix/model.ts';

async function* pieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function rowsOf(text: string, size: number): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const row of jsonRows(pieces(text, size))) rows.push(row);
  return rows;
}

describe('a configuration of Python’s', () => {
  it('has sections, options in lower case, comments and continued values', () => {
    const ini = parseIni(
      '# top\n[gpg]\nKeyHome = /var/gpg ; the home\n\n[enc_keymap]\nA@b.example: 0xABCD,\n  1234\n',
    );
    if (typeof ini === 'string') throw new Error(ini);
    expect(ini.get('gpg')?.get('keyhome')).toEqual({ value: '/var/gpg', line: 3 });
    expect(ini.get('enc_keymap')?.get('a@b.example')?.value).toBe('0xABCD,\n1234');
  });

  it.each([
    ['a = b', 'line 1 stands in no section'],
    ['[a]\nwithout a value', 'line 2: expected NAME = VALUE'],
  ])('is refused with its line: %j', (text, because) => {
    expect(parseIni(text)).toBe(because);
  });
});

describe('the rows of a large JSON document', () => {
  const rows = [
    { id: 'a', doc: { text: 'braces } ] { [ and "quotes" \\ ä' } },
    { id: 'b', list: [[1], { c: 2 }] },
  ];
  const document = { total_rows: 2, offset: 0, rows };

  it.each([1, 3, 7, 1000])(
    'come one after the other, whole, from pieces of %d bytes, on one line or indented',
    async (size) => {
      expect(await rowsOf(JSON.stringify(document), size)).toEqual(rows);
      expect(await rowsOf(JSON.stringify(document, null, 2), size)).toEqual(rows);
    },
  );

  it.each([
    ['{"docs": []}', 'there is no array "rows"'],
    ['{"rows": [{"id": "a"}', 'cut off'],
    ['{"rows": [{"id": a}]}', 'no JSON'],
  ])('are refused by name: %j', async (text, because) => {
    await expect(rowsOf(text, 5)).rejects.toThrow(because);
  });
});

describe('values of main.cf', () => {
  it('are words, tables, files and names', () => {
    expect(listOf('hash:/a, proxy:mysql:/b\n  /c {inline:{a=b}} example.org')).toEqual(
      expect.arrayContaining(['hash:/a', 'proxy:mysql:/b', '/c', 'example.org']),
    );
    expect(listOf('inline:{ a=b, c=d } /e')).toEqual(['inline:{ a=b, c=d }', '/e']);
    expect(readListWord('proxy:mysql:/b')).toEqual({ kind: 'table', type: 'mysql', table: 'mysql:/b' });
    expect(readListWord('/c')).toEqual({ kind: 'file', path: '/c' });
    expect(readListWord('example.org')).toEqual({ kind: 'name', name: 'example.org' });
  });

  it.each([
    ['bob, "carol x"@b.example', { kind: 'addresses', targets: ['bob@o.example', '"carol x"@b.example'] }],
    ['\\root', { kind: 'addresses', targets: ['root@o.example'] }],
    ['"|/usr/bin/procmail -a"', { kind: 'special', because: expect.stringContaining('command') }],
    ['bob, /var/mail/x', { kind: 'special', because: expect.stringContaining('file') }],
    [':include:/etc/list', { kind: 'special', because: expect.stringContaining('includes') }],
  ])('of an alias: %s', (value, expected) => {
    expect(readAliasValue(value, 'o.example')).toEqual(expected);
  });

  it.each([
    ['a@b.example', 'address', 'a@b.example'],
    ['@b.example', 'address', '@b.example'],
    ['b.example', 'domain', 'b.example'],
    ['bob', 'address', 'bob@o.example'],
  ])('key a virtual alias: %s', (key, kind, name) => {
    expect(readVirtualKey(key, 'o.example')).toEqual({ kind, name });
  });
});

describe('a DSN', () => {
  it.each([
    ['mysql://u:s3cret@db.example:3307/postfix', 'mysql', 'mysql://db.example:3307/postfix'],
    ['mysql+mysqldb://u:s3cret@localhost/lacre', 'mysql', 'mysql://localhost/lacre'],
    ['mysql://u:s3cret@localhost/mailcow?socket=/run/m.sock', 'mysql', 'mysql:///run/m.sock/mailcow'],
    ['postgresql+psycopg2://u:s3cret@pg.example/lacre', 'postgres', 'postgres://pg.example/lacre'],
    ['sqlite:////var/lib/lacre.db', 'sqlite', 'sqlite:////var/lib/lacre.db'],
  ])('names its database without the password: %s', (dsn, kind, name) => {
    expect(readDsn(dsn)).toMatchObject({ kind, name });
  });

  it('is refused without being repeated', () => {
    expect(() => readDsn('oracle://u:s3cret@x/y')).toThrow(/^expected a DSN/);
    expect(() => readDsn('oracle://u:s3cret@x/y')).not.toThrow(/s3cret/);
  });
});

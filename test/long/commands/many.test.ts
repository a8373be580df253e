// Ten thousand users: each list that may be long comes whole and by pages, no row twice and none left out, as JSON in snake_case.
import { generateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../src/cli/program.ts';
import { openTrial, type Trial } from '../../support/trial.ts';

const USERS = 10_000;
/** One that divides none of the lists. */
const PAGE = '1777';
/** Milliseconds; none took more than a tenth of it on two idle cores. */
const LONGEST = 60_000;
const FIRST = 'alice@many.example';

let trial: Trial;
beforeAll(async () => {
  const registers = await Promise.all([...COMMANDS].map(([, load]) => load()));
  trial = await openTrial(registers);
  await trial.json('domain', 'add', 'many.example');
  await trial.json('user', 'add', FIRST);
  const { publicKey } = await generateKey({ userIDs: [{ email: FIRST }], format: 'armored' });
  await trial.json('key', 'import', trial.file('alice.asc', publicKey));
  const { pool } = trial.database;
  await pool.query(
    `WITH made AS (INSERT INTO users (domain_id) SELECT d.id FROM domains AS d, generate_series(2, $1::int) RETURNING id)
     INSERT INTO addresses (address, domain, kind, user_id)
       SELECT 'u' || md5(id::text) || '@many.example', 'many.example', 'user', id FROM made`,
    [USERS],
  );
  // Half of them have a key.
  await pool.query(
    `INSERT INTO keys (fingerprint, user_id, certificate)
       SELECT k.fingerprint, u.id, k.certificate FROM keys AS k, users AS u WHERE u.id <> k.user_id AND u.id % 2 = 0`,
  );
  await pool.query(
    `INSERT INTO incoming (id, user_id, number, size, content) SELECT md5(id::text), id, 1, 3, 'abc' FROM users`,
  );
  await pool.query(
    `INSERT INTO api_tokens (user_id, name, token_hash) SELECT id, 'laptop', decode(md5(id::text) || md5(id::text), 'hex') FROM users`,
  );
  // As autovacuum does within a minute.
  await pool.query('ANALYZE');
}, 240_000);
afterAll(() => trial?.close());

type Row = Readonly<Record<string, unknown>>;
const LISTS: readonly (readonly [words: string, cursor: string, rows: number])[] = [
  ['user list', 'address', USERS],
  ['user list many.example --without-key', 'address', USERS / 2],
  ['key list', 'id', USERS / 2],
  ['key list --missing', 'address', USERS / 2],
  ['key events', 'id', USERS / 2],
  ['queue list', 'address', USERS],
  ['token list', 'id', USERS],
];

describe('of ten thousand users', () => {
  it.each(LISTS)('%s is whole, and by pages the same', async (line, cursor, count) => {
    const words = line.split(' ');
    const started = Date.now();
    const whole = (await trial.json(...words)) as readonly Row[];
    const took = Date.now() - started;
    process.stdout.write(`${line}: ${whole.length} rows in ${took} ms\n`);
    expect(Math.abs(whole.length - count)).toBeLessThanOrEqual(1);
    expect(took).toBeLessThan(LONGEST);
    expect(new Set(whole.map((row) => row[cursor])).size).toBe(whole.length);
    const names = new Set(whole.flatMap((row) => Object.keys(row)));
    expect([...names].filter((name) => !/^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/.test(name))).toEqual([]);

    const paged: Row[] = [];
    for (;;) {
      const last = paged.at(-1)?.[cursor];
      const after = last === undefined ? [] : ['--after', String(last)];
      const page = (await trial.json(...words, '--limit', PAGE, ...after)) as readonly Row[];
      paged.push(...page);
      if (page.length < Number(PAGE)) break;
    }
    expect(paged.map((row) => row[cursor])).toEqual(whole.map((row) => row[cursor]));
    expect(paged).toEqual(whole);
  });
});

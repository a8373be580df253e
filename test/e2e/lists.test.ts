// What an administrator lists, pages through and erases, over a real PostgreSQL; and the names of fields in every command's JSON.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/program.ts';
import { keptAs } from '../../src/delivery/trace.ts';
import { pseudonymKey } from '../../src/observe/pseudonym.ts';
import { openTrial, type Trial } from '../support/trial.ts';

const ALICE = 'alice@example.org';
const BOB = 'bob@example.org';
/** More than one page of a query. */
const MANY = 1005;

let trial: Trial;
let fingerprint = '';

const rows = async (...words: readonly string[]) =>
  (await trial.json(...words)) as readonly Readonly<Record<string, unknown>>[];
const addresses = async (...words: readonly string[]) =>
  (await rows(...words)).map(({ address }) => String(address));
const query = async (text: string, values: readonly unknown[] = []) =>
  (await trial.database.pool.query(text, [...values])).rows;

beforeAll(async () => {
  const registers = await Promise.all([...COMMANDS].map(([, load]) => load()));
  trial = await openTrial(registers, '[notices]\nadministrator = "postmaster@outside.example"\n');
  for (const words of [
    ['domain', 'add', 'example.org'],
    ['domain', 'add', 'many.example'],
    ['domain', 'set', 'many.example', 'on_missing_key=reject'],
    ['user', 'add', ALICE],
    ['user', 'add', BOB],
    ['alias', 'add', 'al@example.org', ALICE],
    ['alias', 'add', 'both@example.org', ALICE, BOB],
    ['token', 'add', ALICE, '--name', 'laptop'],
    ['token', 'add', BOB],
    ['rule', 'add', ALICE, '--action', 'pass', '--larger', '1MB'],
    ['fingerprint', 'add', 'AB'.repeat(20), '--expires', '2999-01-01'],
  ])
    await trial.json(...words);
  const { publicKey } = await generateKey({ userIDs: [{ email: ALICE }], format: 'armored' });
  const [added] = await rows('key', 'import', trial.file('alice.asc', publicKey));
  fingerprint = String(added?.fingerprint);
  await query(
    `WITH made AS (INSERT INTO users (domain_id) SELECT id FROM domains, generate_series(1, $1) WHERE name = 'many.example' RETURNING id)
     INSERT INTO addresses (address, domain, kind, user_id)
       SELECT 'u' || lpad(id::text, 7, '0') || '@many.example', 'many.example', 'user', id FROM made`,
    [MANY],
  );
  for (const address of [ALICE, BOB])
    await query(
      `INSERT INTO incoming (id, user_id, number, size, content)
         SELECT md5($1 || n), user_id, n, 3, 'abc' FROM addresses, generate_series(1, 3) AS n WHERE address = $1`,
      [address],
    );
}, 120_000);
afterAll(() => trial?.close());

describe('a list that may be long', () => {
  it('comes whole, in one order, and by pages of any size', async () => {
    const all = await addresses('user', 'list');
    expect(all).toHaveLength(MANY + 2);
    expect(new Set(all).size).toBe(MANY + 2);
    const [first, second, third] = all;
    expect(await addresses('user', 'list', '--limit', '2')).toEqual([first, second]);
    expect(await addresses('user', 'list', '--limit', '1', '--after', String(second))).toEqual([third]);
    expect(await addresses('user', 'list', '--after', String(all.at(-1)))).toEqual([]);
    expect((await trial.sealpost('user', 'list')).out.split('\n')).toHaveLength(MANY + 3);
  });

  it.each([
    ['user', 'list', '--limit', '0'],
    ['user', 'list', '--limit', 'two'],
    ['token', 'list', '--after', 'x'],
    ['key', 'list', '--limit', '0'],
    ['key', 'list', '--after', ALICE],
    ['key', 'list', ALICE, '--missing'],
  ])('is refused as wrong usage: %s %s %s %s', async (...words) => {
    expect((await trial.sealpost(...words)).code).toBe(2);
  });
});

describe('the lists of an administrator', () => {
  it('are of one domain, and of those without a key', async () => {
    expect(await addresses('user', 'list', 'example.org')).toEqual([ALICE, BOB]);
    expect(await addresses('user', 'list', 'example.org', '--without-key')).toEqual([BOB]);
    expect(await trial.sealpost('user', 'list', 'nowhere.example')).toMatchObject({ code: 1 });
  });

  it('say of a missing key what becomes of the mail', async () => {
    expect(await rows('key', 'list', '--missing', '--limit', '2')).toEqual([
      { address: BOB, status: 'active', encrypt: true, on_missing_key: 'pass' },
      expect.objectContaining({ on_missing_key: 'reject' }),
    ]);
  });

  it('tell who changed which key', async () => {
    expect(await rows('key', 'events', ALICE)).toEqual([
      expect.objectContaining({
        event: 'added',
        owner: ALICE,
        owner_kind: 'user',
        fingerprint,
        source: 'cli',
      }),
    ]);
    const [{ id } = { id: 0 }] = await rows('key', 'events');
    expect(await rows('key', 'events', '--after', String(id))).toEqual([]);
    expect(await rows('key', 'events', BOB)).toEqual([]);
  });

  it('tell how much waits for whom, and page through one queue', async () => {
    expect(await rows('queue', 'list')).toMatchObject([
      { address: ALICE, messages: 3, bytes: 9, oldest: expect.any(String) },
      { address: BOB, messages: 3 },
    ]);
    expect(await rows('queue', 'list', '--after', ALICE)).toMatchObject([{ address: BOB }]);
    const [first, second] = await rows('queue', 'list', ALICE);
    expect(await rows('queue', 'list', ALICE, '--after', String(first?.id), '--limit', '1')).toEqual([
      second,
    ]);
    expect((await trial.sealpost('queue', 'list', ALICE, '--after', 'f'.repeat(32))).code).toBe(1);
  });

  it('name the tokens of all, and of one', async () => {
    expect(await rows('token', 'list')).toMatchObject([
      { address: ALICE, name: 'laptop', last_used: null },
      { address: BOB },
    ]);
    expect(await rows('token', 'list', BOB)).toMatchObject([{ address: BOB }]);
  });
});

it('notices run tells what it did, and needs an administrator', async () => {
  expect(await trial.json('notices', 'run', '--now')).toEqual({ sent: 0, refused: 0, postponed: 0 });
});

describe('--json', () => {
  /** Of every command that prints what it knows; `config describe` prints a JSON Schema, with the names of that standard. */
  const CALLS: readonly (readonly string[])[] = [
    ['migrate', '--status'],
    ['config', 'check'],
    ['domain', 'list'],
    ['user', 'show', ALICE],
    ['user', 'list', 'example.org'],
    ['alias', 'list'],
    ['key', 'list'],
    ['key', 'show', ALICE],
    ['key', 'export', ALICE],
    ['key', 'events'],
    ['key', 'list', '--missing', '--limit', '1'],
    ['rule', 'list'],
    ['fingerprint', 'list'],
    ['explain', ALICE, '--message', 'MESSAGE'],
    ['lookup', 'virtual_alias', ALICE],
    ['encrypt', '--to', ALICE, 'MESSAGE'],
    ['queue', 'list'],
    ['queue', 'stats', ALICE],
    ['token', 'list'],
    ['notices', 'run'],
  ];

  it.each(CALLS)('of %s %s has only names in snake_case', async (...words) => {
    const message = trial.file('mail.eml', 'From: <a@b.example>\nSubject: x\n\nbody\n');
    const printed = await trial.json(...words.map((word) => (word === 'MESSAGE' ? message : word)));
    expect(namesIn(printed).filter((name) => !/^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/.test(name))).toEqual([]);
  });

  it('says why a command failed, and with which exit code', async () => {
    const { code, out } = await trial.sealpost('user', 'show', 'nobody@example.org', '--json');
    expect([code, JSON.parse(out)]).toEqual([1, { error: expect.stringContaining('nobody'), exit_code: 1 }]);
  });
});

function namesIn(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(namesIn);
  return Object.entries(value).flatMap(([name, inner]) => [name, ...namesIn(inner)]);
}

describe('a user who is removed', () => {
  const tell = async (recipient: string) =>
    query(
      `INSERT INTO events (at, event, queue_id, transaction, message_id, recipient, because, reason, keys, size, ms, reply)
         VALUES (now(), 'sealed', 'q', 't', '', $1, 'usable key', '', '{}', 1, 1, '250 ok')`,
      [recipient],
    );
  const kept = async () =>
    (await query('SELECT recipient FROM events ORDER BY recipient')).map(({ recipient }) => recipient);

  it('leaves events and the audit of keys, unless they are erased, and then nobody else’s', async () => {
    const key = pseudonymKey(trial.config.state_dir);
    const pseudonym = keptAs(ALICE, key, '+').at(-1) ?? '';
    for (const recipient of [
      ALICE,
      'alice+list@example.org',
      'al@example.org',
      pseudonym,
      'both@example.org',
      BOB,
    ])
      await tell(recipient);
    await trial.json('user', 'remove', BOB, '--yes');
    expect(await kept()).toContain(BOB);

    const removed = await trial.json('user', 'remove', ALICE, '--erase', '--yes');
    expect(removed).toMatchObject({
      removed_aliases: ['al@example.org', 'both@example.org'],
      erased: { events: 5, key_events: 2 },
    });
    expect(await kept()).toEqual([BOB]);
    expect(await rows('key', 'events')).toEqual([]);
    await expect(query('DELETE FROM key_events')).rejects.toThrow(/append-only/);
    expect(readFileSync(join(trial.config.state_dir, 'log.key'))).toHaveLength(32);
  });
});

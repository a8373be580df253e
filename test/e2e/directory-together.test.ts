// Two programs that change the directory or the keys at the same moment: a command meets rows that another transaction has
// changed and not committed yet. Nothing of either is lost, and nothing is left without its owner.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { registerAlias } from '../../src/cli/alias.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerToken } from '../../src/cli/token.ts';
import { registerUser } from '../../src/cli/user.ts';
import type { ImportResult } from '../../src/keys/import-options.ts';
import { importKeys } from '../../src/keys/store.ts';
import { type Outcome, openTrial, type Trial } from '../support/trial.ts';
import { curveKey, type Gpg, openGpg } from '../unit/keys/gpg.ts';

let trial: Trial;
let gpg: Gpg;

beforeAll(async () => {
  trial = await openTrial([registerDomain, registerUser, registerAlias, registerKey, registerToken]);
  gpg = openGpg();
});

afterAll(async () => {
  await trial?.close();
  gpg?.close();
});

const json = (...words: readonly string[]) => trial.json(...words);

/** Rows of a query. */
async function rowsOf(query: string, ...values: readonly unknown[]): Promise<readonly unknown[]> {
  return (await trial.database.pool.query(query, [...values])).rows;
}

/**
 * Runs a command while a transaction of another program is open, which commits once the command waits for it or has ended.
 * @param statements in each, `$1` to `$n` are `values`
 */
async function during(
  statements: readonly (readonly [query: string, ...values: readonly unknown[]])[],
  ...words: readonly string[]
): Promise<Outcome> {
  const { pool } = trial.database;
  const other = await pool.connect();
  try {
    await other.query('BEGIN');
    for (const [query, ...values] of statements) await other.query(query, [...values]);
    const { rows } = await other.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    let ended = false;
    const command = trial.sealpost(...words).finally(() => {
      ended = true;
    });
    while (!ended) {
      const { rowCount } = await pool.query(
        'SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))',
        [rows[0]?.pid],
      );
      if (rowCount !== 0) break;
    }
    await other.query('COMMIT');
    return await command;
  } finally {
    other.release();
  }
}

let domains = 0;
let domain: string;
/** A user of that domain, and a contact with a key. */
let user: string;
let contact: string;
let fingerprint: string;

beforeEach(async () => {
  domains += 1;
  domain = `d${domains}.example`;
  user = `alice@${domain}`;
  contact = `carol@outside${domains}.example`;
  await json('domain', 'add', domain);
  await json('user', 'add', user);
  fingerprint = gpg.make(curveKey({ address: contact }));
  await json('key', 'import', trial.file('k.pgp', gpg.exportKey(fingerprint)), '--for', contact);
});

const USER = 'SELECT user_id FROM addresses WHERE address = $1';

describe('two changes of settings at the same moment both count:', () => {
  it("a user's", async () => {
    const other = `UPDATE users SET settings = settings || '{"on_missing_key": "reject"}' WHERE id = (${USER})`;
    expect(
      await during([[other, user]], 'user', 'set', user, 'style=inline', '--quota', '1GB'),
    ).toMatchObject({ code: 0 });
    expect(await json('user', 'show', user)).toMatchObject({
      settings: { on_missing_key: 'reject', style: 'inline' },
      quota: 1e9,
    });
  });

  it("a domain's", async () => {
    const other = `UPDATE domains SET settings = '{"on_missing_key": "reject"}',
      refusals = '{"unknown": {"text": "Nobody"}}' WHERE name = $1`;
    expect(
      await during([[other, domain]], 'domain', 'set', domain, 'style=inline', 'unknown_action=defer'),
    ).toMatchObject({ code: 0 });
    expect(await rowsOf('SELECT settings, refusals FROM domains WHERE name = $1', domain)).toEqual([
      {
        settings: { on_missing_key: 'reject', style: 'inline' },
        refusals: { unknown: { text: 'Nobody', action: 'defer' } },
      },
    ]);
  });
});

describe('an alias and its user that are added at the same moment find each other', () => {
  const addAlias = () =>
    [
      ['SELECT FROM domains WHERE name = $1 FOR SHARE', domain],
      [
        `WITH alias AS (INSERT INTO addresses (address, domain, kind) VALUES ('info@' || $1, $1, 'alias') RETURNING id)
         INSERT INTO alias_targets (alias_id, position, target) SELECT id, 0, 'bob@' || $1 FROM alias`,
        domain,
      ],
    ] as const;
  const addUser = () =>
    [
      ['SELECT FROM domains WHERE name = $1 FOR NO KEY UPDATE', domain],
      [
        `WITH added AS (INSERT INTO users (domain_id) SELECT id FROM domains WHERE name = $1 RETURNING id)
         INSERT INTO addresses (address, domain, kind, user_id) SELECT 'bob@' || $1, $1, 'user', id FROM added`,
        domain,
      ],
    ] as const;
  const linked = () =>
    rowsOf(
      `SELECT target FROM alias_targets JOIN addresses ON user_id = target_user_id AND address = target
        WHERE address = 'bob@' || $1`,
      domain,
    );

  it('when the alias was first', async () => {
    expect(await during(addAlias(), 'user', 'add', `bob@${domain}`)).toMatchObject({ code: 0 });
    expect(await linked()).toHaveLength(1);
  });

  it('when the user was first', async () => {
    expect(await during(addUser(), 'alias', 'add', `info@${domain}`, `bob@${domain}`)).toMatchObject({
      code: 0,
      err: '',
    });
    expect(await linked()).toHaveLength(1);
  });

  it('and two who add targets to one alias add both', async () => {
    await json('alias', 'add', `info@${domain}`, user);
    const other = `WITH alias AS (SELECT id FROM addresses WHERE address = 'info@' || $1 FOR UPDATE)
      INSERT INTO alias_targets (alias_id, position, target) SELECT id, 1, 'one@outside.example' FROM alias`;
    expect(
      await during([[other, domain]], 'alias', 'add', `info@${domain}`, 'two@outside.example'),
    ).toMatchObject({ code: 0 });
    expect(await json('alias', 'list', `info@${domain}`)).toMatchObject([
      { targets: [user, 'one@outside.example', 'two@outside.example'] },
    ]);
  });

  it('but a domain that gets one is not removed, and one that is removed gets none', async () => {
    await json('user', 'remove', user, '--yes');
    expect(await during(addAlias(), 'domain', 'remove', domain, '--yes')).toMatchObject({
      code: 1,
      err: expect.stringContaining('still has 0 users and 1 alias'),
    });
    await json('alias', 'remove', `info@${domain}`, '--yes');
    expect(
      await during(
        [['DELETE FROM domains WHERE name = $1', domain]],
        'alias',
        'add',
        `info@${domain}`,
        'out@outside.example',
      ),
    ).toMatchObject({ code: 1, err: expect.stringContaining(`the domain ${domain} is not known`) });
  });
});

const CONTACT = 'SELECT id FROM addresses WHERE address = $1';
const importKey = () =>
  [
    [`${CONTACT} FOR KEY SHARE`, contact],
    [
      `INSERT INTO keys (fingerprint, contact_id, certificate) SELECT 'NEW', id, '' FROM (${CONTACT}) c`,
      contact,
    ],
  ] as const;
const removeContact = () =>
  [
    [`${CONTACT} FOR UPDATE`, contact],
    [`DELETE FROM keys WHERE contact_id = (${CONTACT})`, contact],
    ['DELETE FROM addresses WHERE address = $1', contact],
  ] as const;
const keysOfContact = () =>
  rowsOf(`SELECT fingerprint FROM keys WHERE contact_id = (${CONTACT}) ORDER BY fingerprint`, contact);

describe("a contact's key", () => {
  it('that is imported while the last other one is removed stays', async () => {
    expect(await during(importKey(), 'key', 'remove', fingerprint, '--yes')).toMatchObject({ code: 0 });
    expect(await keysOfContact()).toEqual([{ fingerprint: 'NEW' }]);
  });

  it('is imported while the contact is forgotten with the last other one', async () => {
    const next = gpg.make(curveKey({ address: contact }));
    const file = trial.file('n.pgp', gpg.exportKey(next));
    expect(await during(removeContact(), 'key', 'import', file, '--for', contact, '--add')).toMatchObject({
      code: 0,
    });
    expect(await keysOfContact()).toEqual([{ fingerprint: next }]);
  });

  it('is not removed with the address of the user whom the contact becomes', async () => {
    await json('domain', 'add', contact.replace(/.*@/, ''));
    const become = [
      [`${CONTACT} FOR UPDATE`, contact],
      [
        `WITH added AS (INSERT INTO users (domain_id) SELECT id FROM domains WHERE name = $1 RETURNING id),
              moved AS (UPDATE keys SET user_id = added.id, contact_id = NULL FROM added WHERE fingerprint = $2)
         UPDATE addresses SET kind = 'user', user_id = added.id FROM added WHERE address = $3`,
        contact.replace(/.*@/, ''),
        fingerprint,
        contact,
      ],
    ] as const;
    expect(await during(become, 'key', 'remove', fingerprint, '--yes')).toMatchObject({ code: 0 });
    expect(await json('user', 'show', contact)).toMatchObject({ keys: [] });
  });
});

describe('two keys that are imported for one owner at the same moment', () => {
  const importFor = (owner: string): Promise<readonly ImportResult[]> =>
    importKeys(trial.database, gpg.exportKey(gpg.make(curveKey({ address: owner }))), {
      policy: { allowSha1: false },
      delimiters: '+',
      source: 'cli',
      actor: 'cli:test',
      now: Date.now(),
      for: owner,
      anyName: true,
    });

  /** Both imports wait for the owner's row before it is let go. */
  async function together(lock: string, value: string, owner: string): Promise<readonly ImportResult[]> {
    const { pool } = trial.database;
    const other = await pool.connect();
    try {
      await other.query('BEGIN');
      await other.query(`${lock} FOR NO KEY UPDATE`, [value]);
      let ended = false;
      const imports = Promise.all([importFor(owner), importFor(owner)]).finally(() => {
        ended = true;
      });
      while (!ended) {
        const { rowCount } = await pool.query(
          'SELECT FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0',
        );
        if (rowCount === 2) break;
      }
      await other.query('COMMIT');
      return (await imports).flat();
    } finally {
      other.release();
    }
  }

  it.each([
    ['a user', `SELECT FROM users WHERE id = (${USER})`, () => user, () => user],
    ['a domain', 'SELECT FROM domains WHERE name = $1', () => domain, () => `@${domain}`],
  ])('are not both taken without --add: %s', async (_, lock, value, owner) => {
    const results = await together(lock, value(), owner());
    expect(results.map(({ result }) => result).sort()).toEqual(['added', 'refused']);
    expect(results.flatMap(({ refusal }) => refusal?.code ?? [])).toEqual(['second key']);
    expect(await json('key', 'list', owner())).toHaveLength(1);
  });

  it('are not both taken without --add: a contact', async () => {
    const statement = `INSERT INTO keys (fingerprint, contact_id, certificate) SELECT 'NEW', id, '' FROM (${CONTACT}) c`;
    const newcomer = `new-${contact}`;
    const row = `INSERT INTO addresses (address, domain, kind) VALUES ($1, split_part($1, '@', 2), 'contact')`;
    const file = trial.file('c.pgp', gpg.exportKey(gpg.make(curveKey({ address: newcomer }))));
    expect(
      await during(
        [
          [row, newcomer],
          [statement, newcomer],
        ],
        ...['key', 'import', file, '--for', newcomer],
      ),
    ).toMatchObject({ code: 1, err: expect.stringContaining('--add') });
    expect(await rowsOf(`SELECT fingerprint FROM keys WHERE contact_id = (${CONTACT})`, newcomer)).toEqual([
      { fingerprint: 'NEW' },
    ]);
  });
});

describe('a contact who becomes a user', () => {
  beforeEach(() => json('domain', 'add', contact.replace(/.*@/, '')));

  it('gets the key that is imported meanwhile', async () => {
    expect(await during(importKey(), 'user', 'add', contact)).toMatchObject({ code: 0 });
    const rows = await rowsOf(`SELECT fingerprint FROM keys WHERE user_id = (${USER})`, contact);
    expect(rows).toHaveLength(2);
  });

  it('has an address where the contact is forgotten meanwhile', async () => {
    expect(await during(removeContact(), 'user', 'add', contact)).toMatchObject({ code: 0 });
    expect(await json('user', 'show', contact)).toMatchObject({ address: contact, keys: [] });
  });
});

describe('who is overtaken is told so, and what helps:', () => {
  const overtaken = {
    code: 1,
    err: 'sealpost: another command changed the same address, user or key at this very moment; run this command again to see what is there now\n',
  };

  it('a rename to an address that is being taken', async () => {
    const other = `INSERT INTO addresses (address, domain, kind) VALUES ('al@' || $1, $1, 'alias')`;
    expect(await during([[other, domain]], 'user', 'rename', user, `al@${domain}`)).toMatchObject(overtaken);
    expect(await trial.sealpost('user', 'rename', user, `al@${domain}`)).toMatchObject({
      code: 1,
      err: expect.stringContaining(`al@${domain} is taken by an alias`),
    });
  });

  it('a token for a user who is being removed', async () => {
    const other = `DELETE FROM users WHERE id = (${USER})`;
    expect(await during([[other, user]], 'token', 'add', user)).toMatchObject(overtaken);
  });
});

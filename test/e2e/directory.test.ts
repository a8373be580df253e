// Directory and keys over a real PostgreSQL: commands as an administrator types them, what they leave in the database and its
// audit, and what a cached directory answers meanwhile.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerAlias } from '../../src/cli/alias.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import type { Config } from '../../src/config/schema.ts';
import { listenForChanges } from '../../src/database/notifications.ts';
import type { Database } from '../../src/database/open.ts';
import { createDirectory } from '../../src/directory/lookup.ts';
import { DirectoryUnavailable, type RecipientFacts } from '../../src/directory/types.ts';
import { importKeys } from '../../src/keys/store.ts';
import { openTrial, type Trial } from '../support/trial.ts';
import { curveKey, type Gpg, openGpg } from '../unit/keys/gpg.ts';

let trial: Trial;
let config: Config;
let database: Database;
let gpg: Gpg;

beforeAll(async () => {
  trial = await openTrial([registerDomain, registerUser, registerAlias, registerKey]);
  ({ config, database } = trial);
  gpg = openGpg();
  await sealpost('domain', 'add', 'example.org');
});

afterAll(async () => {
  await trial?.close();
  gpg?.close();
});

const sealpost = (...words: readonly string[]) => trial.sealpost(...words);
const json = (...words: readonly string[]) => trial.json(...words);
const file = (name: string, content: Uint8Array | string) => trial.file(name, content);

/** A user with a key made by gpg; returns the fingerprint. */
async function userWithKey(address: string): Promise<string> {
  await json('user', 'add', address);
  const fingerprint = gpg.make(curveKey({ address }));
  await json('key', 'import', file('key.pgp', gpg.exportKey(fingerprint)));
  return fingerprint;
}

async function recipient(path: string): Promise<RecipientFacts> {
  return createDirectory({ database, config }).recipient(path);
}

function fingerprintsOf({ resolution }: RecipientFacts): readonly string[] {
  const readers = 'readers' in resolution ? resolution.readers : [];
  return readers.flatMap((reader) =>
    reader.kind === 'outside' ? [] : reader.keys.map(({ fingerprint }) => fingerprint),
  );
}

async function audit(fingerprint: string): Promise<readonly unknown[]> {
  const { rows } = await database.pool.query(
    'SELECT event, status, source, revoked, actor FROM key_events WHERE fingerprint = $1 ORDER BY id',
    [fingerprint],
  );
  return rows;
}

describe('domains', () => {
  it('are added, listed, set and removed', async () => {
    expect(await json('domain', 'add', 'Bücher.example.')).toMatchObject({
      name: 'xn--bcher-kva.example',
      class: 'virtual',
      users: 0,
    });
    expect(
      await json(
        'domain',
        'set',
        'bücher.example',
        'class=relay',
        'style=inline',
        'transport=smtp:[10.0.0.1]',
      ),
    ).toMatchObject({
      class: 'relay',
      settings: { style: 'inline' },
      transport: 'smtp:[10.0.0.1]',
    });
    expect(await json('domain', 'set', 'bücher.example', 'style=', 'transport=')).toMatchObject({
      settings: {},
      transport: null,
    });
    const names = (await json('domain', 'list')) as { name: string }[];
    expect(names.map(({ name }) => name)).toEqual(['example.org', 'xn--bcher-kva.example']);
    expect(await json('domain', 'remove', 'bücher.example', '--yes')).toMatchObject({
      name: 'xn--bcher-kva.example',
    });
  });

  it('fold their local parts anew only where no two addresses become one', async () => {
    await json('domain', 'add', 'case.example');
    await json('domain', 'set', 'case.example', 'fold_local_part=off');
    await json('user', 'add', 'Max@case.example');
    await json('user', 'add', 'max@case.example');
    expect((await recipient('Max@case.example')).resolution).toMatchObject({ kind: 'user' });
    expect((await recipient('MAX@case.example')).resolution).toEqual({ kind: 'nobody' });
    expect(await sealpost('domain', 'set', 'case.example', 'fold_local_part=on')).toMatchObject({
      code: 1,
      err: expect.stringContaining('would be one address; remove or rename one of them first'),
    });
    await json('user', 'remove', 'max@case.example', '--yes');
    await json('domain', 'set', 'case.example', 'fold_local_part=on');
    expect((await recipient('MAX@case.example')).resolution).toMatchObject({
      kind: 'user',
      readers: [{ user: { address: 'max@case.example' } }],
    });
  });
});

describe('users', () => {
  it('are added, shown, set, renamed and removed', async () => {
    const added = await json('user', 'add', 'Ursula@Example.org', '--quota', '1GB');
    expect(added).toMatchObject({
      id: expect.any(Number),
      address: 'ursula@example.org',
      domain: 'example.org',
      status: 'active',
      settings: {},
      quota: 1e9,
      transport: null,
      keys: [],
    });
    const { id } = added as { id: number };
    await json('alias', 'add', 'bear@example.org', 'ursula@example.org', 'ursula+bear@example.org');
    const fingerprint = gpg.make(curveKey({ address: 'ursula@example.org' }));
    await json('key', 'import', file('u.asc', gpg.exportKey(fingerprint, '--armor')));
    expect(
      await json(
        'user',
        'set',
        'ursula@example.org',
        '--status',
        'disabled',
        '--quota',
        'none',
        'subject=hide',
      ),
    ).toMatchObject({
      status: 'disabled',
      quota: null,
      settings: { subject: 'hide' },
    });
    expect(await json('user', 'rename', 'ursula@example.org', 'ulla@example.org')).toMatchObject({
      id,
      address: 'ulla@example.org',
      keys: [fingerprint],
    });
    expect(await json('user', 'show', 'ulla@example.org')).toMatchObject({
      id,
      keys: [{ fingerprint, owner: 'ulla@example.org', state: 'usable' }],
    });
    expect(await json('user', 'show', `id_${id}@example.org`)).toMatchObject({ address: 'ulla@example.org' });
    expect(await json('alias', 'list', 'ulla@example.org')).toEqual([
      { address: 'bear@example.org', targets: ['ulla@example.org', 'ulla+bear@example.org'] },
      { address: 'ursula@example.org', targets: ['ulla@example.org'] },
    ]);
    expect(fingerprintsOf(await recipient('bear@example.org'))).toEqual([fingerprint]);
    expect(fingerprintsOf(await recipient(`id_${id}@example.org`))).toEqual([fingerprint]);
    expect(await json('user', 'remove', 'ulla@example.org', '--yes')).toMatchObject({
      removed_aliases: ['bear@example.org', 'ursula@example.org'],
    });
    expect((await recipient('bear@example.org')).resolution).toEqual({ kind: 'nobody' });
    expect((await audit(fingerprint)).at(-1)).toMatchObject({ event: 'removed' });
  });

  it('get the keys that were known for them as contacts', async () => {
    const fingerprint = gpg.make(curveKey({ address: 'later@new.example' }));
    await json('key', 'import', file('l.pgp', gpg.exportKey(fingerprint)), '--for', 'later@new.example');
    expect((await recipient('later@new.example')).resolution.kind).toBe('contact');
    await json('domain', 'add', 'new.example');
    expect(await json('user', 'add', 'later@new.example')).toMatchObject({ keys: [fingerprint] });
    expect((await recipient('later@new.example')).resolution.kind).toBe('user');
  });
});

describe('what cannot be is refused with the sentence and command that help:', () => {
  beforeAll(async () => {
    await json('user', 'add', 'taken@example.org');
    await json('alias', 'add', 'both@example.org', 'taken@example.org', 'out@outside.example');
  });

  const table: readonly (readonly [words: string, code: number, error: string | RegExp])[] = [
    ['domain add example.org', 1, 'the domain example.org is known already; see "sealpost domain list"'],
    ['domain add exa_mple..org', 1, 'found "exa_mple..org", expected a domain name such as example.org'],
    ['domain add [127.0.0.1]', 1, 'found "[127.0.0.1]", expected a domain name such as example.org'],
    [
      'domain set nowhere.example style=mime',
      1,
      'the domain nowhere.example is not known; add it with "sealpost domain add nowhere.example", see "sealpost domain list"',
    ],
    ['domain set example.org style=html', 2, 'style: found "html", expected mime or inline'],
    ['domain set example.org', 2, /missing required argument 'key=value'/],
    [
      'domain remove example.org',
      2,
      'this would remove the domain example.org and its keys; there is no terminal to ask on: add --yes',
    ],
    [
      'domain remove example.org --yes',
      1,
      /^the domain example\.org still has \d+ users? and \d+ alias(es)?; remove them first, see "sealpost user list" and "sealpost alias list"$/,
    ],
    [
      'user add someone@nowhere.example',
      1,
      'the domain nowhere.example is not known; add it first with "sealpost domain add nowhere.example"',
    ],
    [
      'user add Taken@example.org',
      1,
      /^taken@example\.org is taken by user \d+; see "sealpost user show taken@example\.org"$/,
    ],
    [
      'user add both@example.org',
      1,
      'both@example.org is taken by an alias; see "sealpost alias list both@example.org", or "sealpost alias remove both@example.org"',
    ],
    ['user add taken', 1, 'found "taken", expected an address such as alice@example.org'],
    [
      'user add @example.org',
      1,
      'found "@example.org", expected an address such as alice@example.org; "sealpost alias add" takes catch-alls',
    ],
    [
      'user add id_7@example.org',
      1,
      'id_7@example.org is reserved: id_NUMBER always means the user with that number; choose another address',
    ],
    ['user add other@example.org --quota big', 2, /^--quota: found "big", expected a size/],
    [
      'user show ghost@example.org',
      1,
      'there is no user ghost@example.org; add one with "sealpost user add ghost@example.org", see "sealpost user list"',
    ],
    [
      'user show both@example.org',
      1,
      'both@example.org is an alias, expected a user\'s own address; see "sealpost alias list both@example.org"',
    ],
    ['user set taken@example.org', 2, /^nothing to set; expected key=value, --status/],
    ['user set taken@example.org --status gone', 2, /Allowed choices are active, disabled/],
    ['user rename taken@example.org both@example.org', 1, /^both@example\.org is taken by an alias/],
    [
      'user remove taken@example.org',
      2,
      'this would remove the user taken@example.org with all keys; there is no terminal to ask on: add --yes',
    ],
    ['alias add taken@example.org out@outside.example', 1, /^taken@example\.org is taken by user \d+/],
    [
      'alias add x@nowhere.example out@outside.example',
      1,
      'the domain nowhere.example is not known; add it first with "sealpost domain add nowhere.example"',
    ],
    [
      'alias add x@example.org nonsense',
      1,
      'found "nonsense", expected an address such as alice@example.org',
    ],
    [
      'alias remove taken@example.org --yes',
      1,
      /^taken@example\.org is the address of user \d+, not an alias; see "sealpost user remove taken@example\.org"$/,
    ],
    [
      'alias remove ghost@example.org --yes',
      1,
      'there is no alias ghost@example.org; see "sealpost alias list"',
    ],
    ['key import /nonexistent', 1, /^cannot read \/nonexistent: ENOENT/],
    ['key show 0123456789ABCDEF', 1, /^found 16 hexadecimal digits, expected a full fingerprint of 40 or 64/],
    [
      'key show taken@example.org',
      1,
      'there is no key for taken@example.org; import one with "sealpost key import --for taken@example.org FILE"',
    ],
    ['key list ghost@example.org', 1, /^there is no user ghost@example\.org/],
    [`key disable ${'A'.repeat(40)}`, 1, `there is no key ${'A'.repeat(40)}; see "sealpost key list"`],
    [
      'key remove taken@example.org --yes',
      1,
      /^found the address "taken@example\.org", expected a full fingerprint/,
    ],
    ['nonsense', 2, /unknown command/],
  ];
  it.each(table)('%s: exit %i', async (words, code, error) => {
    const outcome = await sealpost(...words.split(' '));
    const message = outcome.err.replace(/^sealpost: /, '').trimEnd();
    if (typeof error === 'string') expect(message).toBe(error);
    else expect(message).toMatch(error);
    expect(outcome.code).toBe(code);
    expect(outcome.out).toBe('');
  });

  it('every command has --help with an example and --json', async () => {
    const verbs = {
      domain: ['add', 'list', 'set', 'remove'],
      user: ['add', 'list', 'show', 'set', 'rename', 'remove'],
      alias: ['add', 'list', 'remove'],
      key: ['import', 'list', 'show', 'export', 'disable', 'enable', 'remove'],
    };
    for (const [noun, commands] of Object.entries(verbs)) {
      for (const verb of commands) {
        const { code, out } = await sealpost(noun, verb, '--help');
        expect(code).toBe(0);
        expect(out).toContain(`$ sealpost ${noun} ${verb}`);
        expect(out).toContain('--json');
      }
    }
  });
});

describe('aliases', () => {
  it('take users, outside addresses, other aliases and catch-alls, and more targets later', async () => {
    await json('user', 'add', 'anna@example.org');
    expect(await json('alias', 'add', 'crew@example.org', 'anna@example.org', 'Out@Outside.example')).toEqual(
      {
        address: 'crew@example.org',
        targets: ['anna@example.org', 'Out@outside.example'],
      },
    );
    expect(await json('alias', 'add', 'crew@example.org', 'anna@example.org', 'two@outside.example')).toEqual(
      {
        address: 'crew@example.org',
        targets: ['anna@example.org', 'Out@outside.example', 'two@outside.example'],
      },
    );
    await json('domain', 'add', 'catch.example');
    await json('alias', 'add', '@catch.example', 'crew@example.org');
    const { resolution } = await recipient('anybody+x@catch.example');
    expect(resolution).toMatchObject({
      kind: 'alias',
      readers: [{ kind: 'user' }, { kind: 'outside', address: 'Out@outside.example' }, { kind: 'outside' }],
      via: ['@catch.example', 'crew@example.org'],
    });
    await json('alias', 'remove', '@catch.example', '--yes');
    expect((await recipient('anybody@catch.example')).resolution).toEqual({ kind: 'nobody' });
  });

  it('that loop are said to, and resolve to a loop', async () => {
    const first = await sealpost('alias', 'add', 'ping@example.org', 'pong@example.org');
    expect(first).toMatchObject({
      code: 0,
      err: expect.stringContaining('warning: nobody is at pong@example.org yet'),
    });
    await json('alias', 'add', 'pong@example.org', 'ping@example.org');
    expect((await recipient('ping@example.org')).resolution).toMatchObject({ kind: 'loop' });
  });
});

describe('key import', () => {
  it('binds a certificate to every user among its user IDs, and to nobody else', async () => {
    for (const address of ['mia@example.org', 'mia.m@example.org', 'ia@example.org'])
      await json('user', 'add', address);
    await json('alias', 'add', 'chief@example.org', 'mia@example.org');
    const key = gpg.make(curveKey({ address: 'Mia@example.org' }));
    for (const other of ['mia.m@EXAMPLE.ORG', 'chief@example.org', 'mia@home.example'])
      gpg.run(['--quick-add-uid', key, `M <${other}>`]);
    const [result] = (await json('key', 'import', file('m.pgp', gpg.exportKey(key)))) as {
      owners: string[];
    }[];
    expect(result).toMatchObject({ fingerprint: key, result: 'added' });
    expect([...(result?.owners ?? [])].sort()).toEqual(['mia.m@example.org', 'mia@example.org']);
    expect(fingerprintsOf(await recipient('ia@example.org'))).toEqual([]);
    const [shown] = (await json('key', 'list', 'mia@example.org')) as { user_ids: string[] }[];
    expect(shown?.user_ids.map((text) => /<(.*)>/.exec(text)?.[1]).sort()).toEqual([
      'Mia@example.org',
      'chief@example.org',
    ]);
  });

  it('refuses a certificate for nobody here', async () => {
    const key = gpg.make(curveKey({ address: 'stranger@outside.example' }));
    expect(await sealpost('key', 'import', file('s.pgp', gpg.exportKey(key)))).toMatchObject({
      code: 1,
      out: '',
      err: `sealpost: key ${key} names only stranger@outside.example, and expected is the address of a user; add the user with "sealpost user add ADDRESS", or say whom it is for with "sealpost key import --for ADDRESS"\n`,
    });
    expect(await audit(key)).toEqual([]);
  });

  it('takes --for a user of another address, an outside contact, and a domain', async () => {
    await json('user', 'add', 'nora@example.org');
    const key = gpg.make(curveKey({ address: 'nora@private.example' }));
    const upload = file('n.pgp', gpg.exportKey(key));
    for (const [owner, kind, named] of [
      ['nora@example.org', 'user', false],
      ['Nora@Private.example', 'contact', true],
      ['@example.org', 'domain', false],
    ] as const) {
      if (!named) {
        expect(await sealpost('key', 'import', upload, '--for', owner)).toMatchObject({
          code: 1,
          err: `sealpost: key ${key} names nora@private.example, and not ${owner}, whose mail only the holder of this key could read; if that is meant, say so with --yes\n`,
        });
        expect(await json('key', 'list', owner)).toEqual([]);
      }
      const yes = named ? [] : ['--yes'];
      expect(await json('key', 'import', upload, '--for', owner, ...yes)).toMatchObject([
        { result: 'added' },
      ]);
      expect(await json('key', 'list', owner)).toMatchObject([
        { fingerprint: key, owner_kind: kind, owner: owner.toLowerCase() },
      ]);
    }
    const nobody = await recipient('nobody-there@example.org');
    expect(nobody).toMatchObject({ resolution: { kind: 'nobody' }, domainKeys: [{ fingerprint: key }] });
    expect(fingerprintsOf(await recipient('nora@private.example'))).toEqual([key]);
    await json('key', 'remove', key, '--yes');
    expect((await recipient('nora@private.example')).resolution).toEqual({ kind: 'nobody' });
    const { rows } = await database.pool.query(
      "SELECT 1 FROM addresses WHERE address = 'nora@private.example'",
    );
    expect(rows).toEqual([]);
  });

  it('stores the good ones of an upload and says which are refused', async () => {
    await json('user', 'add', 'olga@example.org');
    const good = gpg.make(curveKey({ address: 'olga@example.org' }));
    const bad = gpg.make(['Key-Type: eddsa', 'Key-Curve: ed25519', 'Name-Email: olga@example.org']);
    const both = file('o.pgp', Buffer.concat([gpg.exportKey(bad), gpg.exportKey(good)]));
    const outcome = await sealpost('key', 'import', both);
    expect(outcome).toMatchObject({ code: 1, out: `added ${good} for olga@example.org\n` });
    expect(outcome.err).toContain(`key ${bad} cannot be encrypted to`);
    expect(outcome.err).toContain('1 of 2 keys were refused; the others are stored');
    expect(fingerprintsOf(await recipient('olga@example.org'))).toEqual([good]);
  });

  it('stores several device keys --for one user', async () => {
    await json('user', 'add', 'pia@example.org');
    const keys = ['phone', 'laptop'].map((name) =>
      gpg.make(curveKey({ name: `Pia ${name}`, address: 'pia@example.org' })),
    );
    await json(
      'key',
      'import',
      file('p.pgp', Buffer.concat(keys.map((key) => gpg.exportKey(key)))),
      '--for',
      'pia@example.org',
      '--add',
    );
    expect(fingerprintsOf(await recipient('pia@example.org'))).toEqual(keys);
  });

  it('wants to hear what a second key is: another device, or the new one', async () => {
    const first = await userWithKey('paul@example.org');
    const [second, third] = [1, 2].map(() => gpg.make(curveKey({ address: 'paul@example.org' })));
    if (second === undefined || third === undefined) throw new Error('no keys');
    const upload = file('p2.pgp', gpg.exportKey(second));
    for (const words of [[], ['--for', 'paul@example.org'], ['--yes']]) {
      expect(await sealpost('key', 'import', upload, ...words)).toMatchObject({
        code: 1,
        err: `sealpost: key ${second} is another one than ${first}, which paul@example.org has already; expected --add, which seals to all of them, or --replace, which removes what was there\n`,
      });
    }
    expect(fingerprintsOf(await recipient('paul@example.org'))).toEqual([first]);
    expect(await json('key', 'import', upload, '--add')).toMatchObject([{ result: 'added' }]);
    expect(fingerprintsOf(await recipient('paul@example.org'))).toEqual([first, second]);
    // A copy of a known one is no second key.
    expect(await json('key', 'import', upload)).toMatchObject([{ result: 'unchanged' }]);
    const next = file('p3.pgp', gpg.exportKey(third));
    expect((await sealpost('key', 'import', next, '--add', '--replace')).code).toBe(2);
    expect(await json('key', 'import', next, '--replace')).toMatchObject([{ result: 'added' }]);
    expect(fingerprintsOf(await recipient('paul@example.org'))).toEqual([third]);
  });

  it('takes an expired key of a user, says so loudly, and on_expired_key decides', async () => {
    await json('user', 'add', 'lena@example.org');
    const key = gpg.make(curveKey({ address: 'lena@example.org' }, '20200201T000000'), [
      '--faked-system-time',
      '20200101T000000!',
    ]);
    const good = await userWithKey('leo@example.org');
    const expired = gpg.exportKey(key);
    const upload = file('l.pgp', Buffer.concat([expired, gpg.exportKey(good)]));
    const outcome = await sealpost('key', 'import', upload);
    expect(outcome).toMatchObject({
      code: 0,
      out: `unchanged ${good} of leo@example.org\nadded EXPIRED ${key} for lena@example.org\n`,
      err: expect.stringContaining(`warning: key ${key} expired on 2020-02-01`),
    });
    expect(await json('key', 'list', 'lena@example.org')).toMatchObject([{ state: 'expired' }]);
    // It is no contact's, no domain's, and takes the place of no key that is good.
    for (const owner of ['friend@lena.example', '@example.org']) {
      expect(await sealpost('key', 'import', file('e.pgp', expired), '--for', owner, '--yes')).toMatchObject({
        code: 1,
        err: expect.stringContaining('expired on 2020-02-01'),
      });
    }
    expect((await recipient('friend@lena.example')).resolution).toEqual({ kind: 'nobody' });
    expect(
      await sealpost(
        'key',
        'import',
        file('e.pgp', expired),
        '--for',
        'leo@example.org',
        '--yes',
        '--replace',
      ),
    ).toMatchObject({ code: 1 });
    expect(fingerprintsOf(await recipient('leo@example.org'))).toEqual([good]);
  });

  it('never stores or prints a secret key', async () => {
    await json('user', 'add', 'quentin@example.org');
    const key = gpg.make(curveKey({ address: 'quentin@example.org' }));
    const secret = gpg.run(['--armor', '--export-secret-keys', key]).toString();
    const outcome = await sealpost(
      'key',
      'import',
      file('q.asc', secret),
      '--for',
      'quentin@example.org',
      '--json',
    );
    expect(outcome.code).toBe(1);
    expect(JSON.parse(outcome.out)).toMatchObject([{ result: 'refused', refusal: { code: 'secret key' } }]);
    for (const line of secret.split('\n').filter((text) => text.length > 40)) {
      expect(outcome.out + outcome.err).not.toContain(line);
    }
    const { rows } = await database.pool.query('SELECT 1 FROM keys WHERE fingerprint = $1', [key]);
    expect(rows).toEqual([]);
  });

  it('prints nothing of a user ID that would act on a terminal', async () => {
    await json('user', 'add', 'evi@example.org');
    const name = 'Evi\u001b[2J\u009b\u202e\nfingerprint  none';
    const { publicKey } = await generateKey({ userIDs: [{ name, email: 'evi@example.org' }] });
    const path = file('e.asc', publicKey);
    for (const words of [
      ['key', 'import', path, '--for', 'evi@example.org'],
      ['key', 'list', 'evi@example.org'],
      ['key', 'show', 'evi@example.org'],
    ]) {
      const { code, out } = await sealpost(...words);
      expect(code).toBe(0);
      expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
      expect(out).not.toMatch(/^fingerprint {2}none/m);
    }
    expect((await sealpost('key', 'show', 'evi@example.org')).out).toContain(
      'user ID      Evi?[2J???fingerprint  none <evi@example.org>',
    );
    expect(await json('key', 'list', 'evi@example.org')).toMatchObject([
      { user_ids: [`${name} <evi@example.org>`] },
    ]);
  });

  it('exports what gpg imports again', async () => {
    const key = await userWithKey('rosa@example.org');
    const { out } = await sealpost('key', 'export', 'rosa@example.org');
    const other = openGpg();
    try {
      other.run(['--import'], out);
      expect(other.run(['--list-keys', '--with-colons']).toString()).toContain(key);
    } finally {
      other.close();
    }
  });
});

describe('a known key', () => {
  it('learns from a copy, and an older copy undoes nothing', async () => {
    await json('user', 'add', 'sara@example.org');
    const key = gpg.make(curveKey({ address: 'sara@example.org' }), [
      '--faked-system-time',
      '20250101T000000!',
    ]);
    const old = file('old.pgp', gpg.exportKey(key));
    expect(await json('key', 'import', old)).toMatchObject([{ result: 'added' }]);
    expect(await json('key', 'import', old)).toMatchObject([{ result: 'unchanged', news: [] }]);
    gpg.run(['--faked-system-time', '20250201T000000!', '--quick-set-expire', key, '20900101T000000']);
    const renewed = file('renewed.pgp', gpg.exportKey(key));
    expect(await json('key', 'import', renewed)).toMatchObject([
      { result: 'merged', news: ['it expires on 2090-01-01'] },
    ]);
    expect(await json('key', 'import', old)).toMatchObject([{ result: 'unchanged' }]);
    expect(await json('key', 'show', key)).toMatchObject([{ expires: '2090-01-01T00:00:00Z' }]);
    gpg.run(['--command-fd', '0', '--edit-key', key], 'revkey\ny\n0\n\ny\nsave\n');
    const revoked = file('revoked.pgp', gpg.exportKey(key));
    expect(await json('key', 'import', revoked)).toMatchObject([
      { result: 'merged', news: ['the key is revoked'] },
    ]);
    expect(await json('key', 'import', old)).toMatchObject([{ result: 'unchanged' }]);
    expect(await json('key', 'list', 'sara@example.org')).toMatchObject([
      { state: 'revoked', revoked: true },
    ]);
    expect(await audit(key)).toMatchObject([
      { event: 'added', source: 'cli', revoked: false, actor: expect.stringMatching(/^cli:/) },
      { event: 'changed', revoked: false },
      { event: 'changed', revoked: true },
    ]);
    await json('user', 'add', 'tina@example.org');
    expect(await sealpost('key', 'import', old, '--for', 'tina@example.org')).toMatchObject({
      code: 1,
      err: `sealpost: key ${key} is revoked by its owner; ask for the key that replaces it\n`,
    });
  });

  it('is disabled, enabled and removed, and leaves a trace of it', async () => {
    const key = await userWithKey('uta@example.org');
    expect(await json('key', 'disable', key.toLowerCase())).toMatchObject([
      { state: 'disabled', owner: 'uta@example.org' },
    ]);
    expect((await recipient('uta@example.org')).resolution).toMatchObject({
      readers: [{ keys: [{ status: 'disabled' }] }],
    });
    expect(await json('key', 'enable', `0x${key}`)).toMatchObject([{ state: 'usable' }]);
    expect(await json('key', 'remove', key, '--yes')).toMatchObject([{ fingerprint: key }]);
    expect((await audit(key)).map((row) => (row as { event: string }).event)).toEqual([
      'added',
      'changed',
      'changed',
      'removed',
    ]);
  });

  it('that is disabled is not used again through a further owner', async () => {
    const key = await userWithKey('xaver@example.org');
    const upload = file('x.pgp', gpg.exportKey(key));
    await json('key', 'disable', key);
    const refused = {
      code: 1,
      err: `sealpost: key ${key} is disabled; use it again with "sealpost key enable ${key}", then import it once more\n`,
    };
    expect(await sealpost('key', 'import', upload, '--for', 'friend@xaver.example')).toMatchObject(refused);
    expect(await json('key', 'list', 'friend@xaver.example')).toEqual([]);
    expect(await json('key', 'import', upload)).toMatchObject([{ result: 'unchanged' }]);
    await json('key', 'enable', key);
    expect(await json('key', 'import', upload, '--for', 'friend@xaver.example', '--yes')).toMatchObject([
      { result: 'added', owners: ['xaver@example.org', 'friend@xaver.example'] },
    ]);
  });

  const options = (source: 'cli' | 'wkd' | 'autocrypt' | 'portal', address: string, replace = false) => ({
    policy: { allowSha1: false },
    delimiters: '+',
    source,
    actor: 'test:rank',
    now: Date.now(),
    for: address,
    replace,
  });

  it('of a weaker source comes neither instead of nor beside one of a stronger source', async () => {
    const strong = await userWithKey('vera@example.org');
    const weak = gpg.exportKey(gpg.make(curveKey({ address: 'vera@example.org' })));
    for (const replace of [false, true]) {
      const [result] = await importKeys(database, weak, options('autocrypt', 'vera@example.org', replace));
      expect(result).toMatchObject({ result: 'refused', refusal: { code: 'weaker source' } });
    }
    const [portal] = await importKeys(database, weak, options('portal', 'vera@example.org', true));
    expect(portal).toMatchObject({ result: 'refused' });
    expect(fingerprintsOf(await recipient('vera@example.org'))).toEqual([strong]);
  });

  it('raises its source and never lowers it', async () => {
    await json('user', 'add', 'wanda@example.org');
    const upload = gpg.exportKey(gpg.make(curveKey({ address: 'wanda@example.org' })));
    for (const source of ['wkd', 'cli', 'autocrypt'] as const)
      await importKeys(database, upload, options(source, 'wanda@example.org'));
    expect(await json('key', 'list', 'wanda@example.org')).toMatchObject([{ source: 'cli' }]);
  });

  it('that replaces is in place before the old one goes, and a bad one replaces nothing', async () => {
    const old = await userWithKey('xenia@example.org');
    const bad = gpg.exportKey(
      gpg.make(['Key-Type: eddsa', 'Key-Curve: ed25519', 'Name-Email: xenia@example.org']),
    );
    await importKeys(database, bad, options('cli', 'xenia@example.org', true));
    expect(fingerprintsOf(await recipient('xenia@example.org'))).toEqual([old]);
    const fresh = gpg.make(curveKey({ address: 'xenia@example.org' }));
    await importKeys(database, gpg.exportKey(fresh), options('cli', 'xenia@example.org', true));
    expect(fingerprintsOf(await recipient('xenia@example.org'))).toEqual([fresh]);
    const { rows } = await database.pool.query(
      'SELECT event, fingerprint FROM key_events WHERE fingerprint = ANY ($1) ORDER BY id DESC LIMIT 2',
      [[old, fresh]],
    );
    expect(rows).toEqual([
      { event: 'removed', fingerprint: old },
      { event: 'added', fingerprint: fresh },
    ]);
  });

  it('is stored once when two imports come at the same time', async () => {
    await json('user', 'add', 'yoko@example.org');
    const upload = gpg.exportKey(gpg.make(curveKey({ address: 'yoko@example.org' })));
    const results = await Promise.all(
      [1, 2, 3].map(() => importKeys(database, upload, options('cli', 'yoko@example.org'))),
    );
    expect(
      results
        .flat()
        .map(({ result }) => result)
        .sort(),
    ).toEqual(['added', 'unchanged', 'unchanged']);
  });
});

describe('the cached directory', () => {
  it('follows changes by other connections within a second, found and not found alike', async () => {
    const directory = createDirectory({ database, config });
    const listener = await listenForChanges(config, {
      onChange: (change) => directory.invalidate(change),
      onLost: () => directory.watch(false),
      onRestored: () => directory.watch(true),
    });
    const soon = async (path: string, wanted: (facts: RecipientFacts) => boolean): Promise<void> => {
      const deadline = Date.now() + 1000;
      while (!wanted(await directory.recipient(path))) {
        if (Date.now() > deadline)
          throw new Error(`${path} is still ${JSON.stringify((await directory.recipient(path)).resolution)}`);
        await sleep(10);
      }
    };
    try {
      await soon(
        'zoe+x@fresh.example',
        ({ resolution, domain }) => resolution.kind === 'nobody' && domain === null,
      );
      await json('domain', 'add', 'fresh.example');
      await soon('zoe+x@fresh.example', ({ domain }) => domain !== null);
      await json('alias', 'add', '@fresh.example', 'out@outside.example');
      await soon('zoe+x@fresh.example', ({ resolution }) => resolution.kind === 'alias');
      await json('user', 'add', 'zoe@fresh.example');
      await soon('zoe+x@fresh.example', ({ resolution }) => resolution.kind === 'user');
      const key = gpg.make(curveKey({ address: 'zoe@fresh.example' }));
      await json('key', 'import', file('z.pgp', gpg.exportKey(key)));
      await soon('zoe+x@fresh.example', (facts) => fingerprintsOf(facts).includes(key));
      await json('user', 'set', 'zoe@fresh.example', 'style=inline');
      await soon('zoe+x@fresh.example', ({ resolution }) => JSON.stringify(resolution).includes('"inline"'));
      await json('domain', 'set', 'fresh.example', 'on_missing_key=reject');
      await soon('zoe+x@fresh.example', ({ domain }) => domain?.settings.on_missing_key === 'reject');
      await json('key', 'import', file('z.pgp', gpg.exportKey(key)), '--for', '@fresh.example');
      await soon('zoe+x@fresh.example', ({ domainKeys }) => domainKeys.length === 1);
      await json('user', 'add', 'zoe+x@fresh.example');
      await soon('zoe+x@fresh.example', (facts) => fingerprintsOf(facts).length === 0);
      await json('user', 'remove', 'zoe+x@fresh.example', '--yes');
      await soon('zoe+x@fresh.example', (facts) => fingerprintsOf(facts).includes(key));
      await json('user', 'rename', 'zoe@fresh.example', 'zora@fresh.example', '--drop-old');
      await soon('zoe+x@fresh.example', ({ resolution }) => resolution.kind === 'alias');
      await soon('friend@outside2.example', ({ resolution }) => resolution.kind === 'nobody');
      await json(
        'key',
        'import',
        file('z.pgp', gpg.exportKey(key)),
        '--for',
        'friend@outside2.example',
        '--yes',
      );
      await soon('friend@outside2.example', (facts) => fingerprintsOf(facts).includes(key));
      await json('key', 'disable', key);
      await soon('friend@outside2.example', ({ resolution }) =>
        JSON.stringify(resolution).includes('"disabled"'),
      );
      await json('key', 'remove', key, '--yes');
      await soon('friend@outside2.example', ({ resolution }) => resolution.kind === 'nobody');
    } finally {
      await listener.close();
    }
  });

  it('asks once for many look-ups at the same time and afterwards, but keeps nothing while nobody tells of changes', async () => {
    let queries = 0;
    const counted = {
      pool: {
        query: (...args: unknown[]) => {
          queries++;
          return (database.pool.query as (...all: unknown[]) => unknown)(...args);
        },
      } as unknown as Database['pool'],
    };
    const directory = createDirectory({ database: counted, config });
    await Promise.all(Array.from({ length: 100 }, () => directory.recipient('taken+a@example.org')));
    expect(queries).toBe(1);
    for (let index = 0; index < 1000; index++) await directory.recipient('taken+a@example.org');
    expect(queries).toBe(1);
    directory.watch(false);
    for (let index = 0; index < 3; index++) await directory.recipient('taken+a@example.org');
    expect(queries).toBe(4);
    directory.watch(true);
    for (let index = 0; index < 3; index++) await directory.recipient('taken+a@example.org');
    expect(queries).toBe(5);
  });

  it('asks twice at most for an alias of users', async () => {
    let queries = 0;
    const pool = {
      query: (...args: unknown[]) => {
        queries++;
        return (database.pool.query as (...all: unknown[]) => unknown)(...args);
      },
    } as unknown as Database['pool'];
    await createDirectory({ database: { pool }, config }).recipient('crew@example.org');
    expect(queries).toBe(2);
  });

  it('keeps no answer that was read before a change and arrives after it', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let queries = 0;
    const pool = {
      query: async (...args: unknown[]) => {
        queries++;
        const answer = await (database.pool.query as (...all: unknown[]) => Promise<unknown>)(...args);
        if (queries === 1) await held;
        return answer;
      },
    } as unknown as Database['pool'];
    const directory = createDirectory({ database: { pool }, config });
    const early = directory.recipient('changed@example.org');
    while (queries === 0) await sleep(1);
    await sleep(20);
    await json('user', 'add', 'changed@example.org');
    directory.invalidate({ table: 'addresses', key: 'changed@example.org' });
    const late = directory.recipient('changed@example.org');
    release();
    expect((await early).resolution.kind).toBe('nobody');
    expect((await late).resolution.kind).toBe('user');
    expect((await directory.recipient('changed@example.org')).resolution.kind).toBe('user');
  });

  it('says that it cannot know when the database is away, never "nobody", and answers when it is back', async () => {
    const directory = createDirectory({ database, config });
    const known = await directory.recipient('taken@example.org');
    const postmaster = postmasterPid(join(trial.folder, 'state'));
    process.kill(postmaster, 'SIGQUIT');
    while (isRunning(postmaster)) await sleep(1);
    const error = await directory.recipient('ghost@example.org').then(
      ({ resolution }) => resolution,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(DirectoryUnavailable);
    expect(await directory.recipient('taken@example.org')).toBe(known);
    const deadline = Date.now() + 20_000;
    for (;;) {
      const facts = await directory.recipient('ghost@example.org').catch(() => null);
      if (facts !== null) {
        expect(facts.resolution).toEqual({ kind: 'nobody' });
        break;
      }
      if (Date.now() > deadline) throw new Error('the database did not come back');
      await sleep(100);
    }
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The first line of postmaster.pid, wherever below the state folder the data are. */
function postmasterPid(below: string): number {
  for (const name of readdirSync(below)) {
    const path = join(below, name);
    if (name === 'postmaster.pid') return Number(readFileSync(path, 'utf8').split('\n')[0]);
    if (!statSync(path).isDirectory()) continue;
    try {
      return postmasterPid(path);
    } catch {
      // Not in this one.
    }
  }
  throw new Error(`no postmaster.pid below ${below}`);
}

// Moving in from composed installations of other programs: a report, the change, and a second run that changes nothing; then what
// becomes of a letter to each user.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PrivateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerAlias } from '../../src/cli/alias.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerExplain } from '../../src/cli/explain.ts';
import { registerImport } from '../../src/cli/import.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import { openAuthority } from '../support/authority.ts';
import { runProgram } from '../support/child.ts';
import type { GpgHome } from '../support/keys.ts';
import { type Letters, openLetters } from '../support/letters.ts';
import {
  armorOf,
  contents,
  fateOf,
  fingerprintOf,
  homeWith,
  importOf,
  keyFor,
  movesIn,
  sealedTo,
  told,
} from '../support/moving.ts';
import { skipWithout } from '../support/needs.ts';
import { openTrial, type Trial } from '../support/trial.ts';

let trial: Trial;
let letters: Letters;
const homes: GpgHome[] = [];
const authority = openAuthority();

beforeAll(async () => {
  trial = await openTrial([
    registerDomain,
    registerUser,
    registerAlias,
    registerKey,
    registerExplain,
    registerImport,
  ]);
  letters = await openLetters(trial);
});

afterAll(async () => {
  await letters?.close();
  for (const home of homes) await home.close();
  authority.close();
  await trial?.close();
});

async function home(...keys: readonly PrivateKey[]): Promise<GpgHome> {
  const made = await homeWith(keys);
  homes.push(made);
  return made;
}

/** A row of the tables of GPG-Mailgate and Lacre. */
async function sqlite(name: string, sql: string): Promise<string> {
  const path = join(trial.folder, name);
  const { code, stderr } = await runProgram('sqlite3', [path, sql]);
  if (code !== 0) throw new Error(stderr);
  return path;
}

describe('user add', () => {
  it('takes many addresses, all of them or none', async () => {
    await trial.json('domain', 'add', 'many.example');
    const added = (await trial.json('user', 'add', 'a@many.example', 'b@many.example')) as {
      address: string;
    }[];
    expect(added.map(({ address }) => address)).toEqual(['a@many.example', 'b@many.example']);
    const { code, err } = await trial.sealpost('user', 'add', 'c@many.example', 'a@many.example');
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringContaining('a@many.example is taken by user'),
    });
    expect((await trial.sealpost('user', 'show', 'c@many.example')).code).toBe(1);
  });
});

describe('GPG-Mailgate moves in', () => {
  it('with keymaps, domain keymaps, styles, two keys for one address, an expired one, certificates and a refused key', async () => {
    const [alice, second, mapped, everybody, lapsed, weak, outside] = await Promise.all([
      keyFor(['alice@gate.example']),
      keyFor(['alice@gate.example', 'private@elsewhere.example']),
      keyFor(['somebody@elsewhere.example']),
      keyFor(['office@elsewhere.example']),
      keyFor(['lapsed@gate.example'], { expired: true }),
      keyFor(['weak@gate.example'], { weak: true }),
      keyFor(['partner@partner.example']),
    ]);
    const { dir } = await home(alice, second, mapped, everybody, lapsed, weak, outside);
    const certificates = join(trial.folder, 'smime');
    mkdirSync(certificates);
    const dave = authority.issue('dave', {
      key: 'rsa:2048',
      extensions: ['subjectAltName=email:dave@gate.example'],
    });
    writeFileSync(join(certificates, 'dave@gate.example'), dave.pem);
    const config = trial.file(
      'gpg-mailgate.conf',
      [
        '[default]',
        'mime_conversion = yes',
        `[gpg]\nkeyhome = ${dir}`,
        `[smime]\ncert_path = ${certificates}`,
        '[enc_keymap]',
        `Mapped@gate.example = ${fingerprintOf(mapped).slice(-16)}`,
        'missing@gate.example = 0123456789ABCDEF',
        `[enc_domain_keymap]\ngate.example = ${fingerprintOf(everybody)}`,
        '[pgp_style]\nalice@gate.example = inline',
      ].join('\n'),
    );
    const report = await movesIn(trial, 'gpg-mailgate', '--config', config, '--domain', 'gate.example');
    expect(report.code).toBe(1);
    expect([...told(report, 'refused')].sort()).toEqual(
      [`key ${fingerprintOf(weak)}`, 'key missing@gate.example'].sort(),
    );
    expect(report.expired.map(({ owners }) => owners)).toEqual([['lapsed@gate.example']]);
    expect(report.several.map(({ address }) => address)).toEqual(['alice@gate.example']);
    expect(await fateOf(trial, 'alice@gate.example')).toEqual(sealedTo(alice, second));
    expect(await fateOf(trial, 'mapped@gate.example')).toEqual(sealedTo(mapped));
    expect(await fateOf(trial, 'stranger@gate.example')).toEqual(sealedTo(everybody));
    expect(await fateOf(trial, 'lapsed@gate.example')).toEqual(sealedTo(lapsed));
    expect((await fateOf(trial, 'dave@gate.example')).action).toBe('seal');
    expect(await fateOf(trial, 'partner@partner.example')).toEqual(sealedTo(outside));
    // Its own key was refused: the domain's is what seals its mail.
    expect(await fateOf(trial, 'weak@gate.example')).toEqual(sealedTo(everybody));
    const [shown] = (await trial.json('key', 'list', 'alice@gate.example')) as { source: string }[];
    expect(shown?.source).toBe('import');
    const user = (await trial.json('user', 'show', 'alice@gate.example')) as { settings: object };
    expect(user.settings).toEqual({ style: 'inline' });
    // Alice's is inline, and says so itself.
    for (const [address, ...secrets] of [
      ['alice@gate.example', alice, second],
      ['mapped@gate.example', mapped],
      ['lapsed@gate.example', lapsed],
      ['weak@gate.example', everybody],
      ['dave@gate.example'],
      ['missing@gate.example', everybody],
      ['stranger@gate.example', everybody],
      ['partner@partner.example', outside],
    ] as const)
      expect([address, await letters.to(address, ...secrets)]).toEqual([address, 'sealed']);
  });

  it('lets mail wait for whoever has no key but a refused one', async () => {
    const [weak, lapsed] = await Promise.all([
      keyFor(['weak@only.example'], { weak: true }),
      keyFor(['lapsed@only.example'], { expired: true }),
    ]);
    const { dir } = await home(weak, lapsed);
    const config = trial.file('only.conf', `[gpg]\nkeyhome = ${dir}\n`);
    const words = [
      'gpg-mailgate',
      '--config',
      config,
      '--domain',
      'only.example',
      '--expired',
      'refuse',
    ] as const;
    const report = await movesIn(trial, ...words);
    expect(report.code).toBe(1);
    expect([...told(report, 'changed')].sort()).toEqual([
      'setting lapsed@only.example',
      'setting weak@only.example',
    ]);
    for (const address of ['weak@only.example', 'lapsed@only.example']) {
      expect(await fateOf(trial, address)).toEqual({ action: 'defer', keys: [] });
      expect(await letters.to(address)).toBe('waits');
    }
  });

  it('lets mail wait for an outside address and for a domain whose only key is refused, until there is a good one', async () => {
    const [weak, ofAll, good] = await Promise.all([
      keyFor(['weak@elsewhere.example'], { weak: true }),
      keyFor(['office@elsewhere2.example'], { weak: true }),
      keyFor(['weak@elsewhere.example']),
    ]);
    const { dir } = await home(weak, ofAll);
    const config = trial.file(
      'kept.conf',
      `[gpg]\nkeyhome = ${dir}\n[enc_domain_keymap]\nkept.example = ${fingerprintOf(ofAll)}\n`,
    );
    const report = await movesIn(trial, 'gpg-mailgate', '--config', config, '--domain', 'kept.example');
    expect([...told(report, 'changed')].sort()).toEqual([
      'setting @kept.example',
      'setting office@elsewhere2.example',
      'setting weak@elsewhere.example',
    ]);
    for (const address of ['weak@elsewhere.example', 'anybody@kept.example'])
      expect([address, await letters.to(address)]).toEqual([address, 'waits']);
    const file = trial.file('good.asc', armorOf(good));
    await trial.json('key', 'import', file, '--for', 'weak@elsewhere.example', '--add');
    expect(await letters.to('weak@elsewhere.example', good)).toBe('sealed');
  });
});

describe('Lacre moves in', () => {
  it('with the confirmed rows of its database, and no others', async (context) => {
    skipWithout(context, 'sqlite3');
    const [alice, bob, eve] = await Promise.all(
      ['alice', 'bob', 'eve'].map((name) => keyFor([`${name}@lacre.example`])),
    );
    if (alice === undefined || bob === undefined || eve === undefined) throw new Error('no keys');
    const { dir } = await home(alice);
    await sqlite(
      'lacre.db',
      `CREATE TABLE lacre_keys (id INTEGER PRIMARY KEY, email VARCHAR(256), publickey TEXT, confirm VARCHAR(32), status INTEGER NOT NULL, time DATETIME);
       INSERT INTO lacre_keys (email, publickey, confirm, status) VALUES
         ('alice@lacre.example', '', '', 1), ('bob@lacre.example', '${armorOf(bob)}', '', 0),
         ('eve@lacre.example', '${armorOf(eve)}', 'c0ffee', 0), ('gone@lacre.example', '', '', 2);
       CREATE TABLE lacre_identities (email VARCHAR(256) NOT NULL, fingerprint VARCHAR(64) NOT NULL);
       INSERT INTO lacre_identities VALUES ('alice@lacre.example', '${fingerprintOf(alice)}'), ('office@lacre.example', '${fingerprintOf(alice)}');`,
    );
    const config = trial.file(
      'lacre.conf',
      `[gpg]\nkeyhome = ${dir}\n[database]\nenabled = yes\nurl = sqlite:///lacre.db\n`,
    );
    const report = await movesIn(trial, 'lacre', '--config', config, '--domain', 'lacre.example');
    expect(report.code).toBe(0);
    expect(await fateOf(trial, 'alice@lacre.example')).toEqual(sealedTo(alice));
    expect(await fateOf(trial, 'bob@lacre.example')).toEqual(sealedTo(bob));
    expect((await fateOf(trial, 'eve@lacre.example')).action).toBe('pass');
    expect(told(report, 'left')).toContain('key eve@lacre.example');
    // Her key does not name the office: Lacre's table of identities does.
    for (const [address, secret] of [
      ['alice@lacre.example', alice],
      ['bob@lacre.example', bob],
      ['office@lacre.example', alice],
    ] as const)
      expect([address, await letters.to(address, secret)]).toEqual([address, 'sealed']);
    expect(await letters.to('eve@lacre.example')).toBe('plaintext');
  });

  it('is refused by name where its database is another one', async (context) => {
    skipWithout(context, 'sqlite3');
    const { dir } = await home(await keyFor(['a@b.example']));
    await sqlite('other.db', 'CREATE TABLE something (id INTEGER PRIMARY KEY)');
    const config = trial.file(
      'other.conf',
      `[gpg]\nkeyhome = ${dir}\n[database]\nenabled = yes\nurl = sqlite:///other.db\n`,
    );
    const { code, err } = await trial.sealpost('import', 'lacre', '--config', config);
    expect(code).toBe(1);
    expect(err).toMatch(/other\.db is not known: there is none of the tables lacre_keys, gpgmw_keys/);
  });
});

describe('Zeyple moves in', () => {
  it('with every recipient of its GnuPG home; those whose domain is not ours become contacts', async () => {
    const [ours, theirs] = await Promise.all([
      keyFor(['zoe@zeyple.example']),
      keyFor(['admin@abroad.example']),
    ]);
    const { dir } = await home(ours, theirs);
    await trial.json('domain', 'add', 'zeyple.example');
    const config = trial.file(
      'zeyple.conf',
      `[zeyple]\nlog_file = /dev/null\nforce_encrypt = 1\n[gpg]\nhome = ${dir}\n`,
    );
    const report = await movesIn(trial, 'zeyple', '--config', config);
    expect(report.code).toBe(0);
    expect(await fateOf(trial, 'zoe@zeyple.example')).toEqual(sealedTo(ours));
    expect(await fateOf(trial, 'admin@abroad.example')).toEqual(sealedTo(theirs));
    expect(told(report, 'left')).toEqual(['setting force_encrypt']);
    expect(await letters.to('zoe@zeyple.example', ours)).toBe('sealed');
    expect(await letters.to('admin@abroad.example', theirs)).toBe('sealed');
  });

  it('is refused by name where the file is GPG-Mailgate’s', async () => {
    const config = trial.file('no-zeyple.conf', '[gpg]\nkeyhome = /nowhere\n');
    const { code, err } = await trial.sealpost('import', 'zeyple', '--config', config);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('is no configuration of Zeyple') });
  });
});

describe('a keyring moves in', () => {
  it('for the users whom its keys name, from a home, a file and a folder', async () => {
    const [one, two, three, nobody] = await Promise.all(
      ['one', 'two', 'three', 'nobody'].map((name) => keyFor([`${name}@ring.example`])),
    );
    if (one === undefined || two === undefined || three === undefined || nobody === undefined)
      throw new Error('no keys');
    await trial.json('domain', 'add', 'ring.example');
    for (const name of ['one', 'two', 'three']) await trial.json('user', 'add', `${name}@ring.example`);
    const { dir } = await home(one, nobody);
    const report = await movesIn(trial, 'keyring', `gnupg:${dir}`);
    expect(told(report, 'refused')).toEqual([`key ${fingerprintOf(nobody)}`]);
    await movesIn(trial, 'keyring', trial.file('two.asc', armorOf(two)));
    const folder = join(trial.folder, 'keys');
    mkdirSync(folder);
    writeFileSync(join(folder, 'three.asc'), armorOf(three));
    writeFileSync(join(folder, 'notes.txt'), 'not a key');
    const mixed = await movesIn(trial, 'keyring', folder);
    expect(mixed.rows.filter(({ outcome }) => outcome === 'refused').map(({ where }) => where)).toEqual([
      join(folder, 'notes.txt'),
    ]);
    for (const [name, key] of [
      ['one', one],
      ['two', two],
      ['three', three],
    ] as const)
      expect(await fateOf(trial, `${name}@ring.example`)).toEqual(sealedTo(key));
  });

  it('takes the revocation of a key that is known, and no older copy undoes it', async () => {
    const key = await keyFor(['revoked@ring.example']);
    await trial.json('user', 'add', 'revoked@ring.example');
    await movesIn(trial, 'keyring', trial.file('valid.asc', armorOf(key)));
    const { publicKey } = await (await import('openpgp')).revokeKey({ key, format: 'object' });
    const report = await importOf(trial, 'keyring', trial.file('revoked.asc', publicKey.armor()), '--apply');
    expect(told(report, 'changed')).toEqual([`key ${fingerprintOf(key)}`]);
    expect((await fateOf(trial, 'revoked@ring.example')).action).toBe('defer');
    await importOf(trial, 'keyring', trial.file('valid.asc', armorOf(key)), '--apply');
    expect((await fateOf(trial, 'revoked@ring.example')).action).toBe('defer');
  });
});

describe('leap_mx moves in', () => {
  it('with identities, aliases and their keys', async () => {
    const key = await keyFor(['lea@leap.example']);
    const identity = (address: string, destination: string | null, pgp?: string) => ({
      type: 'Identity',
      address,
      destination,
      user_id: destination === null ? null : 'f00',
      ...(pgp === undefined ? {} : { keys: { pgp } }),
    });
    const docs = [
      { _id: '_design/Identity', views: {} },
      { _id: 'a', ...identity('lea@leap.example', 'lea@leap.example', armorOf(key)) },
      { _id: 'b', ...identity('info@leap.example', 'lea@leap.example') },
      { _id: 'c', ...identity('blocked@leap.example', null) },
    ];
    const rows = docs.map((doc) => JSON.stringify({ id: doc._id, key: doc._id, value: { rev: '1-a' }, doc }));
    const file = trial.file(
      'identities.json',
      `{"total_rows":4,"offset":0,"rows":[\r\n${rows.join(',\r\n')}\r\n]}\n`,
    );
    const report = await movesIn(trial, 'leap-mx', file);
    expect(report.code).toBe(0);
    expect(await fateOf(trial, 'lea@leap.example')).toEqual(sealedTo(key));
    expect(await fateOf(trial, 'info@leap.example')).toEqual(sealedTo(key));
    for (const address of ['lea@leap.example', 'info@leap.example'])
      expect([address, await letters.to(address, key)]).toEqual([address, 'sealed']);
    expect(told(report, 'left')).toEqual(['user blocked@leap.example']);
  });
});

describe('a CSV file moves in', () => {
  it('with quota, status, settings and key files; every refused row is named with its line', async () => {
    const key = await keyFor(['carla@csv.example']);
    trial.file('carla.asc', armorOf(key));
    const file = trial.file(
      'users.csv',
      [
        'address,name,quota,status,key file,settings',
        'carla@csv.example,Carla,1GB,active,carla.asc,style=inline subject=hide',
        '"paul@csv.example","Paul, who has a comma",none,disabled,,',
        'not an address,,,,,',
        'quentin@csv.example,,lots,,,',
        'nokey@csv.example,,,,missing.asc,',
      ].join('\n'),
    );
    const report = await movesIn(trial, 'csv', file);
    expect(report.code).toBe(1);
    const refused = report.rows.filter(({ outcome }) => outcome === 'refused');
    expect(refused.map(({ where, because }) => [where, because])).toEqual([
      [`${file}:5`, expect.stringContaining('expected a size')],
      [`${file}:6`, expect.stringContaining('is not there')],
      [`${file}:4`, expect.stringContaining('expected an address')],
    ]);
    expect(await fateOf(trial, 'carla@csv.example')).toEqual(sealedTo(key));
    expect(await trial.json('user', 'show', 'paul@csv.example')).toMatchObject({
      status: 'disabled',
      quota: null,
    });
    expect(await trial.json('user', 'show', 'carla@csv.example')).toMatchObject({
      quota: 1_000_000_000,
      settings: { style: 'inline', subject: 'hide' },
    });
  });

  it('lists what has gone from it, disables it only with --remove, and refuses more than 5 % at once', async () => {
    const lines = Array.from({ length: 40 }, (_, index) => `u${index}@gone.example`);
    const file = trial.file('gone.csv', ['address', ...lines].join('\n'));
    await importOf(trial, 'csv', file, '--apply');
    trial.file('gone.csv', ['address', ...lines.slice(1)].join('\n'));
    expect(told(await importOf(trial, 'csv', file, '--apply'), 'gone')).toEqual(['user u0@gone.example']);
    expect(await trial.json('user', 'show', 'u0@gone.example')).toMatchObject({ status: 'active' });
    expect(told(await importOf(trial, 'csv', file, '--apply', '--remove'), 'disabled')).toEqual([
      'user u0@gone.example',
    ]);
    expect(await trial.json('user', 'show', 'u0@gone.example')).toMatchObject({ status: 'disabled' });
    trial.file('gone.csv', ['address', ...lines.slice(0, 20)].join('\n'));
    const before = await contents(trial);
    const { code, err } = await trial.sealpost('import', 'csv', file, '--apply', '--remove');
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('more than 5 % at once') });
    expect(await contents(trial)).toEqual(before);
    const all = await importOf(trial, 'csv', file, '--apply', '--remove', '--yes');
    expect(all.counts.user?.disabled).toBe(20);
  });

  it('gives a contact’s key to the user that it becomes, and a user to the alias that led there', async () => {
    const key = await keyFor(['later@late.example']);
    await trial.json('key', 'import', trial.file('later.asc', armorOf(key)), '--for', 'later@late.example');
    const file = trial.file('late.csv', 'address\nlater@late.example\nother@late.example');
    await movesIn(trial, 'csv', file);
    expect(await fateOf(trial, 'later@late.example')).toEqual(sealedTo(key));
    await trial.json('alias', 'add', 'to@late.example', 'new@late.example');
    trial.file('late.csv', 'address\nlater@late.example\nother@late.example\nnew@late.example');
    await movesIn(trial, 'csv', file);
    await trial.json('user', 'rename', 'new@late.example', 'newer@late.example', '--drop-old');
    const [alias] = (await trial.json('alias', 'list', 'to@late.example')) as { targets: string[] }[];
    expect(alias?.targets).toEqual(['newer@late.example']);
    // Renamed here, it is the same user to the source still.
    expect((await importOf(trial, 'csv', file, '--apply')).counts.user).toEqual({ same: 3 });
  });
});

describe('a plain Postfix moves in', () => {
  it('with mailboxes, aliases, /etc/aliases and its domains', async (context) => {
    skipWithout(context, 'postfix');
    const folder = join(trial.folder, 'postfix');
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    const write = async (name: string, text: string): Promise<string> => {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    };
    await write('main.cf', '');
    const tables = {
      mailboxes: await write('mailboxes', 'pia@plain.example plain/pia/\nquinn@plain.example plain/quinn/\n'),
      virtual: await write(
        'virtual',
        'info@plain.example pia@plain.example, quinn@plain.example\npia@plain.example pia@plain.example, copy@abroad.example\n',
      ),
      aliases: await write('aliases', 'postmaster: pia@plain.example\nprog: "|/usr/bin/procmail"\n'),
    };
    for (const table of [tables.mailboxes, tables.virtual])
      expect((await runProgram('/usr/sbin/postmap', ['-c', folder, `hash:${table}`])).code).toBe(0);
    expect((await runProgram('/usr/sbin/postalias', ['-c', folder, `hash:${tables.aliases}`])).code).toBe(0);
    await write(
      'main.cf',
      [
        'compatibility_level = 3.6',
        'myhostname = mx.plainhost.example',
        'myorigin = $myhostname',
        'mydestination = $myhostname, localhost',
        'virtual_mailbox_domains = plain.example',
        `virtual_mailbox_maps = hash:${tables.mailboxes}`,
        'virtual_transport = lmtp:unix:private/dovecot-lmtp',
        `virtual_alias_maps = hash:${tables.virtual} regexp:/etc/postfix/odd`,
        'virtual_alias_domains =',
        'relay_domains = relayed.example',
        `alias_maps = hash:${tables.aliases}`,
      ].join('\n'),
    );
    // She had handed over her key before her mailbox moved in.
    const pia = await keyFor(['pia@plain.example']);
    await trial.json('key', 'import', trial.file('pia.asc', armorOf(pia)), '--for', 'pia@plain.example');
    expect(await letters.to('pia@plain.example', pia)).toBe('sealed');
    const report = await movesIn(trial, 'postfix', '--config-dir', folder);
    expect(report.code).toBe(1);
    expect(told(report, 'refused')).toEqual(['setting virtual_alias_maps']);
    expect(told(report, 'left')).toEqual(['alias prog@mx.plainhost.example']);
    const domains = (await trial.json('domain', 'list')) as {
      name: string;
      class: string;
      local: boolean;
      other_names: string[];
    }[];
    const of = (name: string) => domains.find((domain) => domain.name === name);
    expect(of('relayed.example')?.class).toBe('relay');
    expect(of('mx.plainhost.example')).toMatchObject({ local: true, other_names: ['localhost'] });
    expect(await trial.json('user', 'show', 'pia@plain.example')).toMatchObject({
      forwards: ['copy@abroad.example'],
    });
    expect(await trial.json('alias', 'list', 'info@plain.example')).toEqual([
      { address: 'info@plain.example', targets: ['pia@plain.example', 'quinn@plain.example'] },
    ]);
    expect(await trial.json('alias', 'list', 'postmaster@mx.plainhost.example')).toMatchObject([
      { targets: ['pia@plain.example'] },
    ]);
    for (const address of ['pia@plain.example', 'postmaster@mx.plainhost.example', 'postmaster@localhost'])
      expect([address, await letters.to(address, pia)]).toEqual([address, 'sealed']);
    expect(await letters.to('quinn@plain.example')).toBe('plaintext');
  });
});

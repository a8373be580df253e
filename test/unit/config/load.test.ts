// Where the configuration is looked for, what the environment overrides, and what the loaded values look like.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isForeign } from '../../../src/config/find-file.ts';
import { type LoadOptions, loadConfig } from '../../../src/config/load.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealpost-config-'));
  for (const name of ['cwd', 'named', 'system', 'explicit']) mkdirSync(join(folder, name));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a file below the test's folder and gives its path. */
function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Loads with the test's own cwd and system file, and an empty environment. */
function load(options: LoadOptions = {}) {
  return loadConfig({
    cwd: join(folder, 'cwd'),
    env: {},
    systemFile: join(folder, 'system', 'sealpost.toml'),
    uid: 1000,
    ...options,
  });
}

describe('the file is looked for', () => {
  test('in --config, then $SEALPOST_CONFIG, then ./sealpost.toml, then the system folder, else the defaults hold', () => {
    const explicit = write('explicit/a.toml', 'hostname = "explicit"');
    const named = write('named/b.toml', 'hostname = "named"');
    const local = write('cwd/sealpost.toml', 'hostname = "local"');
    const system = write('system/sealpost.toml', 'hostname = "system"');
    const env = { SEALPOST_CONFIG: named };

    expect(load({ path: explicit, env })).toMatchObject({ path: explicit, config: { hostname: 'explicit' } });
    expect(load({ env })).toMatchObject({ path: named, config: { hostname: 'named' } });
    expect(load()).toMatchObject({ path: local, config: { hostname: 'local' } });
    rmSync(local);
    expect(load()).toMatchObject({ path: system, config: { hostname: 'system' } });
    rmSync(system);
    expect(load()).toMatchObject({
      path: null,
      keysSet: 0,
      config: { filter: { bare_newline: 'normalise' } },
    });
  });

  test('by root in the system folder first, so that where it stands changes nothing', () => {
    const local = write('cwd/sealpost.toml', 'hostname = "local"');
    const system = write('system/sealpost.toml', 'hostname = "system"');
    expect(load({ uid: 0 })).toMatchObject({ path: system, config: { hostname: 'system' } });
    // As is a file that could not be trusted.
    chmodSync(join(folder, 'cwd'), 0o777);
    expect(load({ uid: 0 }).path).toBe(system);
    expect(load().path).toBe(local);
  });

  test.each([
    ['lies in a folder that everybody can write to', 'cwd', 0o777],
    ['lies in a folder as /tmp', 'cwd', 0o1777],
    ['is one that everybody can write to', 'cwd/sealpost.toml', 0o666],
  ])('by root never as ./sealpost.toml where that %s', (_how, changed, mode) => {
    const local = write('cwd/sealpost.toml', 'hostname = "local"');
    chmodSync(join(folder, changed), mode);
    expect(() => load({ uid: 0 })).toThrow(`${local}: found a file`);
    expect(() => load({ uid: 0 })).toThrow('root looks in /etc/sealpost first, and --config names any other');
    // Named, it is the caller's own choice.
    expect(load({ uid: 0, path: local }).path).toBe(local);
    expect(load({ uid: 0, env: { SEALPOST_CONFIG: local } }).path).toBe(local);
  });

  test('by root as nothing else where there is none at all', () => {
    chmodSync(join(folder, 'cwd'), 0o777);
    expect(load({ uid: 0 }).path).toBeNull();
  });

  test.each([
    [
      "root's own file in root's own folder",
      { uid: 0, gid: 0, mode: 0o640 },
      { uid: 0, gid: 0, mode: 0o755 },
      false,
    ],
    ["with root's group", { uid: 0, gid: 0, mode: 0o660 }, { uid: 0, gid: 0, mode: 0o775 }, false],
    ["another user's file", { uid: 1000, gid: 0, mode: 0o640 }, { uid: 0, gid: 0, mode: 0o755 }, true],
    ["another user's folder", { uid: 0, gid: 0, mode: 0o640 }, { uid: 1000, gid: 0, mode: 0o755 }, true],
    ['a file for a group', { uid: 0, gid: 50, mode: 0o660 }, { uid: 0, gid: 0, mode: 0o755 }, true],
    ['a folder for a group', { uid: 0, gid: 0, mode: 0o640 }, { uid: 0, gid: 50, mode: 0o775 }, true],
    [
      'a file that a group may read',
      { uid: 0, gid: 50, mode: 0o640 },
      { uid: 0, gid: 50, mode: 0o755 },
      false,
    ],
    ['a folder for all', { uid: 0, gid: 0, mode: 0o640 }, { uid: 0, gid: 0, mode: 0o1777 }, true],
  ])('and may have been put there by somebody else: %s', (_name, file, directory, foreign) => {
    expect(isForeign(file, directory)).toBe(foreign);
  });

  test('relative to cwd when its path is relative', () => {
    const path = write('explicit/a.toml', 'hostname = "explicit"');
    expect(load({ path: '../explicit/a.toml' }).path).toBe(path);
    expect(load({ env: { SEALPOST_CONFIG: '../explicit/a.toml' } }).path).toBe(path);
  });

  test('nowhere else when $SEALPOST_CONFIG names a file that is missing', () => {
    write('cwd/sealpost.toml', 'hostname = "local"');
    const missing = join(folder, 'named', 'none.toml');
    expect(() => load({ env: { SEALPOST_CONFIG: missing } })).toThrow(
      `${missing}: found no such file; expected an existing file in $SEALPOST_CONFIG`,
    );
  });

  test('as if $SEALPOST_CONFIG were not set when it is empty', () => {
    expect(load({ env: { SEALPOST_CONFIG: '' } }).path).toBeNull();
  });
});

test.each([
  ['/var/lib/sealpost', '/var/lib/sealpost'],
  ['/var/lib/sealpost:/var/lib/other', '/var/lib/sealpost'],
])('the state is where systemd says: %s', async (given, expected) => {
  vi.stubEnv('STATE_DIRECTORY', given);
  vi.resetModules();
  try {
    const { configSchema } = await import('../../../src/config/schema.ts');
    expect(configSchema.parse({}).state_dir).toBe(expected);
  } finally {
    vi.unstubAllEnvs();
    vi.resetModules();
  }
});

describe('the database URL', () => {
  const url = 'postgres://mail:pw@db.example.org/mail';

  test('of the environment wins over the one of the file, which need not even be right', () => {
    const path = write(
      'explicit/a.toml',
      '[database]\nurl = "nonsense"\nread_url = "nonsense"\npool_size = 3',
    );
    const env = { SEALPOST_DATABASE_URL: url, SEALPOST_DATABASE_READ_URL: `${url}2` };
    expect(load({ path, env }).config.database).toMatchObject({ url, read_url: `${url}2`, pool_size: 3 });
  });

  test.each(['\n', '\r\n', '', '\n\n', '\n# rotated on Monday\n'])(
    'is the first line of a secret file, which ends %j',
    (end) => {
      const secret = write('named/secret', `${url}${end}`);
      expect(load({ env: { SEALPOST_DATABASE_URL_FILE: secret } }).config.database.url).toBe(url);
    },
  );

  test('is refused when it is given twice, in a missing file, or in an empty one', () => {
    const empty = write('named/secret', '\n');
    const missing = join(folder, 'named', 'none');
    expect(() => load({ env: { SEALPOST_DATABASE_URL: url, SEALPOST_DATABASE_URL_FILE: empty } })).toThrow(
      'environment: SEALPOST_DATABASE_URL: found both SEALPOST_DATABASE_URL and SEALPOST_DATABASE_URL_FILE; expected one of them',
    );
    expect(() => load({ env: { SEALPOST_DATABASE_URL_FILE: missing } })).toThrow(
      `environment: SEALPOST_DATABASE_URL_FILE: found "${missing}", no such file; expected a readable file that holds the URL`,
    );
    expect(() => load({ env: { SEALPOST_DATABASE_READ_URL_FILE: empty } })).toThrow(
      `environment: SEALPOST_DATABASE_READ_URL_FILE: found no text in the first line of ${empty}; expected a file that holds the URL`,
    );
  });

  test.each([
    'postgres://mail@db.example.org/mail',
    'postgresql://mail:p%23w@[::1]:5433/mail?sslmode=require',
    'postgres:///mail?host=/run/postgresql',
    'postgres://mail@/mail?host=/run/postgresql',
    'postgres://mail@%2Frun%2Fpostgresql/mail',
    'embedded:',
  ])('may be %s', (text) => {
    expect(load({ env: { SEALPOST_DATABASE_URL: text } }).config.database.url).toBe(text);
  });
});

describe('the loaded configuration', () => {
  test('has state_dir, spool and smime.trust relative to the folder of the file, or to cwd without one', () => {
    const path = write(
      'explicit/a.toml',
      'state_dir = "state"\n[receiver]\nspool = ["in", "/var/spool/mail-in"]',
    );
    const loaded = load({ path });
    expect(loaded.stateDir).toBe(join(folder, 'explicit', 'state'));
    expect(loaded.config.state_dir).toBe(loaded.stateDir);
    expect(loaded.config.receiver.spool).toEqual([join(folder, 'explicit', 'in'), '/var/spool/mail-in']);
    const trust = write('explicit/b.toml', '[smime]\ntrust = ["system", "ca.pem", "/etc/ca.pem"]');
    expect(load({ path: trust }).config.smime.trust).toEqual([
      'system',
      join(folder, 'explicit', 'ca.pem'),
      '/etc/ca.pem',
    ]);
    const without = load().config.state_dir;
    expect(['/var/lib/sealpost', join(folder, 'cwd', '.sealpost')]).toContain(without);
  });

  test('gives a listener without a name its protocol, and a number where that is taken', () => {
    const listener = (protocol: string, port: number, name = '') =>
      `[[filter.listen]]\nprotocol = "${protocol}"\naddress = "127.0.0.1:${port}"\n${name}\n`;
    const path = write(
      'explicit/a.toml',
      listener('lmtp', 11) +
        listener('lmtp', 12) +
        listener('smtp', 13) +
        listener('smtp', 14, 'name = "lmtp-2"'),
    );
    const { filter } = load({ path }).config;
    expect(filter.listen.map((entry) => entry.name)).toEqual(['lmtp', 'lmtp-3', 'smtp', 'lmtp-2']);
  });

  test('holds bytes, milliseconds and parsed addresses', () => {
    const path = write(
      'explicit/a.toml',
      [
        '[filter]\nmax_message_size = "1.5 MiB"\nidle_timeout = "2m"\nnext_hop = "lmtp:unix:/run/dovecot/lmtp"',
        '[encryption]\nencrypt = "off"',
        '[policy.tcp]\nvirtual_alias = ""\ntransport = "unix:/run/sealpost/transport"',
        '[receiver]\nlisten = "[::1]:10034"',
        '[observe]\nlisten = ""',
      ].join('\n'),
    );
    const { config, keysSet } = load({ path });
    expect(config.filter).toMatchObject({
      max_message_size: 1_572_864,
      idle_timeout: 120_000,
      next_hop: { protocol: 'lmtp', endpoint: { kind: 'unix', path: '/run/dovecot/lmtp' } },
    });
    expect(config.encryption.encrypt).toBe(false);
    expect(config.policy.tcp).toMatchObject({
      check_recipient: { kind: 'inet', host: '127.0.0.1', port: 2244 },
      virtual_alias: null,
      transport: { kind: 'unix', path: '/run/sealpost/transport' },
    });
    expect(config.receiver.listen).toEqual([{ kind: 'inet', host: '::1', port: 10_034 }]);
    expect(config.receiver.api.listen).toBeNull();
    expect(config.observe.listen).toBeNull();
    expect(keysSet).toBe(8);
  });

  test.each(['0', ' 0 ', '0s', '0d'])('keeps no events where trace.keep is %o', (keep) => {
    expect(load({ path: write('explicit/a.toml', `[trace]\nkeep = "${keep}"`) }).config.trace.keep).toBe(0);
  });

  test('may start with a byte order mark', () => {
    const path = write('explicit/a.toml', '\ufeffhostname = "mx1"');
    expect(load({ path }).config.hostname).toBe('mx1');
  });
});

describe('a warning is given', () => {
  test('for settings that work, but are probably not what was meant', () => {
    const path = write(
      'explicit/a.toml',
      [
        '[filter]\nmemory_budget = "1MB"\nduplicate_lifetime = "1d"',
        '[[filter.listen]]\nprotocol = "lmtp"\naddress = "127.0.0.1:2525"\nbefore_queue = true',
      ].join('\n'),
    );
    expect(load({ path }).warnings).toEqual([
      'policy.socketmap.listen: found "127.0.0.1:2525"; expected another address than filter.listen[0].address = "127.0.0.1:2525"',
      'filter.memory_budget is below filter.max_message_size: a message above the budget is taken only while nothing else is in flight',
      "filter.duplicate_lifetime is below 5d, Postfix's maximal_queue_lifetime: a late retry could deliver a second time",
      "filter.listen[0].before_queue is set on an LMTP listener, but Postfix's smtpd_proxy_filter speaks SMTP",
    ]);
  });

  test('for a file that everybody may read and that holds a database password', () => {
    const path = write('explicit/a.toml', '[database]\nurl = "postgres://mail:pw@db.example.org/mail"');
    chmodSync(path, 0o644);
    expect(load({ path }).warnings).toEqual([
      `${path} holds a database password and is readable by everybody: chmod o-r, or use SEALPOST_DATABASE_URL_FILE`,
    ]);
    chmodSync(path, 0o640);
    expect(load({ path }).warnings).toEqual([]);
  });

  test('for none of the defaults', () => {
    expect(load().warnings).toEqual([]);
  });
});

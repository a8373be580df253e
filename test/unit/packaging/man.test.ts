// The manual pages and systemd units against the programs that they describe.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { HELP, parsePipeArguments } from '../../../filters/pipe/arguments.ts';
import { SYSEXITS } from '../../../filters/pipe/outcome.ts';
import { TOML_PAGE, tomlPage } from '../../../packaging/man/toml-page.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { parseDuration } from '../../../src/config/units.ts';
import { skipWithout } from '../../support/needs.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const pages = ['sealpost.1', 'sealpost-pipe.8', 'sealpost-pull.1', 'sealpost.toml.5'];

describe('the manual pages', () => {
  it('describe the configuration as the schema has it (else run: npx tsx packaging/man/toml-page.ts)', () => {
    expect(readFileSync(TOML_PAGE, 'utf8')).toBe(tomlPage());
  });

  it('name every command', () => {
    const sources = readdirSync(join(root, 'src/cli')).map((name) => read(`src/cli/${name}`));
    const commands = sources.flatMap((source) =>
      [...source.matchAll(/program\s*\.command\(\s*'([a-z]+)/g)].map((match) => match[1] ?? ''),
    );
    expect(commands).toEqual(expect.arrayContaining(['init', 'serve', 'migrate', 'config', 'status']));
    for (const command of commands)
      expect(read('packaging/man/sealpost.1')).toMatch(new RegExp(`^\\.It Cm ${command}\\b`, 'm'));
  });

  it('name every option of every command, and every variable of the environment', () => {
    const page = read('packaging/man/sealpost.1');
    const folder = readdirSync(join(root, 'src/cli')).map((name) => read(`src/cli/${name}`));
    // `pull` has its options from the client.
    folder.push(read('client/command.ts'));
    const options = [
      ...folder.join('').matchAll(/(?:\.option|\.requiredOption|new Option)\(\s*'--([a-z-]+)/g),
    ].map((match) => match[1] ?? '');
    expect(options).toEqual(
      expect.arrayContaining(['yes', 'status', 'quota-messages', 'token-file', 'server']),
    );
    for (const option of options) expect(page).toMatch(new RegExp(`\\bFl -${option}\\b(?!-)`));
    for (const name of ['', 'READ_'].flatMap((which) => [
      `DATABASE_${which}URL`,
      `DATABASE_${which}URL_FILE`,
    ]))
      expect(page).toMatch(new RegExp(`^\\.It Ev (?:.* )?SEALPOST_${name}(?: |$)`, 'm'));
  });

  it('name every exit code of sealpost-pipe, and the master.cf entry of its --help', () => {
    const page = read('packaging/man/sealpost-pipe.8');
    for (const code of Object.values(SYSEXITS)) expect(page).toContain(`\n.It ${code}\n`);
    const entry = HELP.split('\n').filter((line) => /^ {2,4}(?:sealpost unix|argv=)/.test(line));
    expect(entry).toHaveLength(2);
    for (const line of entry) expect(page).toContain(line.trim());
  });

  it('show a master.cf entry that sealpost-pipe understands', () => {
    const line = /argv=\S+ (.*)$/m.exec(read('packaging/man/sealpost-pipe.8'))?.[1] ?? '';
    const values: Readonly<Record<string, string>> = {
      queue_id: '4XyZ',
      sender: '',
      recipient: 'b@example.net',
    };
    const args = line
      .split(' ')
      .map((word) => word.replace(/\$\{(\w+)\}/g, (_, name: string) => values[name] ?? '?'));
    expect(parsePipeArguments(args)).toEqual({
      kind: 'deliver',
      arguments: { configPath: undefined, queueId: '4XyZ', sender: '', recipients: ['b@example.net'] },
    });
  });

  it.for(pages)('%s is formatted without a warning', { tags: ['slow'] }, (page, context) => {
    skipWithout(context, 'groff-base');
    const path = join(root, 'packaging/man', page);
    const run = spawnSync('groff', ['-mandoc', '-ww', '-z', '-Tutf8', path], { encoding: 'utf8' });
    expect({ status: run.status, warnings: run.stderr }).toEqual({ status: 0, warnings: '' });
  });
});

describe('the systemd units', () => {
  const value = (unit: string, key: string) =>
    new RegExp(`^${key}=(.*)$`, 'm').exec(read(`packaging/systemd/${unit}`))?.[1];

  it('pass the socket under the name of a default listener, and at the address that the example gives', () => {
    const names = configSchema.parse({}).filter.listen.map((listener) => listener.name);
    expect(names).toContain(value('sealpost.socket', 'FileDescriptorName'));
    expect(read('packaging/systemd/sealpost.socket')).toContain(
      `address = "unix:${value('sealpost.socket', 'ListenStream')}"`,
    );
  });

  it('wait longer than filter.shutdown_grace before they kill', () => {
    const stop = parseDuration(value('sealpost.service', 'TimeoutStopSec') ?? '');
    expect(stop.ok && stop.value).toBeGreaterThan(configSchema.parse({}).filter.shutdown_grace);
  });

  it('keep the socket out of the folder that systemd gives to the service with all that is in it', () => {
    const folder = `/run/${value('sealpost.service', 'RuntimeDirectory')}/`;
    expect(value('sealpost.socket', 'ListenStream')?.startsWith(folder)).toBe(false);
  });

  it('work without the socket unit: the recommended wiring has a TCP listener of its name', () => {
    for (const key of ['Wants', 'Requires', 'Also', 'Sockets'])
      expect(value('sealpost.service', key), key).toBeUndefined();
  });

  it('may write where the examples keep sockets and spools', () => {
    const writable = [
      `/var/lib/${value('sealpost.service', 'StateDirectory')}`,
      `/run/${value('sealpost.service', 'RuntimeDirectory')}`,
      ...[...read('packaging/systemd/sealpost.service').matchAll(/^ReadWritePaths=-?(.*)$/gm)].map(
        ([, path = '']) => path,
      ),
    ];
    for (const example of readdirSync(join(root, 'postfix-examples'))) {
      const document = parse(read(`postfix-examples/${example}/sealpost.example.toml`));
      // systemd's, as the service gets it.
      expect(document, example).not.toHaveProperty('state_dir');
      const config = configSchema.parse(document);
      const { socketmap, delegation } = config.policy;
      const sockets = [
        ...config.filter.listen.map(({ address }) => address),
        ...[socketmap.listen, delegation.listen, config.receiver.api.listen],
      ].flatMap((address) => (address?.kind === 'unix' ? [address.path] : []));
      for (const path of [...config.receiver.spool, ...sockets])
        expect(
          writable.some((folder) => `${path}/`.startsWith(`${folder}/`)),
          `${example}: ${path}`,
        ).toBe(true);
    }
  });
});

// `sealpost init` as the first command of a machine: where it writes, whatever other configurations there are, and who may read it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { giveToService } from '../../src/cli/init.ts';
import { loadConfig } from '../../src/config/load.ts';
import { runProgram } from '../support/child.ts';
import { skipWithout } from '../support/needs.ts';
import { sealpostCommand } from '../support/sealpost-process.ts';

let scratch: string;
let folder: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'sp-init-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeEach(() => {
  folder = mkdtempSync(join(scratch, 'f-'));
});

/** Runs it in a process of its own. @param named $SEALPOST_CONFIG */
async function init(named: string, ...words: readonly string[]) {
  const { program, args } = sealpostCommand();
  const finished = await runProgram(program, [...args, 'init', ...words, '--json'], {
    env: { SEALPOST_CONFIG: named, SEALPOST_DATABASE_URL: '' },
    cwd: folder,
    timeout: 200_000,
  });
  return { ...finished, said: JSON.parse(finished.stdout.toString()) as unknown };
}

describe('sealpost init', () => {
  it('writes the file that $SEALPOST_CONFIG names', async () => {
    const config = join(folder, 'own.toml');
    expect(await init(config)).toMatchObject({ code: 0, said: { config, written: true } });
    expect(readFileSync(config, 'utf8')).toContain('state_dir = "./.sealpost"');
  });

  it('writes into --dir whatever is wrong with the configurations of others', async () => {
    for (const name of ['sealpost.toml', 'named.toml']) writeFileSync(join(folder, name), 'nonsense = [');
    const dir = join(folder, 'new');
    expect(await init(join(folder, 'named.toml'), '--dir', dir)).toMatchObject({
      code: 0,
      said: { config: join(dir, 'sealpost.toml'), written: true },
    });
  });
});

describe('sealpost init beside a Postfix', () => {
  const OFF = 'allow_percent_hack = no\nswap_bangpath = no\nresolve_dequoted_address = yes\n';
  const postfix = (text: string): string => {
    const etc = join(folder, 'postfix');
    mkdirSync(etc, { recursive: true });
    writeFileSync(join(etc, 'main.cf'), `compatibility_level = 3.6\n${text}`);
    writeFileSync(join(etc, 'master.cf'), 'rewrite unix - - n - - trivial-rewrite\n');
    return etc;
  };
  const site =
    'myhostname = mx.example.net\nmydomain = example.net\nmyorigin = example.net\ninet_interfaces = 127.0.0.1\n' +
    'mydestination = $myhostname, example.net, localhost.$mydomain, localhost\n';

  it('takes over what main.cf says of addresses, and the names in mydestination once their domain is there', async (context) => {
    skipWithout(context, 'postfix');
    const etc = postfix(`${OFF}${site}`);
    const config = join(folder, 'sealpost.toml');
    const first = await init(config, '--postfix-config', etc);
    expect(first).toMatchObject({
      code: 0,
      said: {
        postfix: { found: true, percent_hack: false, bangpath: false, dequote: true, other_names: null },
      },
    });
    expect(loadConfig({ path: config }).config.postfix).toEqual({
      percent_hack: false,
      bangpath: false,
      dequote: true,
    });
    const { program, args } = sealpostCommand();
    await runProgram(program, [...args, 'domain', 'add', 'example.net', '--config', config], { cwd: folder });
    writeFileSync(join(etc, 'main.cf'), `compatibility_level = 3.6\n${site}`);
    expect(await init(config, '--postfix-config', etc)).toMatchObject({
      code: 0,
      said: {
        written: false,
        postfix: {
          // The file is kept as it is, and the difference is said.
          differs: ['percent_hack', 'bangpath'],
          other_names: {
            domain: 'example.net',
            added: ['mx.example.net', 'localhost.example.net', 'localhost', '[127.0.0.1]'],
          },
        },
      },
    });
    const shown = await runProgram(
      program,
      [...args, 'domain', 'show', 'localhost', '--config', config, '--json'],
      { cwd: folder },
    );
    expect(JSON.parse(shown.stdout.toString())).toMatchObject({ name: 'example.net', local: true });
  });

  it('says that the Postfix could not be asked, and goes on with the defaults', async (context) => {
    skipWithout(context, 'postfix');
    const config = join(folder, 'sealpost.toml');
    const said = await init(config, '--postfix-config', join(folder, 'nowhere'));
    expect(said).toMatchObject({
      code: 0,
      said: { postfix: { found: false, because: expect.stringContaining('nowhere/main.cf') } },
    });
    expect(loadConfig({ path: config }).config.postfix.percent_hack).toBe(true);
  });
});

describe('the file that root wrote', () => {
  const written = (): string => {
    const path = join(folder, 'sealpost.toml');
    writeFileSync(path, '', { mode: 0o600 });
    return path;
  };

  it('belongs to the group of the service', async (context) => {
    skipWithout(context, 'root');
    const path = written();
    // Any group will do that is not root's own.
    expect(await giveToService(path, '12345')).toBeNull();
    expect(statSync(path)).toMatchObject({ uid: 0, gid: 12345 });
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('is said to be unreadable where that group is not there yet', async (context) => {
    skipWithout(context, 'root');
    const path = written();
    expect(await giveToService(path, 'no-such-group')).toBe(
      `only root may read ${path}, and there is no group "no-such-group" yet; before you run the service: ` +
        `"adduser --system --group --home /var/lib/sealpost no-such-group" and "chgrp no-such-group ${path}"`,
    );
  });
});

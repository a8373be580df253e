// conf.d/*.toml beside sealpost.toml: what counts of two that say the same, and which file an error names.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadPipeSettings } from '../../../filters/pipe/settings.ts';
import { checkConfig } from '../../../src/cli/config.ts';
import { mergeDocuments } from '../../../src/config/conf-d.ts';
import { ConfigError } from '../../../src/config/errors.ts';
import { loadConfig } from '../../../src/config/load.ts';

let folder: string;
let main: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealpost-conf-d-'));
  mkdirSync(join(folder, 'conf.d'));
  main = write('sealpost.toml', 'hostname = "mx1"\n[filter]\nmemory_budget = "300MB"\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const load = () => loadConfig({ path: main, env: {} });

/** What is wrong, each with the name of its file. */
function problems(): readonly string[] {
  try {
    load();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ file, key }) => `${file.slice(folder.length + 1)}: ${key}`);
  }
}

describe('documents laid over each other', () => {
  it.each([
    ['tables are merged', [{ a: { x: 1, y: 1 } }, { a: { y: 2 } }], { a: { x: 1, y: 2 } }],
    ['a later value counts', [{ a: 1 }, { a: 2 }, { a: 3 }], { a: 3 }],
    ['a list is one value', [{ a: [1, 2] }, { a: [3] }], { a: [3] }],
    ['so is a list of tables', [{ a: [{ x: 1 }, { y: 1 }] }, { a: [{ x: 2 }] }], { a: [{ x: 2 }] }],
    [
      'a table takes the place of a value, and the other way round',
      [
        { a: 1, b: {} },
        { a: {}, b: 1 },
      ],
      { a: {}, b: 1 },
    ],
    ['none is an empty one', [], {}],
  ])('%s', (_what, documents, expected) => {
    expect(mergeDocuments(documents)).toEqual(expected);
  });
});

describe('the files of conf.d', () => {
  it('are read in the order of their names, whatever else lies there', () => {
    write('conf.d/20-b.toml', 'hostname = "later"\n');
    write('conf.d/10-a.toml', 'hostname = "sooner"\n[filter]\nmax_message_size = "10MB"\n');
    for (const name of ['30-c.toml.dpkg-old', '.40-d.toml', 'README']) write(`conf.d/${name}`, 'no [ toml');
    const { config, extraFiles, keysSet } = load();
    expect(config).toMatchObject({
      hostname: 'later',
      filter: { memory_budget: 300_000_000, max_message_size: 10_000_000 },
    });
    expect(extraFiles).toEqual([join(folder, 'conf.d/10-a.toml'), join(folder, 'conf.d/20-b.toml')]);
    expect(keysSet).toBe(3);
  });

  it('replace the list of listeners as a whole, and start relative paths where sealpost.toml is', () => {
    write(
      'conf.d/a.toml',
      'state_dir = "state"\n[[filter.listen]]\nprotocol = "lmtp"\naddress = "127.0.0.1:10034"\n',
    );
    const { config } = load();
    expect(config.filter.listen).toHaveLength(1);
    expect(config.state_dir).toBe(join(folder, 'state'));
  });

  it('are named by errors', () => {
    write(
      'conf.d/a.toml',
      'nonsense = 1\n[filter]\nmemory_budget = "much"\n[[filter.listen]]\nprotocol = "smtp"\n',
    );
    write('conf.d/b.toml', '[observe]\nlog_level = "loud"\n');
    expect(problems().toSorted()).toEqual([
      'conf.d/a.toml: filter.listen[0].address',
      'conf.d/a.toml: filter.memory_budget',
      'conf.d/a.toml: nonsense',
      'conf.d/b.toml: observe.log_level',
    ]);
    write('conf.d/a.toml', 'x = [');
    expect(problems()).toEqual([expect.stringMatching(/^conf\.d\/a\.toml: line 1/)]);
  });

  it('are named by config check, and by its warning of a readable password', () => {
    const extra = write('conf.d/db.toml', '[database]\nurl = "postgres://u:secret@h/d"\n');
    chmodSync(extra, 0o644);
    const { stdout, stderr } = checkConfig({ path: main, env: {} }, false);
    expect(stdout).toBe(`${main}, ${extra}: ok (3 keys set)\n`);
    expect(stderr).toContain(`${extra} holds a database password and is readable by everybody`);
    expect(JSON.parse(checkConfig({ path: main, env: {} }, true).stdout)).toMatchObject({
      file: main,
      conf_d: [extra],
    });
  });

  it('that root finds in the current folder have to be root’s own', () => {
    const local = () => loadConfig({ cwd: folder, env: {}, uid: 0, systemFile: join(folder, 'none.toml') });
    const extra = write('conf.d/a.toml', 'hostname = "x"\n');
    if (process.getuid?.() === 0) expect(local().config.hostname).toBe('x');
    chmodSync(extra, 0o666);
    expect(local).toThrow(process.getuid?.() === 0 ? `${extra}: found a file` : /found a file/);
    chmodSync(extra, 0o600);
    chmodSync(join(folder, 'conf.d'), 0o777);
    expect(local).toThrow(/found a file/);
  });

  it('are read by sealpost-pipe, too', () => {
    write('conf.d/a.toml', '[pipe]\ndeadline = "7s"\n');
    expect(loadPipeSettings(main, {}, folder)).toMatchObject({ hostname: 'mx1', deadline: 7000 });
    write('conf.d/b.toml', 'x = [');
    expect(() => loadPipeSettings(main, {}, folder)).toThrow(join(folder, 'conf.d/b.toml'));
  });
});

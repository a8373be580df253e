// A configuration folder of Postfix that nobody runs, a sealpost.toml beside it, and `sealpost postfix` on both; and the tests that
// every wiring passes there.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { loadConfig } from '../../src/config/load.ts';
import { runCommand } from './command-line.ts';
import { need } from './needs.ts';

need('postfix', 'root');

/** Debian's, where Postfix was installed from there. */
const MASTER = '/usr/share/postfix/master.cf.dist';

/** Where a test's Postfix and sealpost.toml are. */
export interface WiredSite {
  readonly etc: string;
  readonly config: string;
}

/** Made for a test file, and removed after it. */
export const scratch = { folder: '' };

/** Call it once in a test file that makes sites. */
export function useSites(): void {
  beforeAll(() => {
    scratch.folder = mkdtempSync(join(tmpdir(), 'sp-wiring-'));
  });
  afterAll(() => rmSync(scratch.folder, { recursive: true, force: true }));
}

/** A new configuration folder, and a sealpost.toml without a database. @param main more lines of main.cf */
export function makeSite(main = '', toml = ''): WiredSite {
  const folder = mkdtempSync(join(scratch.folder, 'f-'));
  const site = { etc: join(folder, 'etc'), config: join(folder, 'sealpost.toml') };
  mkdirSync(site.etc);
  for (const name of ['spool', 'data']) mkdirSync(join(scratch.folder, name), { recursive: true });
  const own = `queue_directory = ${join(scratch.folder, 'spool')}\ndata_directory = ${join(scratch.folder, 'data')}\n`;
  const base =
    '# example.net\ncompatibility_level = 3.6\nmyhostname = mx.example.net\nmydestination = $myhostname,\n  localhost\nalias_maps =\n';
  const master = existsSync(MASTER) ? readFileSync(MASTER) : 'bounce unix - - y - 0 bounce\n';
  writeFileSync(join(site.etc, 'main.cf'), `${base}${own}${main}`);
  writeFileSync(join(site.etc, 'master.cf'), master);
  writeFileSync(site.config, `# mine\nstate_dir = "./state"\n${toml}`);
  return site;
}

/** main.cf and master.cf, byte by byte. */
export function filesOf({ etc }: WiredSite): readonly string[] {
  return ['main.cf', 'master.cf'].map((name) => readFileSync(join(etc, name), 'latin1'));
}

/** `sealpost postfix` in this process. */
export async function runPostfix({ etc, config }: WiredSite, ...words: readonly string[]) {
  const { code, stdout, stderr } = await runCommand(
    () => createProgram('postfix'),
    ['postfix', ...words, '--config', config, '--config-dir', etc, '--json'],
  );
  return { code, stderr, said: JSON.parse(stdout.toString()) as Record<string, unknown> };
}

/** What every wiring passes. */
export function describeApplied(names: readonly string[]): void {
  describe.each(names)('the wiring %s', (name) => {
    it('is applied after postfix check, changes nothing when repeated, and is undone to the byte', async () => {
      const site = makeSite();
      const before = filesOf(site);
      expect(await runPostfix(site, 'apply', name)).toMatchObject({
        code: 0,
        said: { applied: true, reloaded: false, conflicts: [] },
      });
      const after = filesOf(site);
      expect(after).not.toEqual(before);
      const operators = () => loadConfig({ path: site.config }).config.postfix;
      expect(operators().percent_hack).toBe(/lookups|receiver/.test(name));

      const again = await runPostfix(site, 'apply', name);
      expect(again).toMatchObject({ code: 0, said: { applied: false, changes: false } });
      expect(filesOf(site)).toEqual(after);

      const undone = await runPostfix(site, 'undo', name);
      expect(undone).toMatchObject({ code: 0, said: { undone: true, to_the_byte: true } });
      expect(filesOf(site)).toEqual(before);
      expect(operators()).toEqual({ percent_hack: true, bangpath: true, dequote: true });
      expect(readFileSync(site.config, 'utf8')).toContain('# mine\n');
    });
  });
}

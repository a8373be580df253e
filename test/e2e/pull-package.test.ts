// The client as a user installs it: its package is packed, installed by npm into an empty folder, and fetches real mail.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageClient } from '../../packaging/client.mjs';
import { mustRun, runProgram } from '../support/child.ts';
import { makeKey } from '../support/keys.ts';
import { skipFor } from '../support/needs.ts';
import { repository } from '../support/places.ts';
import { mailsIn, runPull } from '../support/pull-run.ts';
import { createQueueStand, maildirIn, type QueueStand, type QueueUser } from '../support/queue-stand.ts';

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

const manifestIn = async (folder: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;

/** Why the registry cannot be asked for what the client depends on; null when it can. */
async function withoutRegistry({ dependencies }: Manifest): Promise<string | null> {
  for (const [name, version] of Object.entries(dependencies)) {
    const asked = await runProgram('npm', ['view', `${name}@${version}`, 'version', '--fetch-retries=0'], {
      timeout: 60_000,
    });
    if (asked.code === 0) continue;
    const [reason = ''] = asked.stderr.trim().split('\n');
    return `npm: the registry does not answer for ${name}@${version}: ${reason}`;
  }
  return null;
}

describe('the package sealpost-pull', () => {
  let stand: QueueStand;
  let alice: QueueUser;
  let folder: string;
  let home: string;
  let away: string | null;
  let program: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sp-'));
    const made = join(folder, 'package');
    await packageClient(made);
    const manifest = await manifestIn(made);
    away = await withoutRegistry(manifest);
    if (away !== null) return;
    await mustRun('npm', ['pack', made, '--pack-destination', folder, '--loglevel=error']);
    home = join(folder, 'home');
    await mkdir(home);
    const tarball = join(folder, `sealpost-pull-${manifest.version}.tgz`);
    const install = ['install', '--global', '--prefix', home, '--no-audit', '--no-fund', '--loglevel=error'];
    await mustRun('npm', [...install, tarball], { cwd: home, timeout: 200_000 });
    program = join(home, 'bin', 'sealpost-pull');
    stand = await createQueueStand();
    alice = await stand.user('alice@example.org');
  });
  afterAll(async () => {
    await stand?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('installs what it names, and nothing of the server', async (context) => {
    skipFor(context, away);
    const installed = join(home, 'lib', 'node_modules', 'sealpost-pull');
    const names = (await readdir(join(installed, 'node_modules'))).filter((name) => !name.startsWith('.'));
    expect(names.sort()).toEqual(Object.keys((await manifestIn(installed)).dependencies).sort());
    expect(names).not.toContain('pg');
    const help = await mustRun(program, ['--help'], { cwd: home });
    expect(help.stdout.toString()).toContain('$ sealpost-pull --server https://');
    const { version } = await manifestIn(repository);
    expect((await mustRun(program, ['--version'])).stdout.toString()).toBe(`${version}\n`);
    const wrong = await runProgram(program, []);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('--server')]);
  });

  it('fetches mail with GnuPG, and with a Brainpool key in a file', async (context) => {
    skipFor(context, away);
    const letter = (text: string): Buffer =>
      Buffer.from(`From: <bob@example.net>\nSubject: ${text}\n\n${text}\n`);
    await stand.file(alice, [letter('by gpg')]);
    const first = maildirIn(stand, 'by-gpg');
    const byGpg = await runPull({ stand, user: alice, to: first, program });
    expect({ code: byGpg.code, json: byGpg.json, stderr: byGpg.stderr }).toMatchObject({
      code: 0,
      json: { delivered: 1, failed: [] },
    });
    expect(await mailsIn(join(first, 'new'))).toEqual([letter('by gpg')]);

    const curve = 'brainpoolP256r1';
    const { fingerprint } = await makeKey(stand.home, 'alice@brainpool.example', curve);
    await stand.home.run(['--quick-add-key', fingerprint, curve, 'encr', 'never']);
    const encrypted = await stand.home.run(
      ['--trust-model', 'always', '--recipient', fingerprint, '--encrypt'],
      letter('by key file').toString('latin1'),
    );
    expect(encrypted.code, encrypted.stderr).toBe(0);
    await stand.fileRaw(alice, [encrypted.stdout]);
    const keyFile = join(stand.places.dir, 'brainpool.asc');
    const secret = await stand.home.run(['--armor', '--export-secret-keys', fingerprint]);
    await writeFile(keyFile, secret.stdout, { mode: 0o600 });
    const second = maildirIn(stand, 'by-key-file');
    const byFile = await runPull({ stand, user: alice, to: second, program, args: ['--key-file', keyFile] });
    expect({ code: byFile.code, json: byFile.json, stderr: byFile.stderr }).toMatchObject({
      code: 0,
      json: { delivered: 1, failed: [] },
    });
    expect(await mailsIn(join(second, 'new'))).toEqual([letter('by key file')]);
  });
});

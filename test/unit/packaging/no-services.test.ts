// While Debian packages are installed none of their services starts; afterwards nothing tells of it, however it ended.
// @module-tag slow
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitUntil } from '../../support/child.ts';
import { repository } from '../../support/places.ts';

const MODULE = join(repository, 'packaging/no-services.mjs');

let folder: string;
let policy: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sp-rc-'));
  policy = join(folder, 'policy-rc.d');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Installs by that shell command. @returns when the installation has begun, and a file tells of it; `exited`: its end */
async function installing(command: string) {
  const begun = join(folder, 'begun');
  const code = `
    import { spawnSync } from 'node:child_process';
    import { withoutServices } from ${JSON.stringify(MODULE)};
    withoutServices(
      () => spawnSync('sh', ['-c', ${JSON.stringify(`touch ${begun}; ${command}`)}], { stdio: 'ignore' }),
      ${JSON.stringify(policy)},
    );`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  });
  // Heard of from the start: it may have ended before somebody waits.
  const exited = once(child, 'exit');
  await waitUntil('the installation to begin', 10_000, () => existsSync(begun));
  return { pid: child.pid, exited };
}

describe('the policy that no service starts', () => {
  it('is there while packages are installed, can be run, and is gone afterwards', async () => {
    const { exited } = await installing(`cp -p ${policy} ${folder}/seen; sleep 0.1`);
    await exited;
    expect(readFileSync(join(folder, 'seen'), 'utf8')).toMatch(/^#!\/bin\/sh\n.*\nexit 101\n$/);
    expect(statSync(join(folder, 'seen')).mode & 0o111).toBe(0o111);
    expect(existsSync(policy)).toBe(false);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const)(
    'is gone after %s, sent to the whole group',
    async (signal) => {
      const { pid } = await installing('sleep 60');
      expect(existsSync(policy)).toBe(true);
      if (pid === undefined) throw new Error('there is no process');
      process.kill(-pid, signal);
      await waitUntil('the policy to go', 10_000, () => !existsSync(policy));
    },
  );

  it('of somebody else stays as it is', async () => {
    writeFileSync(policy, '#!/bin/sh\nexit 0\n');
    const { exited } = await installing('true');
    await exited;
    expect(readFileSync(policy, 'utf8')).toBe('#!/bin/sh\nexit 0\n');
  });

  it('that an earlier installation of ours left behind goes with this one', async () => {
    const first = await installing(`cp ${policy} ${folder}/left`);
    await first.exited;
    writeFileSync(policy, readFileSync(join(folder, 'left')));
    const second = await installing('true');
    await second.exited;
    await waitUntil('the policy to go', 10_000, () => !existsSync(policy));
  });
});

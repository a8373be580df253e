// What the service manager is told, and what it passes.
// @module-tag slow
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createServiceNotifier } from '../../../src/host/systemd.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'notify-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

it('says READY=1 after the RELOADING=1 that it ends, however slowly that one was sent; nothing else waits', async () => {
  const log = join(folder, 'log');
  const program = join(folder, 'systemd-notify');
  await writeFile(log, '');
  await writeFile(program, `#!/bin/sh\ncase "$*" in *RELOADING*) sleep 0.5;; esac\necho "$*" >> '${log}'\n`);
  await chmod(program, 0o755);
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
  const notifier = createServiceNotifier(
    { NOTIFY_SOCKET: '/nowhere' },
    async () => true,
    pino({ level: 'silent' }),
  );
  notifier.reloading();
  notifier.ready();
  notifier.stopping();
  const lines = async () => (await readFile(log, 'utf8')).trim().split('\n');
  await vi.waitFor(async () => expect(await lines()).toHaveLength(3), { timeout: 20_000 });
  expect(await lines()).toEqual([
    expect.stringContaining('STOPPING=1'),
    expect.stringContaining('RELOADING=1'),
    expect.stringContaining('--ready'),
  ]);
});

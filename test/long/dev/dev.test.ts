// `npm run dev`, in the long lane since it starts everything twice: it says what to try, tells of mail, starts again after a change, and leaves nothing behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { waitUntil } from '../../support/child.ts';
import { need } from '../../support/needs.ts';
import { repository } from '../../support/places.ts';
import { sendRaw } from '../../support/submit.ts';

need('postfix', 'root');

let dev: ChildProcess | undefined;
afterEach(() => {
  dev?.kill('SIGKILL');
});

it('stays, starts again when a file changes, and removes everything at its end', async () => {
  const tsx = join(repository, 'node_modules/tsx/dist/loader.mjs');
  const child = spawn(process.execPath, ['--import', tsx, 'docs/dev.ts'], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  dev = child;
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      said += bytes.toString('utf8');
    });
  const hears = (what: string | RegExp) =>
    waitUntil(
      String(what),
      100_000,
      () => (typeof what === 'string' ? said.includes(what) : what.test(said)),
      () => said,
    );
  await hears('Ctrl-C ends and removes everything.');
  for (const line of [
    /explain alice@example\.org --config/,
    /main\.ts status --config/,
    /curl -s \S+\/metrics/,
  ])
    expect(said).toMatch(line);
  const port = Number(/swaks --server 127\.0\.0\.1:(\d+) --to alice@example\.org/.exec(said)?.[1]);
  const folder = /tail -f (\S+)\/serve\.log/.exec(said)?.[1] ?? '';
  expect(existsSync(folder)).toBe(true);

  // Its time, not its content.
  const example = 'postfix-examples/after-queue-lmtp/main.cf';
  utimesSync(join(repository, example), new Date(), new Date());
  await hears(/started again in [\d.]+ s: postfix-examples\/after-queue-lmtp\/main\.cf changed/);

  const message = Buffer.from('From: <carol@example.net>\r\nSubject: x\r\n\r\nbody\r\n');
  await sendRaw({
    to: { port },
    sender: 'carol@example.net',
    recipients: ['alice@example.org', 'bob@example.org'],
    message,
  });
  await hears(/mail for alice@example\.org: sealed/);
  await hears(/mail for bob@example\.org: as it came/);

  const ended = once(child, 'exit');
  child.kill('SIGINT');
  expect(await ended, said).toEqual([0, null]);
  expect(existsSync(folder)).toBe(false);
});

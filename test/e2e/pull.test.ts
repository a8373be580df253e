// `sealpost pull` against the real HTTP interface, with a real PostgreSQL and a real gpg.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Finished, runProgram } from './support/child.ts';
import { createQueueStand, maildirIn, type QueueStand, type QueueUser } from './support/queue-stand.ts';
import { sealpostCommand } from './support/sealpost-process.ts';

let stand: QueueStand;
let alice: QueueUser;

beforeAll(async () => {
  stand = await createQueueStand();
  alice = await stand.user('alice@example.org');
});
afterAll(() => stand?.close());

const letter = (text: string): Buffer =>
  Buffer.from(
    `Return-Path: <bob@example.net>\nDelivered-To: id_1@example.org\nFrom: Bob <bob@example.net>\nSubject: ${text}\n\n${text}\n`,
  );

interface PullRun extends Finished {
  readonly json: unknown;
}

async function pull(user: QueueUser, to: string, args: readonly string[] = [], env = {}): Promise<PullRun> {
  const { program, args: first } = sealpostCommand();
  const done = await runProgram(
    program,
    [...first, 'pull', '--server', stand.url, '--to', to, '--json', ...args],
    { env: { SEALPOST_TOKEN: user.token, GNUPGHOME: stand.home.dir, ...env }, cwd: '/' },
  );
  let json: unknown;
  try {
    json = JSON.parse(done.stdout.toString('utf8'));
  } catch {
    json = undefined;
  }
  return { ...done, json };
}

async function delivered(maildir: string): Promise<readonly Buffer[]> {
  const names = (await readdir(join(maildir, 'new'))).sort();
  return Promise.all(names.map((name) => readFile(join(maildir, 'new', name))));
}

describe('pull', () => {
  it('brings what waits into the Maildir, byte for byte, and empties the queue', async () => {
    const mails = [letter('one'), letter('two'), letter('three')];
    await stand.file(alice, mails);
    const maildir = maildirIn(stand, 'first');
    const done = await pull(alice, maildir);
    expect({ code: done.code, json: done.json, stderr: done.stderr }).toMatchObject({
      code: 0,
      json: { delivered: 3, failed: [] },
    });
    const found = await delivered(maildir);
    expect(found.map(String).sort()).toEqual(mails.map(String).sort());
    expect((await stand.must(['queue', 'list', alice.address, '--json'])).json).toEqual([]);
  });
});

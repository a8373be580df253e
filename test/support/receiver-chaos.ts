// The receiver under attack: processes of it that a test starts and kills, and mail that can be told apart afterwards.
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { decrypt, readMessage, readPrivateKeys } from 'openpgp';
import { expect } from 'vitest';
import { waitUntil } from './child.ts';
import { ALICE_ID, DOMAIN, type ReceiverStand, spooled } from './receiver-stand.ts';
import { sealpostCommand } from './sealpost-process.ts';

/** In subject, sender and body of every message, and nowhere else. */
export const MARKER = 'zq-marker';

export interface Receivers {
  /** Starts one that runs by itself, without the filter. */
  start(config?: string): ChildProcess;
  killAll(): void;
}

export function receiversOf(stand: ReceiverStand): Receivers {
  const running = new Set<ChildProcess>();
  return {
    start(config = stand.sealpost.configPath) {
      const { program, args } = sealpostCommand();
      const child = spawn(program, [...args, 'serve', '--only', 'receiver', '--config', config], {
        stdio: ['ignore', 'ignore', 'inherit'],
        cwd: stand.places.dir,
      });
      running.add(child);
      child.once('exit', () => running.delete(child));
      return child;
    },
    killAll() {
      for (const child of running) child.kill('SIGKILL');
    },
  };
}

/** Resolves when a process has ended. */
export function gone(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
}

export const nameOf = (group: string, index: number) =>
  `${1_764_096_000 + index}.V801I${index}.${group}.mx.example.org`;

/** Puts the messages of a group from one number up to another into the spool. */
export function deliverGroup(stand: ReceiverStand, group: string, from: number, to: number): void {
  for (let index = from; index < to; index += 1) {
    const subject = `${MARKER}-subject ${group} ${index}`;
    const message = spooled(
      `id_${ALICE_ID}@${DOMAIN}`,
      { subject, sender: `${MARKER}-sender@outside.test` },
      `${MARKER}-body ${index}\n`,
    );
    stand.deliver(nameOf(group, index), message);
  }
}

/** The subjects of every message of the queue, decrypted, in order. */
export async function subjects(stand: ReceiverStand): Promise<string[]> {
  const decryptionKeys = await readPrivateKeys({ armoredKeys: stand.alice.secretKey });
  const found: string[] = [];
  for (const { content } of await stand.queue(ALICE_ID)) {
    const message = await readMessage({ binaryMessage: new Uint8Array(content) });
    const { data } = await decrypt({ message, decryptionKeys, format: 'binary' });
    found.push(/^Subject: (.*)$/m.exec(Buffer.from(data as Uint8Array).toString('latin1'))?.[1] ?? 'none');
  }
  return found.sort();
}

export function expectedSubjects(group: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${MARKER}-subject ${group} ${index}`).sort();
}

export interface Attack {
  readonly messages: number;
  /** Of the receiver; with every tenth PostgreSQL is restarted. */
  readonly kills: number;
  /** Milliseconds for what is left at the end. */
  readonly patience: number;
  /** Called after each kill. */
  progress?(kills: number): void;
}

/** Kills the receiver again and again while mail arrives, and checks that each message is filed exactly once. */
export async function killAgainAndAgain(
  stand: ReceiverStand,
  receivers: Receivers,
  { messages, kills, patience, progress }: Attack,
): Promise<void> {
  const files = () => stand.names('new').length;
  let delivered = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const share = Math.ceil((messages * (kill + 1)) / kills);
    deliverGroup(stand, 'kill', delivered, share);
    delivered = share;
    const receiver = receivers.start();
    // Every other one is killed once it works, at a random moment; the others wherever they are in their start.
    if (kill % 2 === 0) {
      const before = files();
      await waitUntil('the receiver to file something', 60_000, () => files() < before);
      await sleep(Math.random() * 30);
    } else await sleep(100 + Math.random() * 900);
    if (kill % 10 === 5) {
      await stand.postgres.stop();
      await sleep(Math.random() * 200);
      await stand.postgres.start();
    }
    receiver.kill('SIGKILL');
    await gone(receiver);
    progress?.(kill + 1);
  }
  const last = receivers.start();
  await stand.waitForEmptySpool(patience);
  last.kill('SIGTERM');
  await gone(last);
  expect(last.exitCode).toBe(0);
  expect(await subjects(stand)).toEqual(expectedSubjects('kill', messages));
  expect(stand.names('failed')).toEqual([]);
  const counts = await stand.query(
    `SELECT c.messages = count(*) AS messages, c.bytes = sum(i.size) AS bytes
       FROM incoming_counts c JOIN incoming i USING (user_id) GROUP BY c.user_id, c.messages, c.bytes`,
  );
  expect(counts).toEqual([{ messages: true, bytes: true }]);
}

// `sealpost serve --workers 2`: two processes behind one set of listeners, one database, one metrics listener.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitUntil } from '../support/child.ts';
import { createGpgHome, type GpgHome, gpgDecrypt, makeKey } from '../support/keys.ts';
import { makeMaildir } from '../support/maildir.ts';
import { migrateAsNewer } from '../support/newer-database.ts';
import { allocatePlaces, exampleSubstitutions, freePorts, type Places } from '../support/places.ts';
import { createSealpost, type SealpostProcess, sealpostCommand } from '../support/sealpost-process.ts';
import { type Sink, startSink } from '../support/sink.ts';
import { smtpSource } from '../support/smtp-source.ts';
import { sendRaw } from '../support/submit.ts';
import { looksSealed, unseal } from '../support/unseal.ts';

const ALICE = 'alice@example.org';
let places: Places;
let sealpost: SealpostProcess;
let sink: Sink;

beforeEach(async () => {
  places = await allocatePlaces();
  sink = await startSink({ protocol: 'smtp', listen: { port: places.reinjectPort } });
  sealpost = await createSealpost({
    places,
    example: null,
    substitutions: exampleSubstitutions(places),
    serveArguments: ['--workers', '2'],
    config: {
      filter: {
        next_hop: `smtp:127.0.0.1:${places.reinjectPort}`,
        listen: [
          { name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` },
          { name: 'smtp', protocol: 'smtp', address: `127.0.0.1:${places.smtpPort}` },
          { name: 'unix', protocol: 'lmtp', address: `unix:${places.dir}/filter.sock`, mode: '0660' },
        ],
      },
    },
  });
  await sealpost.cli(['domain', 'add', 'example.org']);
  await sealpost.cli(['user', 'add', ALICE]);
});

afterEach(async () => {
  await sealpost.close();
  await sink.stop();
  await places.remove();
});

interface Status {
  readonly pid: number;
  readonly workers: readonly { readonly pid: number }[];
  readonly listeners: readonly { readonly name: string; readonly connections: number }[];
}

async function status(): Promise<Status> {
  const response = await fetch(`http://127.0.0.1:${places.observePort}/status`);
  return (await response.json()) as Status;
}

async function ready(): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${places.observePort}/readyz`).catch(() => undefined);
  return response?.status === 200;
}

async function counted(metric: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${places.observePort}/metrics`);
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith(`${metric}{`));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const message = (text: string): Buffer =>
  Buffer.from(`From: <c@outside.example>\r\nSubject: x\r\nMessage-ID: <${text}@x>\r\n\r\n${text}\r\n`);

function lmtp(text: string, to: { readonly port: number } | { readonly path: string }): Promise<string[]> {
  return sendRaw({
    to,
    protocol: 'lmtp',
    sender: 'c@outside.example',
    recipients: [ALICE],
    message: message(text),
  });
}

describe('two workers', () => {
  it('share the listeners, deliver each message once, and are counted as one', async () => {
    await sealpost.start();
    const { pid, workers } = await status();
    expect(pid).toBe(sealpost.pid());
    expect(workers).toHaveLength(2);
    await smtpSource({
      port: places.smtpPort,
      count: 200,
      sessions: 8,
      length: 1000,
      sender: 'c@outside.example',
      recipient: ALICE,
      subject: 'burst',
    });
    expect(sink.deliveries()).toHaveLength(200);
    expect(new Set(sink.deliveries().map((delivery) => delivery.message.toString('latin1'))).size).toBe(200);
    expect((await lmtp('by unix socket', { path: `${places.dir}/filter.sock` })).at(-1)).toMatch(/^250/);
    expect(await counted('sealpost_messages_total')).toBe(201);
  });

  it('both learn of a new key within a second', async () => {
    const home: GpgHome = await createGpgHome();
    try {
      const key = await makeKey(home, ALICE, 'future-default');
      await sealpost.start();
      for (let turn = 0; turn < 8; turn += 1) await lmtp(`plain ${turn}`, { port: places.lmtpPort });
      expect(sink.deliveries().some((delivery) => looksSealed(delivery.message))).toBe(false);
      await sealpost.cli(['key', 'import', '-'], { stdin: key.publicKey });
      await new Promise((resolve) => setTimeout(resolve, 1000));
      sink.clear();
      for (let turn = 0; turn < 8; turn += 1) await lmtp(`sealed ${turn}`, { port: places.lmtpPort });
      expect(sink.deliveries().map((delivery) => looksSealed(delivery.message))).toEqual(Array(8).fill(true));
      const { body } = await unseal(sink.deliveries()[0]?.message ?? Buffer.alloc(0), gpgDecrypt(home));
      expect(body.toString('latin1')).toBe('sealed 0\r\n');
    } finally {
      await home.close();
    }
  });

  it('do without one that was killed until another takes its place, also when a newer node has migrated', async () => {
    await sealpost.start();
    await migrateAsNewer(sealpost.configPath);
    const before = (await status()).workers.map((worker) => worker.pid);
    process.kill(before[0] ?? 0, 'SIGKILL');
    await waitUntil('serve to say that it is not whole', 5000, async () => !(await ready()));
    expect((await lmtp('meanwhile', { port: places.lmtpPort })).at(-1)).toMatch(/^250/);
    await waitUntil('a new worker', 20_000, ready);
    const after = (await status()).workers.map((worker) => worker.pid);
    expect(after).toHaveLength(2);
    expect(after).not.toContain(before[0]);
    expect(sealpost.log()).toContain('the database is newer than this program');
    expect((await lmtp('by unix socket', { path: `${places.dir}/filter.sock` })).at(-1)).toMatch(/^250/);
  });

  it('defer a retry while the first attempt, whose client is gone, still waits for the next hop', async () => {
    await sealpost.start();
    sink.behave({ delay: 4000 }, 1);
    const controller = new AbortController();
    const gone = sendRaw({
      to: { port: places.lmtpPort },
      protocol: 'lmtp',
      sender: 'c@outside.example',
      recipients: [ALICE],
      message: message('slow'),
      signal: controller.signal,
    }).catch(() => 'gone');
    await waitUntil('the next hop to have the message', 5000, () => sink.counts.messages > 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    controller.abort();
    expect(await gone).toBe('gone');
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (let turn = 0; turn < 8; turn += 1)
      expect((await lmtp('slow', { port: places.lmtpPort })).at(-1)).toMatch(
        /^451 4\.3\.0 An earlier attempt/,
      );
    await sink.waitForDeliveries(1, 10_000);
    await waitUntil('the retry to be answered', 10_000, async () =>
      /^250/.test((await lmtp('slow', { port: places.lmtpPort })).at(-1) ?? ''),
    );
    expect(sink.deliveries()).toHaveLength(1);
  });

  it('file a spool file that is larger than the share of one of them', async () => {
    const home: GpgHome = await createGpgHome();
    const spool = `${places.dir}/spool`;
    try {
      const key = await makeKey(home, ALICE, 'future-default');
      await sealpost.cli(['key', 'import', '-'], { stdin: key.publicKey });
      makeMaildir(spool);
      const written = await readFile(sealpost.configPath, 'utf8');
      const limits = '[filter]\nmemory_budget = "4MB"\nmax_message_size = "1MB"\n';
      await writeFile(
        sealpost.configPath,
        `${written.replace(/^\[filter\]$/m, limits)}\n[receiver]\nspool = ${JSON.stringify(spool)}\n`,
      );
      const large = `Delivered-To: ${ALICE}\n\n${`${'x'.repeat(76)}\n`.repeat(39_000)}`;
      await writeFile(`${spool}/new/large`, large);
      await sealpost.start();
      await waitUntil(
        'the file to leave new/',
        30_000,
        async () => (await readdir(`${spool}/new`)).length === 0,
      );
      expect((await sealpost.cli(['queue', 'list', ALICE, '--json'])).json).toHaveLength(1);
    } finally {
      await home.close();
    }
  });

  it('end with serve, and what is in flight is finished first', async () => {
    await sealpost.start();
    const { workers } = await status();
    sink.behave({ delay: 1500 });
    const slow = lmtp('in flight', { port: places.lmtpPort });
    await waitUntil('the next hop to have the message', 5000, () => sink.counts.messages > 0);
    expect(await sealpost.stop()).toBe(0);
    expect((await slow).at(-1)).toMatch(/^250/);
    for (const { pid } of workers) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });
});

describe('a stop before everything is open', () => {
  it('ends the worker that is still waiting for its database', async () => {
    const [nowhere = 0] = await freePorts(1);
    const child = spawn(
      sealpostCommand().program,
      [
        ...sealpostCommand().args,
        ...['serve', '--workers', '2', '--only', 'filter', '--config', places.sealpostConfig],
      ],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, SEALPOST_DATABASE_URL: `postgres://nobody@127.0.0.1:${nowhere}/nothing` },
      },
    );
    let log = '';
    child.stderr.on('data', (bytes: Buffer) => {
      log += bytes.toString('utf8');
    });
    const ended = once(child, 'exit');
    await waitUntil('the worker to miss its database', 30_000, () => /cannot be reached/.test(log));
    child.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
  });
});

describe('a wrong start', () => {
  it('ends all of them with the message and the exit code of the one that failed', async () => {
    await sealpost.start();
    const second = await sealpost.program(['serve', '--workers', '2', '--only', 'filter']);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('cannot be opened: another process already listens there');
    expect(await ready()).toBe(true);
  });

  it('ends the workers again when the metrics listener cannot be opened', async () => {
    const taken = createServer().listen(places.observePort, '127.0.0.1');
    await once(taken, 'listening');
    try {
      const ended = await sealpost.program(['serve', '--workers', '2']);
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain(
        `observe.listen on 127.0.0.1:${places.observePort} cannot be opened: another process already listens there`,
      );
    } finally {
      taken.close();
    }
  });

  it('with a number of workers that makes no sense is wrong usage', async () => {
    const ended = await sealpost.program(['serve', '--workers', 'many']);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain('found "many", expected a number from 1 to 64, or auto');
  });
});

// The test stand of the benchmark: one key, one sealpost, the peers, and a next hop that counts.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parse, stringify } from 'smol-toml';
import { mustRun, waitUntil } from '../test/e2e/support/child.ts';
import { createGpgHome, gpgDecrypt, makeKey } from '../test/e2e/support/keys.ts';
import { allocatePlaces, exampleSubstitutions, freePorts, repository } from '../test/e2e/support/places.ts';
import { createSealpost, placeSealpostPipe } from '../test/e2e/support/sealpost-process.ts';
import { type Sink, startSink } from '../test/e2e/support/sink.ts';
import { sendRaw } from '../test/e2e/support/submit.ts';
import { looksSealed, unseal } from '../test/e2e/support/unseal.ts';
import { addColleagues } from './colleagues.ts';
import type { Target } from './measure.ts';

/** What one call is measured of: ours, the Python filters (as they are built, and stripped to the bone), and Node.js alone. */
export type PipeProgram = 'sealpost-pipe' | 'mailgate-pipe' | 'bare-python-pipe' | 'node -e 0';

export interface Stand {
  /** Has the key that gpg makes by default (GnuPG 2.2: RSA 3072). */
  readonly recipient: string;
  /** Has a Curve25519 key. */
  readonly modern: string;
  /** A 4 KB message with LF line ends, as pipe(8) gives it. */
  readonly message: Buffer;
  readonly ports: Readonly<Record<Target, number>>;
  readonly pipes: Readonly<
    Record<PipeProgram, { readonly command: string; readonly args: readonly string[] }>
  >;
  /** Messages that the next hop has taken so far. */
  arrived(): Promise<number>;
  /** Sends a sample through everything that was measured, decrypts it with GnuPG, and compares the bodies. */
  verify(progress: (text: string) => void): Promise<void>;
  close(): Promise<void>;
}

const RECIPIENT = 'alice@example.org';
const MODERN = 'bob@example.org';
/** Users with keys, in the directory and in the peers' keyring: a company or a department. */
export const USERS = 200;
const PYTHON = '/usr/bin/python3';

/** smtp-sink with running counters: `sess=1 quit=1 mesg=1`. */
async function startCounter(
  port: number,
): Promise<{ readonly arrived: () => Promise<number>; readonly child: ChildProcess }> {
  const child = spawn('smtp-sink', ['-c', '-u', 'nobody', `127.0.0.1:${port}`, '1000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let messages = 0;
  let lastChange = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    const counted = [...chunk.toString('latin1').matchAll(/mesg=(\d+)/g)].at(-1)?.[1];
    if (counted !== undefined && Number(counted) !== messages) {
      messages = Number(counted);
      lastChange = Date.now();
    }
  });
  await waitForPort(port);
  return {
    child,
    // The counter's output may lag behind the last reply by a turn of the pipe.
    arrived: async () => {
      do await new Promise((resolve) => setTimeout(resolve, 30));
      while (Date.now() - lastChange < 30);
      return messages;
    },
  };
}

function waitForPort(port: number): Promise<void> {
  return waitUntil(`a listener on port ${port}`, 15_000, async () => {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  });
}

function letter(): Buffer {
  const body = Array.from(
    { length: 55 },
    (_, line) => `Line ${line} of a message that nobody else should ever read.  ${'.'.repeat(12)}`,
  );
  return Buffer.from(
    [
      'From: <carol@example.net>',
      `To: <${RECIPIENT}>`,
      'Subject: bench',
      'Message-ID: <bench@example.net>',
      '',
      ...body,
      '',
    ].join('\n'),
  );
}

export async function createStand(progress: (text: string) => void): Promise<Stand> {
  progress('making a key, an embedded database, sealpost and the peers ...');
  const places = await allocatePlaces();
  const [
    counterPort = 0,
    sinkPort = 0,
    lacrePort = 0,
    overlapPort = 0,
    lacreCheckPort = 0,
    overlapCheckPort = 0,
  ] = await freePorts(6);
  const home = await createGpgHome();
  const keys = [await makeKey(home, RECIPIENT, 'default'), await makeKey(home, MODERN, 'future-default')];
  const counter = await startCounter(counterPort);
  const sealpost = await createSealpost({
    places,
    example: null,
    substitutions: exampleSubstitutions(places),
    config: {
      observe: { log_level: 'warn' },
      filter: {
        next_hop: `smtp:127.0.0.1:${counterPort}`,
        listen: [
          { name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` },
          { name: 'smtp', protocol: 'smtp', address: `127.0.0.1:${places.smtpPort}` },
        ],
      },
    },
  });
  const children: ChildProcess[] = [counter.child];
  const python = async (script: string, listen: number, nextHop: number): Promise<void> => {
    const child = spawn(
      PYTHON,
      [
        join(repository, 'bench/peers', script),
        '--listen',
        `127.0.0.1:${listen}`,
        '--next-hop',
        `127.0.0.1:${nextHop}`,
        '--homedir',
        home.dir,
      ],
      { stdio: 'ignore' },
    );
    children.push(child);
    await waitForPort(listen);
  };
  const cli = async (args: readonly string[], stdin?: string): Promise<void> => {
    const ended = await sealpost.cli(args, stdin === undefined ? {} : { stdin });
    if (ended.code !== 0) throw new Error(`sealpost ${args.join(' ')}: exit ${ended.code}: ${ended.stderr}`);
  };
  const pipeArgs = [
    '--config',
    places.sealpostConfig,
    '--queue-id',
    'BENCH',
    '-f',
    'carol@example.net',
    '--',
    RECIPIENT,
  ];
  const pythonPipe = (script: string, nextHop: number) => ({
    command: PYTHON,
    args: [
      join(repository, 'bench/peers', script),
      '--homedir',
      home.dir,
      '--next-hop',
      `127.0.0.1:${nextHop}`,
      '-f',
      'carol@example.net',
      '--',
      RECIPIENT,
    ],
  });
  let sink: Sink | undefined;
  await cli(['migrate']);
  await cli(['domain', 'add', 'example.org']);
  for (const key of keys) {
    await cli(['user', 'add', key.address]);
    await cli(['key', 'import', '-'], key.publicKey);
  }
  await addColleagues(USERS - keys.length, 'example.org', places.sealpostConfig, home);
  await sealpost.start();
  await python('aiosmtpd-lacre-proxy.py', lacrePort, counterPort);
  await python('aiosmtpd-gpg-proxy.py', overlapPort, counterPort);
  const pipe = join(places.dir, 'sealpost-pipe.mjs');
  await placeSealpostPipe(pipe);

  /** One message through `send` must come out of the checking sink sealed, and open to the body that went in. */
  async function check(name: string, send: () => Promise<unknown>): Promise<void> {
    if (sink === undefined) throw new Error('there is no sink to check with');
    const known = sink.deliveries().length;
    await send();
    await waitUntil(`a message through ${name}`, 10_000, () => (sink?.deliveries().length ?? 0) > known);
    const delivered = sink.deliveries().at(-1)?.message ?? Buffer.alloc(0);
    if (!looksSealed(delivered)) throw new Error(`${name}: a message came out unsealed`);
    const { body } = await unseal(delivered, gpgDecrypt(home));
    const sent = letter().toString('latin1').replaceAll('\n', '\r\n').split('\r\n\r\n')[1] ?? '';
    if (body.toString('latin1').trimEnd() !== sent.trimEnd())
      throw new Error(`${name}: the decrypted body differs`);
  }

  return {
    recipient: RECIPIENT,
    modern: MODERN,
    message: letter(),
    ports: {
      sealpost: places.smtpPort,
      'sealpost-lmtp': places.lmtpPort,
      'lacre-like': lacrePort,
      'overlapping-python': overlapPort,
      direct: counterPort,
    },
    pipes: {
      'sealpost-pipe': { command: pipe, args: pipeArgs },
      'mailgate-pipe': pythonPipe('pipe-mailgate.py', counterPort),
      'bare-python-pipe': pythonPipe('pipe-gpg.py', counterPort),
      'node -e 0': { command: process.execPath, args: ['-e', '0'] },
    },
    arrived: counter.arrived,
    async verify() {
      progress('checking a sample of what was measured with GnuPG ...');
      sink = await startSink({ protocol: 'smtp', listen: { port: sinkPort } });
      const config = parse(await readFile(places.sealpostConfig, 'utf8'));
      const filter = { ...(config.filter as object), next_hop: `smtp:127.0.0.1:${sinkPort}` };
      await writeFile(places.sealpostConfig, stringify({ ...config, filter }));
      const pid = sealpost.pid();
      if (pid !== undefined) process.kill(pid, 'SIGHUP');
      await new Promise((resolve) => setTimeout(resolve, 500));
      await python('aiosmtpd-lacre-proxy.py', lacreCheckPort, sinkPort);
      await python('aiosmtpd-gpg-proxy.py', overlapCheckPort, sinkPort);
      const message = Buffer.from(letter().toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
      const mail = { sender: 'carol@example.net', recipients: [RECIPIENT], message };
      await check('sealpost over SMTP', () => sendRaw({ ...mail, to: { port: places.smtpPort } }));
      await check('sealpost over LMTP', () =>
        sendRaw({ ...mail, protocol: 'lmtp', to: { port: places.lmtpPort } }),
      );
      await check('the overlapping Python proxy', () => sendRaw({ ...mail, to: { port: overlapCheckPort } }));
      await check('sealpost-pipe', () => mustRun(pipe, pipeArgs.with(3, 'CHECK'), { stdin: letter() }));
      const bare = pythonPipe('pipe-gpg.py', sinkPort);
      await check('the bare Python pipe', () => mustRun(bare.command, bare.args, { stdin: letter() }));
    },
    async close() {
      for (const child of children) child.kill('SIGTERM');
      await sealpost.close();
      await sink?.stop();
      await home.close();
      await places.remove();
    },
  };
}

// The life of `sealpost serve`: what systemd sees of it, SIGHUP, a database that is away, wrong starts.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, readFile, rename, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { parse, stringify } from 'smol-toml';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitUntil } from '../support/child.ts';
import { skipWithout } from '../support/needs.ts';
import { migrateAsNewer } from '../support/newer-database.ts';
import { allocatePlaces, exampleSubstitutions, freePorts, type Places } from '../support/places.ts';
import { createSealpost, type SealpostProcess, sealpostCommand } from '../support/sealpost-process.ts';
import { type Sink, startSink } from '../support/sink.ts';
import { sendRaw } from '../support/submit.ts';

let places: Places;
let sealpost: SealpostProcess;
const cleanups: (() => unknown)[] = [];

beforeEach(async () => {
  places = await allocatePlaces();
  sealpost = await createSealpost({
    places,
    example: null,
    substitutions: exampleSubstitutions(places),
    config: config(),
  });
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
  await sealpost.close();
  await places.remove();
});

function config(nextHop = places.reinjectPort, lmtp = places.lmtpPort): Record<string, unknown> {
  return {
    filter: {
      next_hop: `smtp:127.0.0.1:${nextHop}`,
      listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${lmtp}` }],
    },
  };
}

async function sinkOn(port: number): Promise<Sink> {
  const sink = await startSink({ protocol: 'smtp', listen: { port } });
  cleanups.push(() => sink.stop());
  return sink;
}

/** Rewrites the configuration of the running serve and tells it. */
async function reload(overrides: Record<string, unknown>, raw?: string): Promise<void> {
  const old = await readFile(places.sealpostConfig, 'utf8');
  const base = old.slice(0, old.indexOf('[filter]') < 0 ? old.length : old.indexOf('[filter]'));
  await writeFile(places.sealpostConfig, raw ?? `${base}\n${stringify(overrides)}`);
  process.kill(sealpost.pid() ?? 0, 'SIGHUP');
  await waitUntil('serve to have read its configuration', 5000, () =>
    /configuration re-read|new configuration is not used/.test(sealpost.log().slice(mark)),
  );
  mark = sealpost.log().length;
}

let mark = 0;

const message = Buffer.from('From: <c@outside.example>\r\nSubject: x\r\n\r\nbody\r\n');

async function deliver(port: number, text = message): Promise<string[]> {
  return sendRaw({
    to: { port },
    protocol: 'lmtp',
    sender: 'c@outside.example',
    recipients: ['a@b.example'],
    message: text,
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** The first line of a listener on a unix socket. */
async function greeting(path: string): Promise<string> {
  const socket = connect({ path });
  const [line] = await once(socket, 'data');
  socket.destroy();
  return String(line);
}

describe('SIGHUP', () => {
  it('takes a new next hop and new listeners without losing the old ones before the new ones are open', async () => {
    const [secondPort = 0, newLmtp = 0] = await freePorts(2);
    const [first, second] = [await sinkOn(places.reinjectPort), await sinkOn(secondPort)];
    await sealpost.start();
    mark = sealpost.log().length;
    expect(await deliver(places.lmtpPort)).toMatchObject([expect.stringMatching(/^250 /)]);
    await reload(config(secondPort, newLmtp));
    expect(await deliver(newLmtp)).toMatchObject([expect.stringMatching(/^250 /)]);
    expect([first.transactions.length, second.transactions.length]).toEqual([1, 1]);
    expect(await answers(places.lmtpPort)).toBe(false);
  });

  it('does not wait for mail in flight on a listener that goes', async () => {
    const [secondPort = 0, newLmtp = 0] = await freePorts(2);
    const [first, second] = [await sinkOn(places.reinjectPort), await sinkOn(secondPort)];
    await sealpost.start();
    mark = sealpost.log().length;
    first.behave({ delay: 60_000 });
    const inFlight = deliver(places.lmtpPort, Buffer.from('Subject: slow\r\n\r\n')).catch(() => ['gone']);
    await waitUntil('the next hop to have the message', 5000, () => first.counts.messages > 0);
    await reload(config(secondPort, newLmtp));
    expect(await deliver(newLmtp)).toMatchObject([expect.stringMatching(/^250 /)]);
    expect(second.transactions).toHaveLength(1);
    await sealpost.kill9();
    expect(await inFlight).not.toMatchObject([expect.stringMatching(/^250 /)]);
  });

  it('keeps the running configuration when the new one is wrong, or a new listener cannot be opened', async () => {
    const sink = await sinkOn(places.reinjectPort);
    await sealpost.start();
    mark = sealpost.log().length;
    await reload({}, 'this is = no toml [');
    expect(await deliver(places.lmtpPort)).toMatchObject([expect.stringMatching(/^250 /)]);
    const [taken = 0] = await freePorts(1);
    const other: Server = createServer().listen(taken, '127.0.0.1');
    cleanups.push(() => other.close());
    await reload(
      config(places.reinjectPort, taken),
      stringify({ state_dir: join(places.dir, 'state'), ...config(places.reinjectPort, taken) }),
    );
    expect(await deliver(places.lmtpPort)).toMatchObject([expect.stringMatching(/^250 /)]);
    expect(sink.transactions).toHaveLength(2);
    expect(sealpost.log()).toContain('another process already listens there');
  });
});

describe('sealpost status', () => {
  it('tells what runs, the rates of the last minute and the depth of the queue', async () => {
    await sinkOn(places.reinjectPort);
    await sealpost.start();
    await deliver(places.lmtpPort);
    expect((await sealpost.cli(['status', '--json'])).json).toMatchObject({
      running: true,
      serve: { pid: sealpost.pid(), last_minute: { accepted: 1, temporary: 0, permanent: 0, lookups: 0 } },
      database: { users: 0, queue_messages: 0, queue_bytes: 0 },
    });
  });
});

describe('systemd', () => {
  /** Python, since Node.js has no datagram unix sockets. Prints one line for each notification. */
  function listenForNotifications(path: string): {
    readonly child: ChildProcess;
    readonly lines: () => string;
  } {
    const script =
      'import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nprint("bound",flush=True)\nwhile True: print(s.recv(4096).decode(),flush=True)\n';
    const child = spawn('python3', ['-c', script, path], { stdio: ['ignore', 'pipe', 'ignore'] });
    let seen = '';
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString('utf8');
    });
    cleanups.push(() => child.kill());
    return { child, lines: () => seen };
  }

  it('is told when serve is ready, alive, reloading and stopping', async (context) => {
    skipWithout(context, 'python3');
    const path = join(places.dir, 'notify.sock');
    const notifications = listenForNotifications(path);
    await waitUntil('the notification socket', 5000, () => notifications.lines().includes('bound'));
    await sealpost.close();
    sealpost = await createSealpost({
      places,
      example: null,
      substitutions: exampleSubstitutions(places),
      config: config(),
      env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '400000' },
    });
    await sealpost.start();
    mark = sealpost.log().length;
    await waitUntil('READY and WATCHDOG', 10_000, () =>
      /READY=1[\s\S]*WATCHDOG=1/.test(notifications.lines()),
    );
    await reload(config());
    await waitUntil('RELOADING', 5000, () => notifications.lines().includes('RELOADING=1'));
    await sealpost.stop();
    await waitUntil('STOPPING', 5000, () => notifications.lines().includes('STOPPING=1'));
  });
});

describe('a socket that systemd passes', () => {
  /** Starts serve with a unix socket as descriptor 3 under this name. */
  async function startWith(name: string, path: string) {
    const keeper: Server = createServer().listen(path);
    await once(keeper, 'listening');
    const fd = Number(Reflect.get(Object(Reflect.get(keeper, '_handle')), 'fd'));
    const { program, args } = sealpostCommand();
    // The process that serves must be the one of LISTEN_PID.
    const child = spawn(
      '/bin/sh',
      ['-c', 'LISTEN_PID=$$ exec "$@"', 'sh', program, ...args, 'serve', '--config', sealpost.configPath],
      {
        stdio: ['ignore', 'ignore', 'pipe', fd],
        env: { ...process.env, LISTEN_FDS: '1', LISTEN_FDNAMES: name },
      },
    );
    const exited = once(child, 'exit');
    cleanups.push(() => child.kill('SIGTERM') && exited);
    let log = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      log += bytes.toString('utf8');
    });
    await waitUntil('serve to be ready', 60_000, () => /sealpost is ready/.test(log));
    // From here on only serve accepts. A second name keeps the socket, whose file Node.js removes with the server.
    await link(path, `${path}.kept`);
    await new Promise((resolve) => keeper.close(resolve));
    await rename(`${path}.kept`, path);
    return { child, log: () => log };
  }

  const listen = (listener: object): string =>
    stringify({ ...unchanged, filter: { ...unchanged.filter, listen: [listener] } });
  let unchanged: { filter?: object } = {};

  it('is served on through every reload that keeps its listener, whatever changes beside', async () => {
    const path = join(places.dir, 'passed.sock');
    unchanged = parse(await readFile(places.sealpostConfig, 'utf8'));
    const listener = { name: 'lmtp', protocol: 'lmtp', address: `unix:${path}` };
    await writeFile(places.sealpostConfig, listen(listener));
    const { child, log } = await startWith('lmtp', path);
    const reloaded = async (text: string): Promise<string> => {
      const seen = log().length;
      await writeFile(places.sealpostConfig, text);
      process.kill(child.pid ?? 0, 'SIGHUP');
      await waitUntil('the reload', 15_000, () => /re-read|is not used/.test(log().slice(seen)));
      return log().slice(seen);
    };
    expect(await greeting(path)).toMatch(/^220 \S+ LMTP /);
    expect(await reloaded(listen({ ...listener, protocol: 'smtp', mode: '0600' }))).toContain('re-read');
    expect(await greeting(path)).toMatch(/^220 \S+ ESMTP /);
    const moved = await reloaded(listen({ ...listener, address: `unix:${path}.other` }));
    expect(moved).toContain(`that listens on unix:${path}; expected unix:${path}.other`);
    expect(await greeting(path)).toMatch(/^220 \S+ ESMTP /);
    const renamed = await reloaded(listen({ ...listener, name: 'other' }));
    expect(renamed).toContain('systemd passes its socket under the name \\"lmtp\\"');
    expect(await greeting(path)).toMatch(/^220 \S+ ESMTP /);
  });

  it('and that no listener is named for is warned about', async () => {
    const { log } = await startWith('lmpt', join(places.dir, 'passed.sock'));
    expect(log()).toMatch(/"names":\["lmpt"\].*systemd passes sockets that no listener is named for/);
  });
});

describe('wrong starts', () => {
  const attempts = (serve: SealpostProcess): number =>
    serve.log().split('the database cannot be reached').length - 1;

  it('refuses a database without tables, and names the command that makes them', async () => {
    await sealpost.close();
    await places.remove();
    places = await allocatePlaces();
    sealpost = await createSealpost({
      places,
      example: null,
      substitutions: exampleSubstitutions(places),
      config: config(),
      migrate: false,
    });
    const done = await sealpost.program(['serve']);
    expect(done.code).toBe(1);
    expect(done.stderr).toMatch(/run `sealpost migrate`/);
    expect(done.stderr).not.toMatch(/\n\s+at /);
  });

  it('refuses a database of a newer program in one sentence, unless it may; what runs goes on', async () => {
    await sinkOn(places.reinjectPort);
    await sealpost.start();
    await migrateAsNewer(sealpost.configPath);
    expect(await deliver(places.lmtpPort)).toMatchObject([expect.stringMatching(/^250 /)]);
    await sealpost.stop();
    const done = await sealpost.program(['serve']);
    expect(done.code).toBe(1);
    expect(done.stderr.split('\n').filter((line) => line.startsWith('sealpost: '))).toEqual([
      expect.stringMatching(
        /is of a newer sealpost than this program \(\d+\.\d+\.\d+\), which does not know its migration made 2099-01-01T00:00:00\.000Z; install that version here, or start with --allow-newer-database$/,
      ),
    ]);
    const back = sealpostCommand();
    const child = spawn(
      back.program,
      [...back.args, 'serve', '--allow-newer-database', '--config', sealpost.configPath],
      { stdio: 'ignore' },
    );
    cleanups.push(() => child.kill());
    await waitUntil('serve to listen', 30_000, () => answers(places.lmtpPort));
    expect(await deliver(places.lmtpPort)).toMatchObject([expect.stringMatching(/^250 /)]);
    const ended = once(child, 'exit');
    child.kill();
    expect(await ended).toEqual([0, null]);
  });

  it('names the address that is taken', async () => {
    const other: Server = createServer().listen(places.lmtpPort, '127.0.0.1');
    cleanups.push(() => other.close());
    const done = await sealpost.program(['serve']);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain(
      `listener "lmtp" on 127.0.0.1:${places.lmtpPort} cannot be opened: another process already listens there`,
    );
  });

  it('waits for a database that is away, and ends on SIGTERM meanwhile', async () => {
    const [nobody = 0] = await freePorts(1);
    const done = sealpost.program(['--version']);
    expect((await done).code).toBe(0);
    await sealpost.close();
    const away = await createSealpost({
      places,
      example: null,
      substitutions: exampleSubstitutions(places),
      config: { ...config(), database: { url: `postgres://nobody@127.0.0.1:${nobody}/none` } },
      migrate: false,
    });
    const starting = away.start().catch(() => 'not ready');
    await waitUntil('serve to say that the database is away', 15_000, () =>
      away.log().includes('the database cannot be reached'),
    );
    expect(await answers(places.lmtpPort)).toBe(false);
    // Who asks is told why, from the first moment on; the name of the database is no secret.
    const because = expect.stringContaining(`postgres://nobody@127.0.0.1:${nobody}/none cannot be reached`);
    const observed = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${places.observePort}/${path}`);
      return { code: response.status, said: await response.json() };
    };
    expect(await observed('readyz')).toEqual({ code: 503, said: { ready: false, reasons: [because] } });
    expect(await observed('healthz')).toMatchObject({ code: 200 });
    expect(away.log()).toContain(`the database at postgres://nobody@127.0.0.1:${nobody}/none`);
    expect(await away.cli(['status', '--json'])).toMatchObject({
      code: 75,
      json: {
        running: true,
        serve: { pid: away.pid(), complaints: [because] },
        database: null,
        config: places.sealpostConfig,
        problems: expect.arrayContaining([because]),
      },
    });
    process.kill(away.pid() ?? 0, 'SIGHUP');
    await waitUntil('another attempt', 15_000, () => attempts(away) > 2);
    expect(await away.stop()).toBe(0);
    expect(await starting).toBe('not ready');
  });
});

// One more part in the list of `sealpost serve` is one file and one line: readiness, status, reload, passed sockets and the end
// come from the list, in one process and in several.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitUntil } from '../support/child.ts';
import { HELLOS } from '../support/hello-part.ts';
import {
  allocatePlaces,
  exampleSubstitutions,
  freePorts,
  type Places,
  repository,
} from '../support/places.ts';
import { createSealpost, type SealpostProcess } from '../support/sealpost-process.ts';

let places: Places;
let sealpost: SealpostProcess;
let port: number;
let serve: ChildProcess | undefined;
let log = '';

beforeEach(async () => {
  log = '';
  [port = 0] = await freePorts(1);
  places = await allocatePlaces();
  sealpost = await createSealpost({
    places,
    example: null,
    substitutions: exampleSubstitutions(places),
    config: {
      filter: {
        next_hop: `smtp:127.0.0.1:${places.reinjectPort}`,
        max_received: 7,
        listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` }],
      },
    },
  });
});
afterEach(async () => {
  if (serve !== undefined && serve.exitCode === null) {
    const ended = once(serve, 'exit');
    serve.kill('SIGTERM');
    await ended;
  }
  serve = undefined;
  await sealpost.close();
  await places.remove();
});

/** Starts serve with the part in its list, and these sockets from systemd. */
async function start(workers: number, passed: Readonly<Record<string, number>> = {}): Promise<void> {
  const tsx = join(repository, 'node_modules/tsx/dist/loader.mjs');
  const program = [process.execPath, '--import', tsx, join(repository, 'test/support/hello-serve.ts')];
  // The process that serves must be the one of LISTEN_PID.
  const child = spawn(
    '/bin/sh',
    ['-c', 'LISTEN_PID=$$ exec "$@"', 'sh', ...program, sealpost.configPath, String(workers)],
    {
      stdio: ['ignore', 'ignore', 'pipe', ...Object.values(passed)],
      env: {
        ...process.env,
        HELLO: `127.0.0.1:${port}`,
        ...(Object.keys(passed).length === 0
          ? {}
          : {
              LISTEN_FDS: String(Object.keys(passed).length),
              LISTEN_FDNAMES: Object.keys(passed).join(':'),
            }),
      },
    },
  );
  serve = child;
  child.stderr?.on('data', (bytes: Buffer) => {
    log += bytes.toString('utf8');
  });
}

/** Waits for the last line of a start; of several workers the primary says it last. */
async function untilReady(): Promise<void> {
  await waitUntil(
    'serve to be ready',
    120_000,
    async () => {
      if (serve?.exitCode !== null) throw new Error(`serve has ended: ${log}`);
      return (await ask('readyz').catch(() => null))?.ok === true;
    },
    () => log.slice(-3000),
  );
}

const ask = (path: string, at = places.observePort): Promise<Response> =>
  fetch(`http://127.0.0.1:${at}/${path}`);

async function hello(at = port): Promise<string> {
  const socket = connect(at, '127.0.0.1');
  const [bytes] = await once(socket, 'data');
  return String(bytes);
}

describe('a part that is added to the list', () => {
  it('is seen in status and readiness, follows reloads, and ends with serve', async () => {
    await start(1);
    await untilReady();
    expect(await hello()).toBe('hello, after at most 7 hops\n');
    expect(log).toContain(`"hello 127.0.0.1:${port}"`);
    const status = await (await ask('status')).json();
    expect(status).toMatchObject({
      pid: serve?.pid,
      hello: { greeted: 1 },
      spools: [],
      in_flight: { transactions: 0, bytes: 0, late: 0 },
    });
    expect(status).toHaveProperty(
      'listeners',
      expect.arrayContaining([
        { name: 'hello', address: `127.0.0.1:${port}`, connections: 0 },
        { name: 'lmtp', address: `127.0.0.1:${places.lmtpPort}`, connections: 0 },
      ]),
    );

    const written = await readFile(sealpost.configPath, 'utf8');
    const changed = written.replace('max_received = 7', 'max_received = 8\nidle_timeout = "100s"');
    expect(changed).not.toBe(written);
    await writeFile(sealpost.configPath, changed);
    serve?.kill('SIGHUP');
    await waitUntil('the reload', 15_000, () => log.includes('configuration re-read'));
    expect(log).toContain('"needs_restart":["filter.idle_timeout"]');
    expect(await hello()).toBe('hello, after at most 8 hops\n');

    for (let count = 2; count < HELLOS; count += 1) await hello();
    const complaining = await ask('readyz');
    expect(complaining.status).toBe(503);
    expect(await complaining.json()).toEqual({ ready: false, reasons: ['hello was said often enough'] });

    const ended = once(serve ?? process, 'exit');
    serve?.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
    expect(log.split('hello says good-bye')).toHaveLength(2);
    expect(log).toContain('"graceMs":25000');
  });

  it('ends serve with its own words when it cannot be opened', async () => {
    const taken = createServer().listen(port, '127.0.0.1');
    await once(taken, 'listening');
    try {
      await start(1);
      const [code] = await once(serve ?? process, 'exit');
      expect(code).toBe(1);
      expect(log).toContain(
        `the listener hello on 127.0.0.1:${port} cannot be opened: another process already listens there`,
      );
      await expect(ask('readyz')).rejects.toThrow();
    } finally {
      taken.close();
    }
  });

  it('gets the socket of its name, as the listeners of workers and primary do; nobody else is blamed', async () => {
    const keepers = { hello: createServer(), observe: createServer(), nobody: createServer() };
    for (const keeper of Object.values(keepers)) await once(keeper.listen(0, '127.0.0.1'), 'listening');
    const fdOf = (keeper: object): number =>
      Number(Reflect.get(Object(Reflect.get(keeper, '_handle')), 'fd'));
    const portOf = (keeper: object): number =>
      Number(Reflect.get(Object((keeper as typeof keepers.hello).address()), 'port'));
    const [helloPort, observePort] = [portOf(keepers.hello), portOf(keepers.observe)];
    await start(2, {
      hello: fdOf(keepers.hello),
      observe: fdOf(keepers.observe),
      nobody: fdOf(keepers.nobody),
    });
    for (const keeper of Object.values(keepers)) await new Promise((resolve) => keeper.close(resolve));
    await waitUntil(
      'the primary to be ready',
      150_000,
      () => /"workers":2[^\n]*sealpost is ready/.test(log),
      () => log.slice(-3000),
    );
    expect(await hello(helloPort)).toBe('hello, after at most 7 hops\n');
    expect(await (await ask('readyz', observePort)).json()).toEqual({ ready: true, reasons: [] });
    const status = await (await ask('status', observePort)).json();
    expect(status).toMatchObject({ pid: serve?.pid, hello: { greeted: 1 } });
    expect(status).toHaveProperty(
      'listeners',
      expect.arrayContaining([
        { name: 'hello', address: `127.0.0.1:${helloPort}`, connections: 0 },
        { name: 'observe', address: `127.0.0.1:${observePort}`, connections: expect.any(Number) },
      ]),
    );
    const blamed = log.split('\n').filter((line) => line.includes('no listener is named for'));
    expect(blamed.map((line) => JSON.parse(line).names)).toEqual([['nobody']]);
    // One of the two workers has the part.
    expect(log.match(/"hello 127\.0\.0\.1:\d+"/g)).toHaveLength(1);
  });
});

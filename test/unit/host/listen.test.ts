// What every listener of sealpost does alike: addresses, rights, leftovers of a killed process, passed sockets, failures in words.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Endpoint } from '../../../src/config/units.ts';
import { type ListenOptions, openListener } from '../../../src/host/listen.ts';
import { createLogger } from '../../../src/observe/log.ts';

let folder: string;
let logged: { msg: string }[] = [];
const servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'listen-'));
  logged = [];
});
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

/** A server that greets, so that one can see who answers. */
function greeter(greeting = 'hello'): Server {
  const server = createServer((socket) => socket.on('error', () => undefined).end(greeting));
  servers.push(server);
  return server;
}

function open(endpoint: Endpoint, more: Partial<ListenOptions> = {}, server = greeter()): Promise<Endpoint> {
  const destination = { write: (line: string) => logged.push(JSON.parse(line)) };
  const logger = createLogger({ level: 'info', destination });
  return openListener(server, { title: 'the listener test', endpoint, logger, ...more });
}

async function greetingAt(endpoint: Endpoint): Promise<string> {
  const socket = endpoint.kind === 'unix' ? connect(endpoint.path) : connect(endpoint.port, endpoint.host);
  const [bytes] = await once(socket, 'data');
  return String(bytes);
}

const anyPort: Endpoint = { kind: 'inet', host: '127.0.0.1', port: 0 };
const at = (name: string): Endpoint & { kind: 'unix' } => ({ kind: 'unix', path: join(folder, name) });

/** Leaves a socket file behind, as a killed process does. */
function leaveDeadSocket(path: string): void {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['--eval', script]);
}

describe('a listener', () => {
  it('on port 0 tells the port that it got', async () => {
    const bound = await open(anyPort);
    expect(bound).toMatchObject({ kind: 'inet', host: '127.0.0.1', port: expect.any(Number) });
    expect(await greetingAt(bound)).toBe('hello');
  });

  it('on a unix socket has the mode and the group that are asked for', async () => {
    const [gid = 0] = process.getgroups?.() ?? [];
    expect(await open(at('s'), { mode: '0620', group: String(gid) })).toEqual(at('s'));
    expect(statSync(at('s').path)).toMatchObject({ gid });
    expect((statSync(at('s').path).mode & 0o777).toString(8)).toBe('620');
  });

  it('takes the place of a socket that a killed process left behind', { tags: ['slow'] }, async () => {
    leaveDeadSocket(at('s').path);
    expect(statSync(at('s').path).isSocket()).toBe(true);
    await open(at('s'));
    expect(await greetingAt(at('s'))).toBe('hello');
  });

  it('logs a connection that could not be accepted, and goes on', async () => {
    const server = greeter();
    const bound = await open(anyPort, {}, server);
    server.emit('error', new Error('accept EMFILE'));
    expect(logged).toMatchObject([{ msg: 'listener error', err: { message: 'accept EMFILE' } }]);
    expect(await greetingAt(bound)).toBe('hello');
  });
});

describe('a listener that cannot be opened says who, where and why', () => {
  it('on a port that is taken', async () => {
    const taken = await open(anyPort);
    const port = taken.kind === 'inet' ? taken.port : 0;
    await expect(open(taken)).rejects.toThrow(
      `the listener test on 127.0.0.1:${port} cannot be opened: another process already listens there ("ss -ltnp" names it)`,
    );
  });

  it('on a socket that is served, which goes on being served', async () => {
    await open(at('s'), {}, greeter('first'));
    await expect(open(at('s'))).rejects.toThrow(
      `the listener test: another process already listens on ${at('s').path}: stop it first`,
    );
    expect(await greetingAt(at('s'))).toBe('first');
  });

  it('on a file that is no socket, which is left alone', async () => {
    writeFileSync(at('file').path, 'precious');
    await expect(open(at('file'))).rejects.toThrow(`${at('file').path} exists and is not a socket`);
    expect(statSync(at('file').path).size).toBe('precious'.length);
  });

  it.each([
    [
      'an address of another machine',
      { kind: 'inet', host: '192.0.2.1', port: 0 },
      {},
      'does not have that address',
    ],
    ['a folder that is not there', at.bind(null, 'no/s'), {}, 'the directory of the socket does not exist'],
    ['a group that is not there', at.bind(null, 's'), { group: 'no-such-group' }, '"no-such-group"'],
  ] as const)('on %s', { tags: ['slow'] }, async (_what, where, more, why) => {
    const server = greeter();
    const endpoint: Endpoint = typeof where === 'function' ? where() : where;
    await expect(open(endpoint, more, server)).rejects.toThrow(why);
    expect(server.listening).toBe(false);
  });
});

// The observe listener: what each path answers, what it refuses, and how it starts and ends.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Endpoint } from '../../../src/config/units.ts';
import { type ObserveServerOptions, startObserveServer } from '../../../src/http/observe.ts';
import type { HttpListener } from '../../../src/http/server.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';

let folder: string;
let servers: HttpListener[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'so-'));
});

afterEach(async () => {
  for (const server of servers) await server.close(0);
  servers = [];
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a server that is ready unless told otherwise, on a free port unless told otherwise. */
async function start(options: Partial<ObserveServerOptions> = {}): Promise<{
  readonly address: Endpoint;
  close(): Promise<void>;
}> {
  const server = await startObserveServer({
    endpoint: { kind: 'inet', host: '127.0.0.1', port: 0 },
    metrics: createMetrics({ processMetrics: false }),
    logger: createLogger({ level: 'silent' }),
    hosts: ['mx.example.org', 'metrics.example.org'],
    health: async () => ({ ready: true, reasons: [] }),
    ...options,
  });
  servers.push(server);
  return { address: server.endpoint, close: () => server.close(0) };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

function ask(
  address: Endpoint,
  path: string,
  method = 'GET',
  headers: Record<string, string> = {},
): Promise<Answer> {
  const target =
    address.kind === 'unix' ? { socketPath: address.path } : { host: address.host, port: address.port };
  return new Promise((resolve, reject) => {
    const sent = request({ ...target, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => (body += chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    sent.on('error', reject).end();
  });
}

describe('the observe listener', () => {
  test('answers /metrics in the Prometheus text format', async () => {
    const metrics = createMetrics({ processMetrics: false });
    metrics.duplicatesSuppressed.inc(7);
    const { address } = await start({ metrics });
    const { status, headers, body } = await ask(address, '/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toContain('text/plain; version=0.0.4');
    expect(body).toContain('\nsealpost_duplicates_suppressed_total 7\n');
  });

  test('answers /healthz while the process lives, ready or not', async () => {
    const { address } = await start({ health: async () => ({ ready: false, reasons: ['x'] }) });
    expect(await ask(address, '/healthz')).toMatchObject({ status: 200, body: '{"alive":true}' });
  });

  test('answers /readyz with 200, or with 503 and the reasons', async () => {
    const ready = await start();
    expect(await ask(ready.address, '/readyz')).toMatchObject({
      status: 200,
      body: '{"ready":true,"reasons":[]}',
    });
    const reasons = ['the database does not answer'];
    const unready = await start({ health: async () => ({ ready: false, reasons }) });
    const { status, body } = await ask(unready.address, '/readyz');
    expect(status).toBe(503);
    expect(JSON.parse(body)).toEqual({ ready: false, reasons });
  });

  test('answers /readyz with 503 when the check fails or hangs, without the text of the failure', async () => {
    const failing = await start({ health: () => Promise.reject(new Error('postgres://mail:pw@db')) });
    expect(await ask(failing.address, '/readyz')).toMatchObject({
      status: 503,
      body: '{"ready":false,"reasons":["the readiness check failed"]}',
    });
    const hanging = await start({ health: () => new Promise(() => {}), healthTimeout: 20 });
    expect(await ask(hanging.address, '/readyz')).toMatchObject({
      status: 503,
      body: '{"ready":false,"reasons":["no answer within 20 ms"]}',
    });
  });

  test('answers /status with what the callback tells, and 500 without details when that throws', async () => {
    const { address } = await start({ status: () => ({ version: '1.2.3', in_flight: 4 }) });
    expect(JSON.parse((await ask(address, '/status')).body)).toEqual({ version: '1.2.3', in_flight: 4 });
    const broken = await start({
      status: () => {
        throw new Error('secret detail');
      },
    });
    expect(await ask(broken.address, '/status')).toMatchObject({
      status: 500,
      body: '{"error":"internal error"}',
    });
  });

  test.each(['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'])('refuses %s with 405', async (method) => {
    const { address } = await start();
    const { status, headers } = await ask(address, '/metrics', method);
    expect(status).toBe(405);
    expect(headers.allow).toBe('GET');
  });

  test('answers 404 for other paths, 400 for broken ones, and 431 for too long a header', async () => {
    const { address } = await start();
    const other = await ask(address, '/');
    expect(other).toMatchObject({
      status: 404,
      body: '{"error":"there are /metrics, /healthz, /readyz and /status"}',
    });
    expect((await ask(address, '/%zz')).status).toBe(400);
    expect((await ask(address, '/metrics', 'GET', { cookie: 'x'.repeat(10_000) })).status).toBe(431);
  });
});

describe('the address of the observe listener', () => {
  test('may be a unix socket, and a socket file of a dead process is replaced', {
    tags: ['slow'],
  }, async () => {
    const path = join(folder, 'o.sock');
    const endpoint: Endpoint = { kind: 'unix', path };
    leaveDeadSocket(path);
    expect(existsSync(path)).toBe(true);
    const { address } = await start({ endpoint });
    expect(address).toEqual(endpoint);
    expect((await ask(address, '/healthz')).status).toBe(200);
  });

  test('is refused, and left alone, where another process listens or a file lies', async () => {
    const first = await start();
    const { address } = first;
    expect(address.kind === 'inet' && address.port > 0).toBe(true);
    await expect(start({ endpoint: address })).rejects.toThrow(
      /^observe\.listen on 127\.0\.0\.1:\d+ cannot be opened: another process already listens there \("ss -ltnp" names it\)$/,
    );
    const path = join(folder, 'file');
    writeFileSync(path, 'precious');
    await expect(start({ endpoint: { kind: 'unix', path } })).rejects.toThrow(
      `observe.listen: ${path} exists and is not a socket: remove it, or choose another path`,
    );
    expect(existsSync(path)).toBe(true);
    const live = await start({ endpoint: { kind: 'unix', path: join(folder, 'live') } });
    await expect(start({ endpoint: live.address })).rejects.toThrow(
      'observe.listen: another process already listens on',
    );
    expect((await ask(live.address, '/healthz')).status).toBe(200);
  });

  test('is free again after close, which does not wait for idle connections', async () => {
    const server = await start();
    const { address } = server;
    if (address.kind !== 'inet') throw new Error('the test asked for a TCP port');
    const idle = connect(address.port, address.host);
    await new Promise((resolve) => idle.once('connect', resolve));
    const ended = new Promise((resolve) => idle.once('close', resolve));
    idle.on('error', () => {}).resume();
    await server.close();
    await ended;
    const again = await start({ endpoint: address });
    expect((await ask(again.address, '/healthz')).status).toBe(200);
  });
});

/** Leaves a socket file behind, as a killed process does. */
function leaveDeadSocket(path: string): void {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['--eval', script]);
}

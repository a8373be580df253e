// Too many connections to the lookup daemons: what they are told, and what stays in reserve for mail.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { policyDelegation } from '../../../policy/delegation.ts';
import type { Lookups } from '../../../policy/lookups.ts';
import { type ListenerProtocol, putOff } from '../../../policy/put-off.ts';
import { createRoom, lookupConnections, MOST_PUT_OFF } from '../../../policy/room.ts';
import { socketmap } from '../../../policy/socketmap.ts';
import { tcpTable } from '../../../policy/tcp-table.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { openFilesLimit } from '../../../src/host/descriptors.ts';
import { repository } from '../../support/places.ts';

const open: (Server | Socket)[] = [];
afterEach(() => {
  for (const each of open.splice(0)) {
    if ('destroy' in each) each.destroy();
    else each.close();
  }
});

const unasked: Lookups['answer'] = () => {
  throw new Error('nothing is to be looked up');
};
const lookups = { answer: unasked } as Lookups;
const uncounted = (): undefined => undefined;

describe('the number of lookup connections', () => {
  it.each<readonly [string, object, number | null, number]>([
    ['is what is configured where the limit of open files is unknown', {}, null, 5000],
    ['is what is configured where there is room', {}, 16_384, 5000],
    ['is a quarter of a limit that the others need', {}, 1024, 256],
    ['is what the others leave', {}, 3000, 3000 - 200 - MOST_PUT_OFF - 500 - 50],
    ['counts the clients of the queue', { receiver: { api: { listen: '127.0.0.1:1' } } }, 4096, 4096 - 1800],
    ['is never more than configured', { policy: { max_connections: 7 } }, 1024, 7],
  ])('%s', (_, written, openFiles, expected) => {
    const config = configSchema.parse(written);
    expect(config.filter).toMatchObject({ max_connections: 500, next_hop_connections: 50 });
    expect(lookupConnections(config, openFiles)).toBe(expected);
  });

  it('rests on the limit that the system tells', () => {
    expect(openFilesLimit()).toBeGreaterThan(100);
    expect(openFilesLimit('/nonexistent')).toBeNull();
  });
});

describe('the room', () => {
  it('serves so many, tells some more that there are too many, and closes the rest', () => {
    const lines: string[] = [];
    const refused: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
    const room = createRoom(
      3,
      logger,
      (name) => refused.push(name),
      () => 0,
    );
    const places = Array.from({ length: 3 + MOST_PUT_OFF + 20 }, () => room.take('policy'));
    expect(places.filter((place) => place === 'served')).toHaveLength(3);
    expect(places.filter((place) => place === 'put off')).toHaveLength(MOST_PUT_OFF);
    expect(places.filter((place) => place === 'none')).toHaveLength(20);
    expect(refused).toHaveLength(MOST_PUT_OFF + 20);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { listener: 'policy', connections: 3, most: 3, not_logged: 0 },
      { listener: 'policy', connections: 3, most: 3, not_logged: 0 },
    ]);
    room.giveBack('none');
    room.giveBack('put off');
    expect([room.take('policy'), room.take('policy')]).toEqual(['put off', 'none']);
    room.giveBack('served');
    expect(room.take('policy')).toBe('served');
  });
});

/** What a client hears that asks so. */
async function heard<R>(protocol: ListenerProtocol<R>, question: string, patience?: number): Promise<string> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.push(socket);
    putOff(socket, protocol, patience);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  open.push(socket);
  socket.on('error', () => undefined);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.write(question);
  // Not events.once, which rejects where the server resets a connection with bytes that it has not read.
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

describe('a connection for which there is no room', () => {
  it.each<readonly [string, () => Promise<string>, string]>([
    [
      'tcp_table',
      () => heard(tcpTable('virtual_alias', lookups, uncounted), 'get a@example.org\nget b@example.org\n'),
      '400 too%20many%20lookup%20connections;%20try%20again%20later\n',
    ],
    [
      'socketmap',
      () => heard(socketmap(lookups, uncounted), '27:virtual_alias a@example.org,'),
      '49:TEMP too many lookup connections; try again later,',
    ],
    [
      'policy delegation',
      () =>
        heard(
          policyDelegation(lookups, uncounted),
          'request=smtpd_access_policy\nrecipient=a@example.org\n\n',
        ),
      'action=DEFER 4.3.0 The recipient cannot be checked now; try again later\n\n',
    ],
  ])('gets one temporary answer over %s, and ends', async (_, asked, expected) => {
    expect(await asked()).toBe(expected);
  });

  it('ends without an answer where it asks nothing', async () => {
    expect(await heard(tcpTable('virtual_alias', lookups, uncounted), 'get a', 50)).toBe('');
  });
});

describe('a process with few descriptors', () => {
  it('greets mail while a lookup daemon has more connections than there are descriptors', {
    tags: ['slow'],
    timeout: 30_000,
  }, async () => {
    const child = spawn(
      'sh',
      [
        '-c',
        'ulimit -n 256; exec "$0" --import tsx "$1"',
        process.execPath,
        join(import.meta.dirname, 'room-child.ts'),
      ],
      { cwd: repository, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
      const [lookupsAt = '', lmtpAt = '', most] = line.split(' ');
      const port = (address: string) => Number(address.split(':').at(-1));
      expect(most).toBe('64');
      for (let count = 0; count < 400; count += 1) {
        const socket = connect(port(lookupsAt), '127.0.0.1').on('error', () => undefined);
        open.push(socket);
        await once(socket, 'connect');
      }
      const lmtp = connect(port(lmtpAt), '127.0.0.1');
      open.push(lmtp);
      const [greeting] = (await once(lmtp, 'data')) as [Buffer];
      expect(greeting.toString()).toMatch(/^220 /);
      const [first, last] = [open[0] as Socket, connect(port(lookupsAt), '127.0.0.1')];
      open.push(last.on('error', () => undefined));
      first.write('get a\n');
      expect(String((await once(first, 'data'))[0])).toBe('200 OK\n');
      await once(last, 'close');
    } finally {
      child.kill();
    }
  });
});

// The listening sockets of the lookup daemons.
import { Server } from 'node:net';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { listenForLookups } from '../../../policy/listen.ts';
import { createRoom } from '../../../policy/room.ts';

describe('a listener', () => {
  it('logs a connection that it could not accept, and goes on', async () => {
    const lines: string[] = [];
    const listening = vi.spyOn(Server.prototype, 'listen');
    const listener = await listenForLookups({
      name: 'virtual_alias',
      endpoint: { kind: 'inet', host: '127.0.0.1', port: 0 },
      serve: () => undefined,
      putOff: () => undefined,
      room: createRoom(10, pino({ level: 'silent' }), () => undefined),
      counted: () => undefined,
      logger: pino({ level: 'error' }, { write: (line: string) => lines.push(line) }),
    });
    const [server] = listening.mock.contexts as Server[];
    listening.mockRestore();
    server?.emit('error', new Error('accept EMFILE'));
    await listener.close();
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { msg: 'listener error', err: 'accept EMFILE' },
    ]);
  });
});

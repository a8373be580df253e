// A client of Marionette, the remote control in Mozilla's programs: over TCP, each packet is its length in decimal, a colon and JSON.
// https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Marionette {
  /** Sends one command. Rejects with the program's words where it refuses, or when the connection ends. */
  call(command: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown>;
  close(): void;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

interface Connection {
  readonly socket: Socket;
  readonly waiting: Map<number, Waiting>;
  rest: Buffer;
  commands: number;
}

export async function connectMarionette(port: number): Promise<Marionette> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const connection: Connection = { socket, waiting: new Map(), rest: Buffer.alloc(0), commands: 0 };
  socket.on('data', (bytes: Buffer) => {
    connection.rest = Buffer.concat([connection.rest, bytes]);
    for (let packet = takePacket(connection); packet !== null; packet = takePacket(connection))
      settle(connection, packet);
  });
  socket.on('error', (error) => giveUp(connection, error));
  socket.on('close', () => giveUp(connection, new Error('Marionette closed the connection')));
  return {
    call: (command, parameters = {}) =>
      new Promise((resolve, reject) => {
        connection.commands += 1;
        connection.waiting.set(connection.commands, { resolve, reject });
        const packet = Buffer.from(JSON.stringify([0, connection.commands, command, parameters]));
        socket.write(Buffer.concat([Buffer.from(`${packet.length}:`), packet]));
      }),
    close: () => socket.destroy(),
  };
}

function takePacket(connection: Connection): unknown {
  const colon = connection.rest.indexOf(':');
  if (colon < 0) return null;
  const end = colon + 1 + Number(connection.rest.toString('latin1', 0, colon));
  if (connection.rest.length < end) return null;
  const packet: unknown = JSON.parse(connection.rest.toString('utf8', colon + 1, end));
  connection.rest = connection.rest.subarray(end);
  return packet;
}

/** A reply is `[1, number of the command, error or null, result]`; the greeting is no array. */
function settle({ waiting }: Connection, packet: unknown): void {
  if (!Array.isArray(packet)) return;
  const [, number, error, result]: unknown[] = packet;
  const asked = waiting.get(Number(number));
  waiting.delete(Number(number));
  if (error === null) asked?.resolve(result);
  else asked?.reject(new Error(`Marionette: ${JSON.stringify(error)}`));
}

function giveUp({ waiting }: Connection, error: Error): void {
  for (const { reject } of waiting.values()) reject(error);
  waiting.clear();
}

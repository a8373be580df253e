// A wire between Postfix and a server (SMTP or LMTP, TCP) that loses the final replies to chosen messages, once for each: the
// client cannot know then that they were accepted (RFC 1047), and sends them again.
import { connect, createServer, type Socket } from 'node:net';

/** The field of a message whose final replies are to be lost; its value tells such messages apart. */
export const CUT_FIELD = 'X-Cut';

export interface ReplyCutter {
  /** How many final replies have been lost. */
  cut(): number;
  close(): Promise<void>;
}

interface Wire {
  readonly client: Socket;
  readonly behind: Socket;
  /** What the client has sent since its last DATA was taken. */
  content: string;
  inData: boolean;
}

/** Listens on one loopback port and passes everything to another, both ways. */
export async function startReplyCutter(port: number, target: number): Promise<ReplyCutter> {
  const done = new Set<string>();
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const wire: Wire = { client, behind: connect(target, '127.0.0.1'), content: '', inData: false };
    for (const socket of [wire.client, wire.behind]) {
      open.add(socket);
      socket.on('error', () => endWire(wire));
      socket.on('close', () => {
        open.delete(socket);
        endWire(wire);
      });
    }
    wire.client.on('data', (bytes: Buffer) => {
      if (wire.inData) wire.content += bytes.toString('latin1');
      wire.behind.write(bytes);
    });
    wire.behind.on('data', (bytes: Buffer) => answered(wire, bytes, done));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    cut: () => done.size,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Between 354 and the next reply the client sends the message. */
function answered(wire: Wire, bytes: Buffer, done: Set<string>): void {
  if (wire.inData) {
    const name = new RegExp(`^${CUT_FIELD}: (\\S+)`, 'im').exec(wire.content)?.[1];
    if (name !== undefined && !done.has(name)) {
      done.add(name);
      wire.client.resetAndDestroy();
      // To the server, a close in order behind QUIT would be the word of a client that has read everything.
      wire.behind.resetAndDestroy();
      return;
    }
  }
  wire.content = '';
  wire.inData = /(?:^|\n)354[ -]/.test(bytes.toString('latin1'));
  wire.client.write(bytes);
}

function endWire({ client, behind }: Wire): void {
  client.destroy();
  behind.destroy();
}

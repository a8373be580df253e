// A next hop that follows a script over a raw socket: what it was told is recorded, what it answers is decided per line.
import { createServer, type Server, type Socket } from 'node:net';
import pino from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import {
  createNextHopClient,
  type NextHopClient,
  type NextHopClientOptions,
} from '../../../src/smtp/client/next-hop.ts';
import type { Envelope } from '../../../src/smtp/types.ts';

/** What a script does: text to be sent as it is, `close`, `reset`, or silence from then on. */
export type Action = string | { readonly end: 'close' | 'reset'; readonly say?: string } | null;

export interface Script {
  readonly protocol?: 'smtp' | 'lmtp';
  readonly greeting?: Action;
  /** Announced in the reply to EHLO or LHLO. */
  readonly extensions?: readonly string[];
  /**
   * The answer to a command (upper-case verb and the line), or to the end of data (`.`); undefined: the usual one.
   * `connection` counts from 1.
   */
  readonly answer?: (verb: string, line: string, connection: FakeConnection) => Action | undefined;
  /** Called as content arrives, with what has arrived so far. */
  readonly content?: (sofar: string, connection: FakeConnection) => Action | undefined;
}

export interface FakeConnection {
  readonly number: number;
  readonly socket: Socket;
  readonly lines: string[];
  /** Recipients answered with 2xx in this transaction. */
  accepted: number;
  say(text: string): void;
}

export interface FakeNextHop {
  /** As `next_hop` takes it. */
  readonly name: string;
  readonly client: NextHopClient;
  readonly connections: FakeConnection[];
  /** Complete messages, as they came over the wire without the final dot. */
  readonly messages: string[];
  /** Every command of every connection. */
  commands(): string[];
}

const servers: Server[] = [];
const clients: NextHopClient[] = [];
const sockets = new Set<Socket>();

export async function closeNextHops(): Promise<void> {
  for (const client of clients.splice(0)) client.destroy();
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
}

export const PIPELINING = [
  'PIPELINING',
  'SIZE 1000000',
  '8BITMIME',
  'SMTPUTF8',
  'DSN',
  'ENHANCEDSTATUSCODES',
];

export async function fakeNextHop(
  script: Script = {},
  options: Partial<NextHopClientOptions> & {
    connectTimeout?: number;
    commandTimeout?: number;
    maxAge?: number;
  } = {},
): Promise<FakeNextHop> {
  const connections: FakeConnection[] = [];
  const messages: string[] = [];
  const protocol = script.protocol ?? 'smtp';
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    const connection: FakeConnection = {
      number: connections.length + 1,
      socket,
      lines: [],
      accepted: 0,
      say: (text) => socket.write(text),
    };
    connections.push(connection);
    let silent = false;
    const act = (action: Action): void => {
      if (action === null) silent = true;
      if (action === null || socket.destroyed) return;
      if (typeof action === 'string') socket.write(action);
      else if (action.end === 'reset') socket.resetAndDestroy();
      else socket.end(action.say ?? '');
    };
    act(script.greeting === undefined ? '220 fake.test\r\n' : script.greeting);
    let buffer = '';
    let content = false;
    socket.on('data', (bytes) => {
      buffer += bytes.toString('latin1');
      for (;;) {
        if (socket.writableEnded || silent) return;
        if (content) {
          const end = `\r\n${buffer}`.indexOf('\r\n.\r\n');
          if (end === -1) {
            const interruption = script.content?.(buffer, connection);
            if (interruption !== undefined) act(interruption);
            return;
          }
          messages.push(buffer.slice(0, end));
          buffer = buffer.slice(end + 3);
          content = false;
          const final = script.answer?.('.', '.', connection);
          act(final === undefined ? usual('.', connection) : final);
          connection.accepted = 0;
          continue;
        }
        const end = buffer.indexOf('\r\n');
        if (end === -1) return;
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        connection.lines.push(line);
        const verb = (/^[A-Za-z]*/.exec(line)?.[0] ?? '').toUpperCase();
        const scripted = script.answer?.(verb, line, connection);
        const action = scripted === undefined ? usual(verb, connection) : scripted;
        if (verb === 'RCPT' && typeof action === 'string' && action.startsWith('2')) connection.accepted += 1;
        if (verb === 'DATA' && typeof action === 'string' && action.startsWith('354')) content = true;
        act(action);
        if (verb === 'QUIT') socket.end();
      }
    });
  });
  function usual(verb: string, connection: FakeConnection): Action {
    if (verb === 'EHLO' || verb === 'LHLO') {
      const lines = ['fake.test', ...(script.extensions ?? PIPELINING)];
      return lines.map((line, index) => `250${index === lines.length - 1 ? ' ' : '-'}${line}\r\n`).join('');
    }
    if (verb === 'DATA') return '354 go ahead\r\n';
    if (verb === 'QUIT') return '221 2.0.0 bye\r\n';
    if (verb === '.') {
      const count = protocol === 'lmtp' ? connection.accepted : 1;
      return Array.from({ length: count }, (_, index) => `250 2.0.0 queued as ${index}\r\n`).join('');
    }
    return verb === 'RCPT' ? '250 2.1.5 fine\r\n' : '250 2.0.0 fine\r\n';
  }
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const { connectTimeout, commandTimeout, maxAge, ...rest } = options;
  const client = createNextHopClient({
    nextHop: { protocol, endpoint: { kind: 'inet', host: '127.0.0.1', port } },
    hostname: 'filter.test',
    config: {
      ...configSchema.parse({}).filter,
      connect_timeout: connectTimeout ?? 2000,
      command_timeout: commandTimeout ?? 2000,
      next_hop_max_age: maxAge ?? 60_000,
    },
    logger: pino({ level: 'silent' }),
    ...rest,
  });
  clients.push(client);
  return {
    name: `${protocol}:127.0.0.1:${port}`,
    client,
    connections,
    messages,
    commands: () => connections.flatMap((connection) => connection.lines),
  };
}

/** An envelope from raw paths; parameters as they are written. */
export function envelope(recipients: readonly string[], mail = '', rcpt = ''): Envelope {
  const parse = (text: string): Envelope['parameters'] =>
    text
      .split(' ')
      .filter((word) => word !== '')
      .map((word) => {
        const at = word.indexOf('=');
        return at === -1
          ? { keyword: word, value: undefined }
          : { keyword: word.slice(0, at), value: word.slice(at + 1) };
      });
  return {
    sender: 'sender@x.test',
    parameters: parse(mail),
    recipients: recipients.map((path) => ({ path, parameters: parse(rcpt) })),
  };
}

export const MESSAGE = Buffer.from('Subject: x\r\n\r\n.dot\r\nbody\r\n');

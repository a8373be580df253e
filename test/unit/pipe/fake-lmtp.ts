// An LMTP server that answers as a test tells it to, and keeps what it was sent.
import { createServer, type Socket } from 'node:net';

export type Stage = 'greeting' | 'LHLO' | 'XFORWARD' | 'MAIL' | 'RCPT' | 'DATA' | 'message';

/** Replies without their CRLF; unset ones accept. */
export interface Script {
  readonly greeting?: string;
  /** The keywords behind the first line of LHLO. */
  readonly extensions?: readonly string[];
  readonly lhlo?: string;
  readonly xforward?: string;
  readonly mail?: string | ((command: string) => string);
  readonly rcpt?: (path: string) => string;
  readonly data?: string;
  /** One reply per accepted recipient, for each transaction. */
  readonly final?: (path: string, transaction: number) => string;
  /** Sent as they are instead of the replies to the message. */
  readonly rawFinal?: string;
  /** Close the connection when this is due, instead of answering. */
  readonly dieAt?: Stage;
  /** Never answer this. */
  readonly hangAt?: Stage;
}

export interface Received {
  readonly commands: readonly string[];
  /** As sent: with dot-stuffing and the final dot. */
  readonly data: Buffer;
}

export interface FakeLmtp {
  readonly address: string;
  readonly transactions: readonly Received[];
  /** Resolves when a message's first bytes have come in. */
  readonly inMessage: Promise<void>;
  close(): Promise<void>;
}

const EXTENSIONS = [
  'PIPELINING',
  'SIZE 50000000',
  '8BITMIME',
  'SMTPUTF8',
  'ENHANCEDSTATUSCODES',
  'XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE',
];

/** Listens on a free port of 127.0.0.1, or on the unix socket `path`. */
export async function startFakeLmtp(script: Script = {}, path?: string): Promise<FakeLmtp> {
  const transactions: Received[] = [];
  const sockets = new Set<Socket>();
  let entered: () => void = () => undefined;
  const inMessage = new Promise<void>((resolve) => {
    entered = resolve;
  });
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    serve(socket, script, transactions, entered);
  });
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(path, resolve);
  });
  const bound = server.address();
  return {
    address: typeof bound === 'object' && bound !== null ? `127.0.0.1:${bound.port}` : `unix:${path}`,
    transactions,
    inMessage,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function serve(socket: Socket, script: Script, transactions: Received[], entered: () => void): void {
  let buffer = Buffer.alloc(0);
  let commands: string[] = [];
  let accepted: string[] = [];
  let chunks: Buffer[] | undefined;
  let silent = false;

  const answer = (stage: Stage, text: string): void => {
    if (silent) return;
    if (script.dieAt === stage || script.hangAt === stage) {
      silent = true;
      if (script.dieAt === stage) socket.destroy();
      return;
    }
    socket.write(`${text}\r\n`);
  };

  const command = (line: string): void => {
    commands.push(line);
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'LHLO') {
      const lines = ['fake.example', ...(script.extensions ?? EXTENSIONS)];
      const text = lines
        .map((item, index) => `250${index === lines.length - 1 ? ' ' : '-'}${item}`)
        .join('\r\n');
      answer('LHLO', script.lhlo ?? text);
    } else if (verb === 'XFOR') answer('XFORWARD', script.xforward ?? '250 2.0.0 Ok');
    else if (verb === 'MAIL') {
      accepted = [];
      answer('MAIL', typeof script.mail === 'function' ? script.mail(line) : (script.mail ?? '250 2.1.0 Ok'));
    } else if (verb === 'RCPT') {
      const path = line.slice('RCPT TO:<'.length, line.lastIndexOf('>'));
      const reply = script.rcpt?.(path) ?? '250 2.1.5 Ok';
      if (reply.startsWith('2')) accepted.push(path);
      answer('RCPT', reply);
    } else if (verb === 'DATA') {
      const reply = script.data ?? '354 Go ahead';
      if (reply.startsWith('354')) chunks = [];
      answer('DATA', reply);
    } else if (verb === 'QUIT') socket.end('221 2.0.0 Bye\r\n');
    else socket.write('500 5.5.1 What?\r\n');
  };

  const finished = (data: Buffer): void => {
    transactions.push({ commands, data });
    commands = [];
    const { rawFinal } = script;
    if (rawFinal !== undefined) socket.write(rawFinal);
    else
      for (const path of accepted)
        answer('message', script.final?.(path, transactions.length) ?? '250 2.0.0 Sealed');
  };

  answer('greeting', script.greeting ?? '220 fake.example LMTP');
  socket.on('data', (bytes) => {
    if (chunks !== undefined) {
      entered();
      chunks.push(bytes);
      const tail = Buffer.concat(chunks.slice(-3)).subarray(-5);
      if (/^(?:.*\r\n)?\.\r\n$/s.test(tail.toString('latin1'))) {
        const data = Buffer.concat(chunks);
        chunks = undefined;
        finished(data);
      } else if (script.dieAt === 'message') socket.destroy();
      return;
    }
    buffer = Buffer.concat([buffer, bytes]);
    for (let end = buffer.indexOf('\r\n'); end !== -1; end = buffer.indexOf('\r\n')) {
      const line = buffer.toString('latin1', 0, end);
      buffer = buffer.subarray(end + 2);
      command(line);
    }
  });
}

/** The message out of its DATA: dot-stuffing undone, the final dot taken off. */
export function messageOf(data: Buffer): string {
  return data
    .toString('latin1')
    .replace(/(^|\r\n)\.\r\n$/, '$1')
    .replace(/(^|\r\n)\./g, '$1');
}

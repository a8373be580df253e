// A scriptable SMTP or LMTP next hop on plain sockets. It records every message with its envelope exactly as sent, and can
// be down, refuse, be slow, die in DATA, before the final reply or right after it.
import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { waitUntil } from './child.ts';
import { SocketReader } from './socket-reader.ts';

export interface SinkOptions {
  readonly protocol: 'smtp' | 'lmtp';
  readonly listen: { readonly port: number } | { readonly path: string };
  /** EHLO keywords; default: what Postfix's smtpd announces, XFORWARD included. */
  readonly extensions?: readonly string[];
}

/** How transactions are treated; what is absent is treated well. A reply is a whole line, such as `450 4.2.0 busy`. */
export interface SinkBehaviour {
  /** Instead of the 220 greeting; then the connection is closed. */
  readonly greeting?: string;
  readonly mail?: string;
  readonly recipient?: (path: string) => string | undefined;
  readonly data?: string;
  /** DATA is answered when this resolves. */
  readonly hold?: () => Promise<void>;
  /** Resets the connection after so many bytes of message. */
  readonly dieInData?: number;
  /** Milliseconds before the final reply. */
  readonly delay?: number;
  /** The final reply; LMTP asks for each recipient, SMTP for the first one only. */
  readonly final?: (path: string) => string | undefined;
  /** `before-reply`: nothing is kept. `after-reply`: kept, answered, then the connection is reset. */
  readonly die?: 'before-reply' | 'after-reply';
}

export interface SinkPath {
  /** Without angle brackets, one character per byte. */
  readonly path: string;
  /** As sent: `NOTIFY=NEVER ORCPT=...`. */
  readonly parameters: string;
}

/** One transaction that was answered with success, for the recipients for which it was. */
export interface SinkTransaction {
  readonly sender: SinkPath;
  readonly recipients: readonly SinkPath[];
  readonly xforward: Readonly<Record<string, string>>;
  /** Dot-stuffing undone, the final dot removed. */
  readonly message: Buffer;
  /** Unix milliseconds, right before the final reply. */
  readonly at: number;
}

/** One message in one recipient's mailbox. */
export interface Delivery {
  readonly sender: string;
  readonly recipient: string;
  readonly message: Buffer;
  readonly at: number;
}

export interface Sink {
  readonly transactions: readonly SinkTransaction[];
  /** How many messages have come whole, and how many transactions ended without success. */
  readonly counts: { messages: number; failed: number };
  deliveries(): Delivery[];
  /** Treats the next `times` transactions so (default: all from now on). */
  behave(behaviour: SinkBehaviour, times?: number): void;
  clear(): void;
  waitForDeliveries(count: number, ms: number): Promise<void>;
  /** Closes the listener and resets every connection; up() listens again at the same place. */
  down(): Promise<void>;
  up(): Promise<void>;
  stop(): Promise<void>;
}

const DEFAULT_EXTENSIONS = [
  'PIPELINING',
  'SIZE 100000000',
  'ENHANCEDSTATUSCODES',
  '8BITMIME',
  'DSN',
  'SMTPUTF8',
  'XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT',
];

interface State {
  readonly options: SinkOptions;
  readonly transactions: SinkTransaction[];
  readonly counts: { messages: number; failed: number };
  behaviour: SinkBehaviour;
  times: number;
}

/** Starts a sink; it listens when the promise resolves. */
export async function startSink(options: SinkOptions): Promise<Sink> {
  const state: State = {
    options,
    transactions: [],
    counts: { messages: 0, failed: 0 },
    behaviour: {},
    times: Number.POSITIVE_INFINITY,
  };
  const sockets = new Set<Socket>();
  let server: Server | undefined;

  const up = async (): Promise<void> => {
    if (server) return;
    const listening = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
      converse(state, socket).catch(() => socket.destroy());
    });
    server = listening;
    if ('path' in options.listen) await rm(options.listen.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      listening.once('error', reject);
      if ('path' in options.listen) listening.listen(options.listen.path, resolve);
      else listening.listen(options.listen.port, '127.0.0.1', resolve);
    });
    if ('path' in options.listen) await chmod(options.listen.path, 0o666);
  };
  const down = async (): Promise<void> => {
    const closing = server;
    server = undefined;
    // Only TCP has a reset.
    for (const socket of sockets)
      if ('path' in options.listen) socket.destroy();
      else socket.resetAndDestroy();
    await new Promise<void>((resolve) => (closing ? closing.close(() => resolve()) : resolve()));
  };
  await up();
  const deliveries = (): Delivery[] =>
    state.transactions.flatMap(({ sender, recipients, message, at }) =>
      recipients.map((recipient) => ({ sender: sender.path, recipient: recipient.path, message, at })),
    );
  return {
    transactions: state.transactions,
    counts: state.counts,
    deliveries,
    behave: (behaviour, times = Number.POSITIVE_INFINITY) => {
      state.behaviour = behaviour;
      state.times = times;
    },
    clear: () => {
      state.transactions.length = 0;
      state.behaviour = {};
      state.times = Number.POSITIVE_INFINITY;
      state.counts.messages = 0;
      state.counts.failed = 0;
    },
    waitForDeliveries: (count, ms) =>
      waitUntil(
        `${count} deliveries`,
        ms,
        () => deliveries().length >= count,
        () => `there were ${deliveries().length}`,
      ),
    down,
    up,
    stop: down,
  };
}

function takeBehaviour(state: State): SinkBehaviour {
  const taken = state.behaviour;
  state.times -= 1;
  if (state.times <= 0) {
    state.behaviour = {};
    state.times = Number.POSITIVE_INFINITY;
  }
  return taken;
}

function parsePath(argument: string): SinkPath | undefined {
  const match = /^(?:FROM|TO):\s*<((?:"(?:[^"\\]|\\.)*"|[^>"])*)>\s*(.*)$/is.exec(argument);
  return match ? { path: match[1] ?? '', parameters: match[2] ?? '' } : undefined;
}

/** What one connection has said so far. */
interface Conversation {
  readonly state: State;
  readonly socket: Socket;
  readonly reader: SocketReader;
  behaviour: SinkBehaviour;
  sender: SinkPath | undefined;
  recipients: SinkPath[];
  xforward: Record<string, string>;
}

type Command = (talk: Conversation, argument: string) => string | Promise<string | undefined>;

function reset(talk: Conversation): void {
  talk.sender = undefined;
  talk.recipients = [];
}

function hello(talk: Conversation): string {
  reset(talk);
  const lines = ['sink.sealpost.test', ...(talk.state.options.extensions ?? DEFAULT_EXTENSIONS)];
  return lines.map((text, index) => `250${index === lines.length - 1 ? ' ' : '-'}${text}`).join('\r\n');
}

function mail(talk: Conversation, argument: string): string {
  talk.behaviour = takeBehaviour(talk.state);
  const path = parsePath(argument);
  if (!path) return '501 5.1.7 Bad sender address syntax';
  if (talk.behaviour.mail !== undefined) {
    talk.state.counts.failed += 1;
    return talk.behaviour.mail;
  }
  talk.sender = path;
  return '250 2.1.0 Ok';
}

function rcpt(talk: Conversation, argument: string): string {
  const path = parsePath(argument);
  if (!talk.sender) return '503 5.5.1 Error: need MAIL command';
  if (!path) return '501 5.1.3 Bad recipient address syntax';
  const refusal = talk.behaviour.recipient?.(path.path);
  if (refusal === undefined) talk.recipients.push(path);
  return refusal ?? '250 2.1.5 Ok';
}

/** Takes the message. @returns undefined when the connection has ended instead of a reply */
async function data(talk: Conversation): Promise<string | undefined> {
  const { state, socket, behaviour, sender } = talk;
  if (!sender || talk.recipients.length === 0) return '503 5.5.1 Error: need RCPT command';
  if (behaviour.data !== undefined) {
    state.counts.failed += 1;
    return behaviour.data;
  }
  await behaviour.hold?.();
  say(talk, '354 End data with <CR><LF>.<CR><LF>');
  const message = await talk.reader.data(behaviour.dieInData);
  if (message !== null) {
    state.counts.messages += 1;
    if (behaviour.delay) await new Promise((resolve) => setTimeout(resolve, behaviour.delay));
  }
  if (message === null || behaviour.die === 'before-reply' || socket.destroyed) {
    state.counts.failed += 1;
    socket.resetAndDestroy();
    return undefined;
  }
  const replies = keep(talk, sender, message).join('\r\n');
  if (behaviour.die === 'after-reply') {
    socket.write(`${replies}\r\n`, 'latin1', () => socket.destroy());
    return undefined;
  }
  talk.xforward = {};
  reset(talk);
  return replies;
}

/** Keeps the message for those whose reply is 2xx. @returns the replies: LMTP one for each recipient, SMTP one */
function keep(talk: Conversation, sender: SinkPath, message: Buffer): string[] {
  const { state, recipients, behaviour, xforward } = talk;
  const each = state.options.protocol === 'lmtp';
  const replies = (each ? recipients : recipients.slice(0, 1)).map(
    (one) => behaviour.final?.(one.path) ?? `250 2.0.0 Ok: kept ${state.transactions.length}`,
  );
  const kept = recipients.filter((_, index) => replies[each ? index : 0]?.startsWith('2'));
  if (kept.length > 0)
    state.transactions.push({ sender, recipients: kept, xforward, message, at: Date.now() });
  else state.counts.failed += 1;
  return replies;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  EHLO: hello,
  LHLO: hello,
  HELO: () => '250 sink.sealpost.test',
  XFORWARD(talk, argument) {
    for (const pair of argument.split(' ')) {
      const at = pair.indexOf('=');
      talk.xforward[pair.slice(0, at).toUpperCase()] = pair.slice(at + 1);
    }
    return '250 2.0.0 Ok';
  },
  MAIL: mail,
  RCPT: rcpt,
  DATA: data,
  RSET(talk) {
    reset(talk);
    return '250 2.0.0 Ok';
  },
  NOOP: () => '250 2.0.0 Ok',
};

function say({ socket }: Pick<Conversation, 'socket'>, reply: string): void {
  socket.write(`${reply}\r\n`, 'latin1');
}

/** One connection, command by command (RFC 5321, RFC 2033). Ends when the client closes or QUITs. */
async function converse(state: State, socket: Socket): Promise<void> {
  if (state.behaviour.greeting !== undefined) {
    socket.end(`${takeBehaviour(state).greeting}\r\n`);
    return;
  }
  const talk: Conversation = {
    state,
    socket,
    reader: new SocketReader(socket),
    behaviour: {},
    sender: undefined,
    recipients: [],
    xforward: {},
  };
  say(talk, `220 sink.sealpost.test ${state.options.protocol.toUpperCase()}`);
  for (;;) {
    const line = await talk.reader.line();
    if (line === null) return;
    const [, verb = '', argument = ''] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
    if (verb.toUpperCase() === 'QUIT') {
      socket.end('221 2.0.0 Bye\r\n');
      return;
    }
    const command = COMMANDS[verb.toUpperCase()];
    const reply = command ? await command(talk, argument) : '502 5.5.2 Error: command not recognized';
    if (reply === undefined) return;
    say(talk, reply);
  }
}

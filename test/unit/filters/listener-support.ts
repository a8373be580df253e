// A raw client and a listener for the tests of the server side: bytes in, lines out, nothing understood.
import { connect, type Socket } from 'node:net';
import pino from 'pino';
import { configSchema, type FilterConfig, type FilterListener } from '../../../src/config/schema.ts';
import { parseEndpoint } from '../../../src/config/units.ts';
import { type Budget, createBudget } from '../../../src/smtp/server/budget.ts';
import type { NotTaken } from '../../../src/smtp/server/hand-over.ts';
import { type FilterListenerHandle, startListener } from '../../../src/smtp/server/listener.ts';
import type { Reply, Transaction } from '../../../src/smtp/types.ts';

export interface TestListener {
  readonly handle: FilterListenerHandle;
  readonly budget: Budget;
  readonly transactions: Transaction[];
  /** `acknowledged ID` and `lost ID`, in order. */
  readonly fates: string[];
  /** Transactions whose client did not wait for the end of `deliver`. */
  readonly abandoned: string[];
  /** Messages that were refused or put off without `deliver`. */
  readonly notTaken: NotTaken[];
  /** Codes of the lines of the log. */
  readonly codes: string[];
  connect(): RawClient;
}

export interface TestListenerOptions {
  readonly protocol?: 'lmtp' | 'smtp';
  readonly filter?: Partial<FilterConfig>;
  readonly listener?: Partial<FilterListener>;
  readonly unixPath?: string;
  readonly budgetBytes?: number;
  readonly deliver?: (transaction: Transaction) => Promise<readonly Reply[]>;
  readonly fd?: number;
}

const opened: FilterListenerHandle[] = [];
const clients: RawClient[] = [];

/** To be called after each test. */
export async function closeAll(): Promise<void> {
  for (const client of clients.splice(0)) client.socket.destroy();
  await Promise.all(opened.splice(0).map((handle) => handle.close({ graceMs: 0 })));
}

export async function openListener(options: TestListenerOptions = {}): Promise<TestListener> {
  const protocol = options.protocol ?? 'lmtp';
  const transactions: Transaction[] = [];
  const fates: string[] = [];
  const abandoned: string[] = [];
  const notTaken: NotTaken[] = [];
  const codes: string[] = [];
  const write = (line: string): void => void codes.push(String(JSON.parse(line).event));
  const budget = createBudget(options.budgetBytes ?? 256e6);
  const handle = await startListener({
    listener: {
      protocol,
      address:
        options.unixPath === undefined
          ? { kind: 'inet', host: '127.0.0.1', port: 0 }
          : { kind: 'unix', path: options.unixPath },
      before_queue: false,
      ...options.listener,
    },
    config: { ...configSchema.parse({}).filter, ...options.filter },
    hostname: 'filter.test',
    logger: pino({ level: 'info' }, { write }),
    admission: budget,
    deliver: async (transaction) => {
      transactions.push(transaction);
      if (options.deliver !== undefined) return options.deliver(transaction);
      const count = protocol === 'lmtp' ? transaction.envelope.recipients.length : 1;
      return Array.from({ length: count }, (_, index) => ({
        code: 250,
        enhanced: '2.0.0',
        text: `delivered ${index}`,
      }));
    },
    acknowledged: (transaction) => fates.push(`acknowledged ${transaction.id}`),
    lost: (transaction) => fates.push(`lost ${transaction.id}`),
    abandoned: (transaction) => abandoned.push(transaction.id),
    notTaken: (what) => notTaken.push(what),
    ...(options.fd === undefined ? {} : { fd: options.fd }),
  });
  opened.push(handle);
  return {
    handle,
    budget,
    transactions,
    fates,
    abandoned,
    notTaken,
    codes,
    connect() {
      const endpoint = parseEndpoint(handle.address);
      if (!endpoint.ok) throw new Error(endpoint.expected);
      const client = rawClient(
        endpoint.value.kind === 'unix' ? { path: endpoint.value.path } : endpoint.value,
      );
      clients.push(client);
      return client;
    },
  };
}

export interface RawClient {
  readonly socket: Socket;
  /** Writes bytes (one per character). */
  write(data: string): void;
  /** The next complete reply, its lines joined by `|`. '' when the connection ended. */
  reply(): Promise<string>;
  /** Writes one command and reads its reply. */
  command(line: string): Promise<string>;
  /** Everything up to the end of the connection. */
  rest(): Promise<string[]>;
  /** Greeting and LHLO (or EHLO). */
  hello(verb?: string): Promise<string>;
}

export function rawClient(
  where: { readonly path: string } | { readonly host: string; readonly port: number },
): RawClient {
  const socket = connect({ ...where, allowHalfOpen: false });
  socket.setNoDelay(true);
  const replies: string[] = [];
  const waiting: ((reply: string) => void)[] = [];
  let partial = '';
  let lines: string[] = [];
  let ended = false;
  const end = (): void => {
    ended = true;
    for (const wake of waiting.splice(0)) wake('');
  };
  socket.on('data', (bytes) => {
    partial += bytes.toString('latin1');
    for (let cut = partial.indexOf('\r\n'); cut !== -1; cut = partial.indexOf('\r\n')) {
      const line = partial.slice(0, cut);
      partial = partial.slice(cut + 2);
      lines.push(line);
      if (line[3] === '-') continue;
      const reply = lines.join('|');
      lines = [];
      const wake = waiting.shift();
      if (wake === undefined) replies.push(reply);
      else wake(reply);
    }
  });
  socket.on('error', end);
  socket.on('close', end);
  const reply = (): Promise<string> => {
    const ready = replies.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (ended) return Promise.resolve('');
    return new Promise((resolve) => {
      waiting.push(resolve);
    });
  };
  const write = (data: string): void => {
    socket.write(data, 'latin1');
  };
  const command = (line: string): Promise<string> => {
    write(`${line}\r\n`);
    return reply();
  };
  return {
    socket,
    write,
    reply,
    command,
    async rest() {
      const all: string[] = [];
      for (let next = await reply(); next !== ''; next = await reply()) all.push(next);
      return all;
    },
    async hello(verb = 'LHLO') {
      await reply();
      return command(`${verb} client.test`);
    },
  };
}

/** Waits until `condition` holds; fails after ten seconds. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const until = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > until) throw new Error(`not within ten seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

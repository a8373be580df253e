// One listener of the proxy filter: opens the socket, accepts connections, and closes without cutting off what is under way.
import { createServer } from 'node:net';
import type { FilterConfig, FilterListener } from '../../config/schema.ts';
import { type Endpoint, formatEndpoint } from '../../config/units.ts';
import { openListener } from '../../host/listen.ts';
import { disagreement } from '../../host/passed-socket.ts';
import { trustedClients } from '../../host/trusted-clients.ts';
import type { Logger } from '../../observe/log.ts';
import { createRation } from '../../pacing/ration.ts';
import type { Reply, Transaction } from '../types.ts';
import type { Admission } from './budget.ts';
import { serveClient } from './connection.ts';
import type { NotTaken } from './hand-over.ts';
import type { ConnectionContext } from './open-connection.ts';

export interface ListenerOptions {
  readonly listener: FilterListener;
  readonly config: FilterConfig;
  /** Our name in the greeting. */
  readonly hostname: string;
  readonly logger: Logger;
  readonly admission: Admission;
  /**
   * Delivers a complete message. LMTP: one reply for each recipient, in order; SMTP: exactly one. When it throws, gives
   * another number or overruns the deadline, the client gets 451 4.3.0.
   */
  readonly deliver: (transaction: Transaction) => Promise<readonly Reply[]>;
  /** The replies of `deliver` are known to have reached the client. Exactly one of this and `lost` follows `deliver`. */
  readonly acknowledged: (transaction: Transaction) => void;
  /** It is not known whether the client has them, or it was not answered with them. */
  readonly lost: (transaction: Transaction) => void;
  /** Nobody waits for `deliver` any more, and the client may try again: it is gone, or was answered without it. */
  readonly abandoned?: (transaction: Transaction) => void;
  /** Is told of each message that was refused or put off without `deliver`. Never throws. */
  readonly notTaken?: (what: NotTaken) => void;
  /** A socket passed by systemd, used instead of opening `listener.address`. */
  readonly fd?: number;
}

export interface FilterListenerHandle {
  readonly name: string;
  /** As a person writes it; the port that was really opened. */
  readonly address: string;
  readonly connections: number;
  /** For a socket that systemd passed, which must not be closed to be opened again; null for one that we opened. */
  readonly passed: PassedSocket | null;
  /** Takes over a configuration that was read again; connections that are open use it from now on. */
  reconfigure(config: FilterConfig): void;
  /**
   * Stops accepting. Idle clients get 421 at once, transactions in flight have `graceMs`, then they get 421 too.
   * Resolves when the last connection is gone.
   */
  close(options: { readonly graceMs: number }): Promise<void>;
}

/** A socket that systemd keeps open, too: nobody else can open its address. */
export interface PassedSocket {
  /** @returns null when it listens at `endpoint`, else one sentence */
  disagreement(endpoint: Endpoint): string | null;
  /** Serves it as another listener from now on; connections that are open end gracefully, as those of `close`. */
  become(next: Pick<ListenerOptions, 'listener' | 'config' | 'deliver'>, graceMs: number): void;
}

/** How long a client may take to close its side after our last 421. */
const LINGER_MS = 500;
const ENDED_EVERY_MS = 5;

/**
 * Opens a listener.
 * @throws Error with one sentence that names the address and the reason
 */
export async function startListener(options: ListenerOptions): Promise<FilterListenerHandle> {
  const { listener, config, hostname, logger, admission, fd } = options;
  const { deliver, acknowledged, lost, abandoned, notTaken } = options;
  const name = listener.name ?? listener.protocol;
  let context: ConnectionContext = {
    listener,
    config,
    hostname,
    logger: logger.child({ listener: name }),
    admission,
    deliver,
    acknowledged,
    lost,
    abandoned,
    notTaken,
    trusted: trustedClients(config.xforward_hosts),
    open: new Set(),
    turnedAway: createRation(1, 60_000),
    closing: false,
  };
  /** What connections were accepted under before `become`. */
  const former = new Set<ConnectionContext>();
  const contexts = () => [...former, context];
  const server = createServer(
    // A client that closes its side after the final dot still gets its replies.
    { allowHalfOpen: true, noDelay: true },
    (socket) => serveClient(socket, context),
  );
  const bound = await openListener(server, {
    title: `listener "${name}"`,
    endpoint: listener.address,
    mode: listener.mode,
    group: listener.group,
    fd,
    logger: context.logger,
  });
  let closed: Promise<void> | null = null;

  async function close(graceMs: number): Promise<void> {
    const gone = new Promise<void>((resolve) => server.close(() => resolve()));
    await Promise.all(contexts().map((each) => endConnections(each, graceMs, gone)));
  }

  function become(next: Pick<ListenerOptions, 'listener' | 'config' | 'deliver'>, graceMs: number): void {
    const before = context;
    context = {
      ...context,
      ...next,
      trusted: trustedClients(next.config.xforward_hosts),
      open: new Set(),
      closing: false,
    };
    former.add(before);
    void endConnections(before, graceMs).then(() => former.delete(before));
  }

  return {
    name,
    address: formatEndpoint(bound),
    get connections() {
      return contexts().reduce((sum, { open }) => sum + open.size, 0);
    },
    passed: fd === undefined ? null : { disagreement: (where) => disagreement(server, fd, where), become },
    reconfigure(next) {
      context.trusted = trustedClients(next.xforward_hosts);
      context.config = next;
    },
    close({ graceMs }) {
      closed ??= close(graceMs);
      return closed;
    },
  };
}

/**
 * Idle clients get 421 at once, the others after `graceMs` at the latest. Resolves when the last connection is gone.
 * @param gone no further one can come, and the server has seen the last one close
 */
async function endConnections(
  context: ConnectionContext,
  graceMs: number,
  gone: Promise<void> = Promise.resolve(),
): Promise<void> {
  context.closing = true;
  for (const connection of context.open) if (!connection.busy) connection.shutDown();
  const timers = [
    setTimeout(() => {
      for (const connection of context.open) connection.shutDown();
    }, graceMs),
    setTimeout(() => {
      for (const connection of context.open) connection.destroy();
    }, graceMs + LINGER_MS),
  ];
  await gone;
  // The server counts a socket as gone before the socket says so itself.
  while (context.open.size > 0) await new Promise((resolve) => setTimeout(resolve, ENDED_EVERY_MS));
  for (const timer of timers) clearTimeout(timer);
}

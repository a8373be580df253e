// One client connection of the proxy filter, from the greeting to the end. Nothing that a client may rightly send is changed,
// dropped or refused here.
//
// It stands on node:net directly. smtp-server, which stood here first, costs more processor time for one short connection
// (a pipe through two streams, some thirty listeners and closures, a random name) than everything else together.
import type { Socket } from 'node:net';
import { greeting } from '../greeting.ts';
import { IDLE_TOO_LONG, SHUTTING_DOWN, TOO_MANY_CONNECTIONS } from '../our-replies.ts';
import { createAcknowledgements } from './acknowledgement.ts';
import { createCommandParser } from './command-parser.ts';
import { proceed } from './converse.ts';
import { createDialogue } from './dialogue.ts';
import {
  type ConnectionContext,
  type FilterConnection,
  flush,
  hangUp,
  isBusy,
  type OpenConnection,
  PROCESS_TAG,
} from './open-connection.ts';

let connections = 0;

/** Serves one client until the connection ends. It greets at once: Postfix needs no test for early talkers. */
export function serveClient(socket: Socket, context: ConnectionContext): FilterConnection {
  connections += 1;
  const connection: OpenConnection = {
    id: `${PROCESS_TAG}.${connections.toString(36)}`,
    socket,
    context,
    parser: createCommandParser(),
    dialogue: createDialogue({
      protocol: context.listener.protocol,
      config: () => context.config,
      admission: context.admission,
      mayForward: mayForward(socket, context),
    }),
    acknowledgements: createAcknowledgements(),
    proceed: () => proceed(connection),
    unwritten: '',
    whenFlushed: undefined,
    receiving: null,
    delivering: null,
    held: false,
    saidGoodbye: false,
    inputEnded: false,
    junk: 0,
  };
  const handle: FilterConnection = {
    get busy() {
      return isBusy(connection);
    },
    shutDown() {
      hangUp(connection, SHUTTING_DOWN);
      flush(connection);
    },
    destroy: () => socket.destroy(),
  };
  listenTo(connection, handle);
  context.open.add(handle);
  greet(connection);
  return handle;
}

function listenTo(connection: OpenConnection, handle: FilterConnection): void {
  const { socket, context, acknowledgements, parser } = connection;
  socket.on('data', (bytes: Buffer) => {
    if (connection.saidGoodbye) return;
    acknowledgements.heard(bytes, parser.atRest && !connection.held);
    parser.push(bytes);
    proceed(connection);
  });
  socket.on('end', () => {
    connection.inputEnded = true;
    acknowledgements.ended();
    // What was sent before is answered first.
    if (!connection.held) proceed(connection);
  });
  // A client that resets its connection is an everyday event.
  socket.on('error', (error: NodeJS.ErrnoException) => {
    const err = error.code ?? error.message;
    context.logger.debug({ connection: connection.id, err }, 'client connection failed');
  });
  socket.on('close', (hadError) => {
    context.open.delete(handle);
    connection.saidGoodbye = true;
    // What was not received to its end is dropped; the client still has it.
    if (connection.delivering === null) connection.dialogue.reset();
    else context.abandoned?.(connection.delivering);
    acknowledgements.closed(hadError || !connection.inputEnded);
  });
  socket.on('timeout', () => tooLong(connection));
  socket.setTimeout(context.config.idle_timeout);
}

function greet(connection: OpenConnection): void {
  const { hostname, listener, config, open, closing } = connection.context;
  if (closing) hangUp(connection, SHUTTING_DOWN);
  else if (open.size > config.max_connections) turnAway(connection);
  else connection.unwritten = greeting(hostname, listener.protocol);
  flush(connection);
}

function turnAway(connection: OpenConnection): void {
  const { logger, config, turnedAway } = connection.context;
  const suppressed = turnedAway.next(Date.now());
  if (suppressed !== null)
    logger.warn(
      { event: 'connections_full', max_connections: config.max_connections, suppressed },
      'a client was turned away: filter.max_connections are open',
    );
  hangUp(connection, TOO_MANY_CONNECTIONS);
}

/** Nothing was received for too long. A client that waits for a delivery is silent with reason. */
function tooLong(connection: OpenConnection): void {
  const { socket, context } = connection;
  if (connection.saidGoodbye) {
    socket.destroy();
    return;
  }
  if (connection.delivering === null) {
    hangUp(connection, IDLE_TOO_LONG);
    flush(connection);
  }
  socket.setTimeout(context.config.idle_timeout);
}

/** A TCP client that is gone already has no address: that is no unix socket. */
function mayForward(socket: Socket, { listener, trusted }: ConnectionContext): boolean {
  return (
    listener.address.kind === 'unix' || (socket.remoteAddress !== undefined && trusted(socket.remoteAddress))
  );
}

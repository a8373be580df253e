// One client connection of the proxy filter, from the greeting to the end. Nothing that a client may rightly send is
// changed, dropped or refused here; see filters.md for the defects of other servers that this one must not have.
//
// It stands on node:net directly. smtp-server, which stood here first, costs more processor time for one short connection
// (a pipe through two streams, some thirty listeners and closures, a random name) than everything else together.
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FilterConfig, FilterListener } from '../../config/schema.ts';
import { findParameter } from '../paths.ts';
import { encodeReply, reply } from '../replies.ts';
import type { Reply, Transaction } from '../types.ts';
import { createAcknowledgements } from './acknowledgement.ts';
import type { Admission } from './budget.ts';
import { createCommandReader } from './command-reader.ts';
import { parseCommand } from './commands.ts';
import { contentRefusal } from './content-refusal.ts';
import { createDataReader, type DataOutcome, type DataReader } from './data-stream.ts';
import { createDialogue, type Hello, type OpenTransaction } from './dialogue.ts';
import { type HandOver, handOver, problemOf, tellFate } from './hand-over.ts';

/** What a connection needs to know; shared by all connections of a listener. */
export interface ConnectionContext extends HandOver {
  readonly listener: FilterListener;
  /** Replaced as a whole when the configuration is read again. */
  config: FilterConfig;
  readonly hostname: string;
  readonly admission: Admission;
  trusted: (remoteAddress: string | undefined) => boolean;
  /** Open connections, this one included. */
  readonly open: Set<FilterConnection>;
  /** The listener is closing: no new transaction begins. */
  closing: boolean;
}

export interface FilterConnection {
  /** Whether a transaction has begun and is not yet answered. */
  readonly busy: boolean;
  /** Says goodbye with 421, because the listener is closing. */
  shutDown(): void;
  /** Ends the connection without further words. */
  destroy(): void;
}

/** As Postfix's smtpd_hard_error_limit. Only lines that are no commands count: a refused recipient is no mischief. */
const MAX_JUNK_COMMANDS = 20;
/** Pipelined commands before other connections get their turn. */
const COMMANDS_PER_TURN = 100;
/** What a client may send ahead, while it waits for an answer, before its socket is no longer read. */
const AHEAD_BYTES = 64 * 1024;

const OK = reply(250, '2.0.0', 'Ok');
const BYE = reply(221, '2.0.0', 'Bye');
const START_DATA = reply(354, '', 'End data with <CR><LF>.<CR><LF>');
const SHUTTING_DOWN = reply(421, '4.3.2', 'Service shutting down');
const INTERNAL_ERROR = reply(451, '4.3.0', 'Internal error, try again later');
/** Known from RFCs and from other servers, and not for a content filter. */
const NOT_IMPLEMENTED = new Set(
  'AUTH STARTTLS VRFY EXPN HELP BDAT ETRN TURN XCLIENT SEND SOML SAML WIZ SHELL KILL'.split(' '),
);

let transactions = 0;
let connections = 0;
const processTag = randomBytes(3).toString('hex');

/** Serves one client until the connection ends. It greets at once: Postfix needs no test for early talkers. */
export function serveClient(socket: Socket, context: ConnectionContext): FilterConnection {
  connections += 1;
  const id = `${processTag}.${connections.toString(36)}`;
  const reader = createCommandReader();
  const acknowledgements = createAcknowledgements();
  const dialogue = createDialogue({
    protocol: context.listener.protocol,
    config: () => context.config,
    admission: context.admission,
    mayForward: mayForward(socket, context),
  });
  /** Replies of this turn, not yet written: what answers pipelined commands leaves together (RFC 2920, section 3.2). */
  let unwritten = '';
  let whenFlushed: (() => void) | undefined;
  let receiving: { readonly transaction: OpenTransaction; readonly content: DataReader } | null = null;
  let delivering: Transaction | null = null;
  /** Commands wait: for the end of a delivery, for the client to read, or for other connections' turn. */
  let held = false;
  let saidGoodbye = false;
  let inputEnded = false;
  let junk = 0;

  const connection: FilterConnection = {
    get busy() {
      return dialogue.open !== null || delivering !== null;
    },
    shutDown() {
      hangUp(SHUTTING_DOWN);
      flush();
    },
    destroy: () => socket.destroy(),
  };

  function answer(given: Reply): void {
    unwritten += encodeReply(given);
  }

  function flush(): void {
    const text = unwritten;
    const flushed = whenFlushed;
    unwritten = '';
    whenFlushed = undefined;
    if (socket.destroyed || !socket.writable) return;
    const written = (error?: Error | null): void => {
      if (error === null || error === undefined) flushed?.();
    };
    if (text !== '') socket.write(text, 'utf8', flushed === undefined ? undefined : written);
    if (saidGoodbye) socket.end();
  }

  function hangUp(given: Reply): void {
    if (saidGoodbye) return;
    answer(given);
    saidGoodbye = true;
  }

  /** Deals with what the client has said, as far as that can be done now, and writes the replies. */
  function proceed(): void {
    let commands = 0;
    while (!held && !saidGoodbye) {
      const said = reader.next();
      if (said === null) break;
      if (said.kind === 'line') command(said.line);
      else if (said.kind === 'overlong') junkCommand(reply(500, '5.5.2', 'Line too long'));
      else if (receiving !== null) contentEnded(receiving.transaction, receiving.content.finish());
      commands += 1;
      if (commands === COMMANDS_PER_TURN && !held) {
        held = true;
        setImmediate(release);
      }
    }
    if (context.closing && !connection.busy) hangUp(SHUTTING_DOWN);
    if (inputEnded && !held) saidGoodbye = true;
    flush();
    if (socket.writableNeedDrain && !held) {
      held = true;
      socket.once('drain', release);
    }
    if (reader.waiting > AHEAD_BYTES && held) socket.pause();
    else if (socket.isPaused()) socket.resume();
  }

  function release(): void {
    held = false;
    proceed();
  }

  function command(line: string): void {
    const { verb, argument } = parseCommand(line);
    if (context.closing && !connection.busy && verb !== 'QUIT') {
      hangUp(SHUTTING_DOWN);
      return;
    }
    try {
      dispatch(verb, argument);
    } catch (error) {
      context.logger.error({ connection: id, err: problemOf(error) }, 'a command failed; answered 451');
      dialogue.reset();
      answer(INTERNAL_ERROR);
    }
  }

  function dispatch(verb: string, argument: string): void {
    switch (verb) {
      case 'LHLO':
      case 'EHLO':
      case 'HELO':
        hello(verb, argument);
        break;
      case 'XFORWARD':
        answer(dialogue.xforward(argument));
        break;
      case 'MAIL':
        answer(dialogue.mail(argument));
        break;
      case 'RCPT':
        answer(dialogue.rcpt(argument));
        break;
      case 'DATA':
        data(argument);
        break;
      case 'RSET':
        dialogue.reset();
        answer(OK);
        break;
      case 'NOOP':
        answer(OK);
        break;
      case 'QUIT':
        acknowledgements.quit();
        hangUp(BYE);
        break;
      default:
        if (NOT_IMPLEMENTED.has(verb)) junkCommand(reply(502, '5.5.1', 'Command not implemented'));
        else junkCommand(reply(500, '5.5.2', 'Command not recognised'));
    }
  }

  function hello(verb: Hello, name: string): void {
    const given = dialogue.hello(verb, name, context.hostname);
    if (typeof given === 'string') unwritten += given;
    else junkCommand(given);
  }

  function junkCommand(given: Reply): void {
    junk += 1;
    if (junk > MAX_JUNK_COMMANDS) hangUp(reply(421, '4.7.0', 'Too many errors'));
    else answer(given);
  }

  function data(argument: string): void {
    const transaction = dialogue.open;
    if (transaction === null) {
      answer(reply(503, '5.5.1', 'Need MAIL command'));
      return;
    }
    if (argument !== '') {
      answer(reply(501, '5.5.4', 'Syntax: DATA'));
      return;
    }
    if (transaction.recipients.length === 0) {
      answer(reply(503, '5.5.1', 'No valid recipients'));
      return;
    }
    const content = createDataReader({
      maxBytes: context.config.max_message_size,
      bareNewline: context.config.bare_newline,
      grow: (bytes) => {
        const before = Math.max(transaction.received, transaction.declared);
        transaction.received += bytes;
        return transaction.received <= before || transaction.lease.grow(transaction.received - before);
      },
      dropped: () => transaction.lease.release(),
    });
    reader.readData(content);
    receiving = { transaction, content };
    answer(START_DATA);
  }

  /** The final dot has come. */
  function contentEnded(open: OpenTransaction, outcome: DataOutcome | Promise<DataOutcome>): void {
    receiving = null;
    if (!(outcome instanceof Promise)) {
      received(open, outcome);
      return;
    }
    held = true;
    void outcome.then((known) => {
      held = false;
      // Whose connection is gone meanwhile has its transaction dropped already: the client still has the message.
      if (socket.destroyed) return;
      received(open, known);
      proceed();
    });
  }

  function received(open: OpenTransaction, outcome: DataOutcome): void {
    const { listener, config } = context;
    const answers = listener.protocol === 'lmtp' ? open.recipients.length : 1;
    if (!outcome.ok) {
      finish(
        open,
        Array.from({ length: answers }, () => contentRefusal(outcome.because, config.max_message_size)),
      );
      return;
    }
    open.lease.settle(outcome.message.length);
    transactions += 1;
    const transaction: Transaction = {
      id: `${processTag}-${transactions.toString(36)}`,
      envelope: { sender: open.sender, parameters: open.parameters, recipients: open.recipients },
      xforward: dialogue.attributes,
      client: dialogue.client,
      message: outcome.message,
      deadline:
        Date.now() + (listener.before_queue ? config.before_queue_deadline : config.transaction_deadline),
      ...(listener.next_hop === undefined ? {} : { nextHop: listener.next_hop }),
    };
    delivering = transaction;
    held = true;
    void handOver(context, transaction, answers).then((replies) => {
      delivering = null;
      if (replies === null) {
        // Not deliver's own replies: whatever was accepted must stay remembered.
        finish(
          open,
          Array.from({ length: answers }, () => INTERNAL_ERROR),
        );
        tellFate(context, transaction, false);
      } else {
        whenFlushed = acknowledgements.answered((reached) => tellFate(context, transaction, reached));
        finish(open, replies);
      }
      release();
    });
  }

  function finish(open: OpenTransaction, replies: readonly Reply[]): void {
    const utf8 = findParameter(open.parameters, 'SMTPUTF8') !== undefined;
    dialogue.reset();
    for (const each of replies) unwritten += encodeReply(notClosing(each), utf8);
  }

  socket.on('data', (bytes: Buffer) => {
    if (saidGoodbye) return;
    acknowledgements.heard(bytes, reader.atRest && !held);
    reader.push(bytes);
    proceed();
  });
  socket.on('end', () => {
    inputEnded = true;
    acknowledgements.ended();
    // What was sent before is answered first.
    if (!held) proceed();
  });
  // A client that resets its connection is an everyday event.
  socket.on('error', (error: NodeJS.ErrnoException) => {
    context.logger.debug({ connection: id, err: error.code ?? error.message }, 'client connection failed');
  });
  socket.on('close', (hadError) => {
    context.open.delete(connection);
    saidGoodbye = true;
    // What was not received to its end is dropped; the client still has it.
    if (delivering === null) dialogue.reset();
    else context.abandoned?.(delivering);
    acknowledgements.closed(hadError || !inputEnded);
  });
  socket.on('timeout', () => {
    if (saidGoodbye) socket.destroy();
    else if (delivering !== null) socket.setTimeout(context.config.idle_timeout);
    else {
      hangUp(reply(421, '4.4.2', 'Timeout: nothing received for too long'));
      flush();
      socket.setTimeout(context.config.idle_timeout);
    }
  });
  socket.setTimeout(context.config.idle_timeout);

  context.open.add(connection);
  if (context.closing) hangUp(SHUTTING_DOWN);
  else if (context.open.size > context.config.max_connections)
    hangUp(reply(421, '4.3.2', 'Too many connections'));
  else
    unwritten = `220 ${context.hostname} ${context.listener.protocol === 'lmtp' ? 'LMTP' : 'ESMTP'} sealpost\r\n`;
  flush();
  return connection;
}

/** A TCP client that is gone already has no address: that is no unix socket. */
function mayForward(socket: Socket, { listener, trusted }: ConnectionContext): boolean {
  return (
    listener.address.kind === 'unix' || (socket.remoteAddress !== undefined && trusted(socket.remoteAddress))
  );
}

/** A recipient's 421 is no goodbye of ours. */
function notClosing(answer: Reply): Reply {
  return answer.code === 421 ? { ...answer, code: 451 } : answer;
}

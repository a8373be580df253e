// One client connection of the proxy filter: smtp-server's connection for the life of the socket, with our own commands.
// Nothing that a client may rightly send is changed, dropped or refused here; see filters.md for what this cures.
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import type { FilterConfig, FilterListener } from '../src/config/schema.ts';
import type { Logger } from '../src/observe/log.ts';
import type { Admission } from '../src/smtp/budget.ts';
import { type Command, parseCommand } from '../src/smtp/commands.ts';
import { messageTooLarge } from '../src/smtp/parameters.ts';
import { findParameter } from '../src/smtp/paths.ts';
import { encodeReply, reply } from '../src/smtp/replies.ts';
import type { Reply, Transaction } from '../src/smtp/types.ts';
import { type Acknowledgements, createAcknowledgements } from './acknowledgement.ts';
import { CommandStream } from './command-stream.ts';
import { createDataReader, type DataOutcome } from './data-stream.ts';
import { createDialogue, type Dialogue, type Hello, NO_STORAGE, type OpenTransaction } from './dialogue.ts';

/** What a connection needs to know; shared by all connections of a listener. */
export interface ConnectionContext {
  readonly listener: FilterListener;
  /** Replaced as a whole when the configuration is read again. */
  config: FilterConfig;
  readonly hostname: string;
  readonly logger: Logger;
  readonly admission: Admission;
  readonly deliver: (transaction: Transaction) => Promise<readonly Reply[]>;
  readonly acknowledged: (transaction: Transaction) => void;
  readonly lost: (transaction: Transaction) => void;
  trusted: (remoteAddress: string | undefined) => boolean;
  /** Open connections, this one included. */
  readonly open: Set<FilterConnection>;
  /** The listener is closing: no new transaction begins. */
  closing: boolean;
}

/** As Postfix's smtpd_hard_error_limit. Only lines that are no commands count: a refused recipient is no mischief. */
const MAX_JUNK_COMMANDS = 20;
/** What `deliver` may overrun the deadline by, before the client is answered without it. */
const OVERRUN_MS = 5_000;

const OK = reply(250, '2.0.0', 'Ok');
const START_DATA = reply(354, '', 'End data with <CR><LF>.<CR><LF>');
const SHUTTING_DOWN = reply(421, '4.3.2', 'Service shutting down');
const INTERNAL_ERROR = reply(451, '4.3.0', 'Internal error, try again later');
/** Known from RFCs and from smtp-server, and not for a content filter. */
const NOT_IMPLEMENTED = new Set(
  'AUTH STARTTLS VRFY EXPN HELP BDAT ETRN TURN XCLIENT SEND SOML SAML WIZ SHELL KILL'.split(' '),
);

let transactions = 0;
const processTag = randomBytes(3).toString('hex');

export class FilterConnection extends SMTPConnection {
  readonly #context: ConnectionContext;
  readonly #peer: Socket;
  readonly #acknowledgements: Acknowledgements = createAcknowledgements();
  readonly #dialogue: Dialogue;
  #delivering = false;
  #junk = 0;
  #corked = false;
  #inputEnded = false;

  constructor(server: SMTPServer, socket: Socket, context: ConnectionContext) {
    super(server, socket);
    this.#context = context;
    this.#peer = socket;
    this.#dialogue = createDialogue({
      protocol: context.listener.protocol,
      config: () => context.config,
      admission: context.admission,
      mayForward: context.trusted(socket.remoteAddress),
    });
    context.open.add(this);
  }

  /** Whether a transaction has begun and is not yet answered. */
  get busy(): boolean {
    return this.#dialogue.open !== null || this.#delivering;
  }

  /** Greets at once: a client that Postfix runs needs no test for early talkers. */
  override init(): void {
    const { config, open, closing } = this.#context;
    this._setListeners(() => {
      if (closing) this.#hangUp(SHUTTING_DOWN);
      else if (open.size > config.max_connections) this.#hangUp(reply(421, '4.3.2', 'Too many connections'));
      else this.connectionReady();
    });
  }

  /** Says goodbye with 421, because the listener is closing. */
  shutDown(): void {
    this.#hangUp(SHUTTING_DOWN);
  }

  /** Ends the connection without further words. */
  destroy(): void {
    this.#peer.destroy();
  }

  override _createParser(): CommandStream {
    const parser = new CommandStream({
      command: (line, next) => this._onCommand(line, next),
      overlong: (next) => {
        this.#junkCommand(reply(500, '5.5.2', 'Line too long'));
        this._whenWritable(next);
      },
    });
    parser.on('error', () => this.#peer.destroy());
    // The client has closed its side, and everything it sent before has been answered.
    parser.on('finish', () => {
      if (!this._closing) this.close();
    });
    return parser;
  }

  override _setListeners(callback: () => void): void {
    this.#peer.on('data', (bytes: Buffer) => {
      const parser = this._parser;
      this.#acknowledgements.heard(bytes, parser instanceof CommandStream && parser.atRest);
    });
    this.#peer.on('end', () => {
      this.#inputEnded = true;
      this.#acknowledgements.ended();
    });
    super._setListeners(callback);
  }

  /** A client that resets its connection is an everyday event; it never reaches the server object. */
  override _onError(error: Error & { code?: string | undefined }): void {
    this.#context.logger.debug(
      { connection: this.id, err: error.code ?? error.message },
      'client connection failed',
    );
    this.#peer.destroy();
  }

  override _onCloseEvent(hadError?: boolean): void {
    super._onCloseEvent(hadError);
    this.#context.open.delete(this);
    // What was not received to its end is dropped; the client still has it.
    if (!this.#delivering) this.#dialogue.reset();
    this.#acknowledgements.closed(hadError === true || this.#peer.errored !== null || !this.#inputEnded);
  }

  override _onTimeout(): void {
    if (this._closing) this.#peer.destroy();
    else if (this.#delivering) this._armTimeout();
    else this.#hangUp(reply(421, '4.4.2', 'Timeout: nothing received for too long'));
  }

  override _onCommand(line: Buffer, callback: () => void = () => undefined): void {
    const next = (): void => this._whenWritable(callback);
    if (this.#context.closing && !this.busy && !/^quit\s*$/i.test(line.toString('latin1', 0, 8))) {
      this.#hangUp(SHUTTING_DOWN);
      return;
    }
    try {
      this.#dispatch(parseCommand(line.toString('latin1')));
    } catch (error) {
      const problem = error instanceof Error ? error.message : 'unknown';
      this.#context.logger.error({ connection: this.id, err: problem }, 'a command failed; answered 451');
      this.#dialogue.reset();
      this.#answer(INTERNAL_ERROR);
    }
    next();
  }

  #dispatch({ verb, argument }: Command): void {
    switch (verb) {
      case 'LHLO':
      case 'EHLO':
      case 'HELO':
        this.#hello(verb, argument);
        break;
      case 'XFORWARD':
        this.#answer(this.#dialogue.xforward(argument));
        break;
      case 'MAIL':
        this.#answer(this.#dialogue.mail(argument));
        break;
      case 'RCPT':
        this.#answer(this.#dialogue.rcpt(argument));
        break;
      case 'DATA':
        this.#data(argument);
        break;
      case 'RSET':
        this.#dialogue.reset();
        this.#answer(OK);
        break;
      case 'NOOP':
        this.#answer(OK);
        break;
      case 'QUIT':
        this.#acknowledgements.quit();
        this.#answer(reply(221, '2.0.0', 'Bye'));
        this.close();
        break;
      default:
        if (NOT_IMPLEMENTED.has(verb)) this.#junkCommand(reply(502, '5.5.1', 'Command not implemented'));
        else this.#junkCommand(reply(500, '5.5.2', 'Command not recognised'));
    }
  }

  #hello(verb: Hello, name: string): void {
    const answer = this.#dialogue.hello(verb, name, this.#context.hostname);
    if (typeof answer === 'string') this.#write(answer);
    else this.#junkCommand(answer);
  }

  #data(argument: string): void {
    const transaction = this.#dialogue.open;
    const parser = this._parser;
    if (transaction === null || !(parser instanceof CommandStream)) {
      this.#answer(reply(503, '5.5.1', 'Need MAIL command'));
      return;
    }
    if (argument !== '') {
      this.#answer(reply(501, '5.5.4', 'Syntax: DATA'));
      return;
    }
    if (transaction.recipients.length === 0) {
      this.#answer(reply(503, '5.5.1', 'No valid recipients'));
      return;
    }
    const { config } = this.#context;
    const reader = createDataReader({
      maxBytes: config.max_message_size,
      bareNewline: config.bare_newline,
      grow: (bytes) => {
        const before = Math.max(transaction.received, transaction.declared);
        transaction.received += bytes;
        return transaction.received <= before || transaction.lease.grow(transaction.received - before);
      },
      dropped: () => transaction.lease.release(),
    });
    parser.readData(reader, (next) => this.#received(transaction, reader.finish(), next));
    this.#answer(START_DATA);
  }

  #received(open: OpenTransaction, outcome: DataOutcome, next: () => void): void {
    const { listener, config } = this.#context;
    const answers = listener.protocol === 'lmtp' ? open.recipients.length : 1;
    const utf8 = findParameter(open.parameters, 'SMTPUTF8') !== undefined;
    const finish = (replies: readonly Reply[], flushed?: () => void): void => {
      this.#dialogue.reset();
      this.#delivering = false;
      this.#write(replies.map((each) => encodeReply(notClosing(each), utf8)).join(''), flushed);
      this._whenWritable(next);
      // The client's pipelined QUIT has been dealt with by now.
      if (this.#context.closing && !this.busy) this.#hangUp(SHUTTING_DOWN);
    };
    if (!outcome.ok) {
      finish(Array.from({ length: answers }, () => this.#refusalOf(outcome.because)));
      return;
    }
    open.lease.settle(outcome.message.length);
    transactions += 1;
    const transaction: Transaction = {
      id: `${processTag}-${transactions.toString(36)}`,
      envelope: { sender: open.sender, parameters: open.parameters, recipients: open.recipients },
      xforward: this.#dialogue.attributes,
      client: this.#dialogue.client,
      message: outcome.message,
      deadline:
        Date.now() + (listener.before_queue ? config.before_queue_deadline : config.transaction_deadline),
    };
    this.#delivering = true;
    void this.#deliver(transaction, answers).then((replies) => {
      if (replies === null) {
        // Not deliver's own replies: whatever was accepted must stay remembered.
        finish(Array.from({ length: answers }, () => INTERNAL_ERROR));
        this.#tell(transaction, false);
        return;
      }
      const flushed = this.#acknowledgements.answered((reached) => this.#tell(transaction, reached));
      finish(replies, flushed);
    });
  }

  /** @returns the replies, or null when `deliver` failed, gave too few, or overran its deadline */
  async #deliver(transaction: Transaction, answers: number): Promise<readonly Reply[] | null> {
    const { deliver, logger } = this.#context;
    let timer: NodeJS.Timeout | undefined;
    const overrun = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), transaction.deadline + OVERRUN_MS - Date.now());
    });
    try {
      const replies = await Promise.race([deliver(transaction), overrun]);
      if (replies?.length === answers) return replies;
      logger.error(
        { transaction: transaction.id, replies: replies?.length, answers },
        'no replies in time; answered 451',
      );
    } catch (error) {
      const problem = error instanceof Error ? error.message : 'unknown';
      logger.error({ transaction: transaction.id, err: problem }, 'delivery failed; answered 451');
    } finally {
      clearTimeout(timer);
    }
    return null;
  }

  #tell(transaction: Transaction, reached: boolean): void {
    const { acknowledged, lost, logger } = this.#context;
    try {
      (reached ? acknowledged : lost)(transaction);
    } catch (error) {
      const problem = error instanceof Error ? error.message : 'unknown';
      logger.error(
        { transaction: transaction.id, err: problem },
        'the fate of our replies could not be recorded',
      );
    }
  }

  #refusalOf(because: 'too-large' | 'no-room' | 'bare-newline'): Reply {
    if (because === 'too-large') return messageTooLarge(this.#context.config.max_message_size);
    if (because === 'no-room') return NO_STORAGE;
    return reply(550, '5.5.2', 'Message contains bare <CR> or <LF>; lines must end in <CR><LF>');
  }

  #junkCommand(answer: Reply): void {
    this.#junk += 1;
    if (this.#junk > MAX_JUNK_COMMANDS) this.#hangUp(reply(421, '4.7.0', 'Too many errors'));
    else this.#answer(answer);
  }

  #hangUp(answer: Reply): void {
    if (this._closing) return;
    this.#answer(answer);
    this.close();
  }

  #answer(answer: Reply): void {
    this.#write(encodeReply(answer));
  }

  /** Replies to pipelined commands leave together; RFC 2920, section 3.2, asks for it. */
  #write(text: string, flushed?: () => void): void {
    const socket = this.#peer;
    if (socket.destroyed || !socket.writable) return;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    socket.write(text, 'utf8', (error) => {
      if (error === null || error === undefined) flushed?.();
    });
  }
}

/** A recipient's 421 is no goodbye of ours. */
function notClosing(answer: Reply): Reply {
  return answer.code === 421 ? { ...answer, code: 451 } : answer;
}

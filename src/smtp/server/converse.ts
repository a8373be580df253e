// The conversation on one connection: takes the client's commands one after the other, and answers each of them.
import {
  BYE,
  COMMAND_FAILED,
  LINE_TOO_LONG,
  NO_STORAGE,
  NOT_IMPLEMENTED,
  OK,
  SHUTTING_DOWN,
  TOO_MANY_ERRORS,
  UNKNOWN_COMMAND,
} from '../our-replies.ts';
import type { Reply } from '../types.ts';
import { parseCommand } from './commands.ts';
import type { Hello } from './dialogue.ts';
import { errorInWords } from './hand-over.ts';
import { flush, hangUp, isBusy, type OpenConnection, say } from './open-connection.ts';
import { beginData, endData, nextTransaction } from './receive.ts';

/** As Postfix's smtpd_hard_error_limit. Only lines that are no commands count: a refused recipient is no mischief. */
const MAX_JUNK_COMMANDS = 20;
/** Pipelined commands before other connections get their turn. */
const COMMANDS_PER_TURN = 100;
/** What a client may send ahead, while it waits for an answer, before its socket is no longer read. */
const AHEAD_BYTES = 64 * 1024;

/** RFC 1870, section 6. */
const TOO_LARGE = 552;

/** Known from RFCs and from other servers, and not for a content filter. */
const FOREIGN_COMMANDS = new Set(
  'AUTH STARTTLS VRFY EXPN HELP BDAT ETRN TURN XCLIENT SEND SOML SAML WIZ SHELL KILL'.split(' '),
);

/** Deals with what the client has said, as far as that can be done now, and writes the replies. */
export function proceed(connection: OpenConnection): void {
  const { parser, socket, context } = connection;
  let commands = 0;
  while (!connection.held && !connection.saidGoodbye) {
    const said = parser.next();
    if (said === null) break;
    if (said.kind === 'line') command(connection, said.line);
    else if (said.kind === 'overlong') junk(connection, LINE_TOO_LONG);
    else endData(connection);
    commands += 1;
    if (commands === COMMANDS_PER_TURN && !connection.held) {
      connection.held = true;
      setImmediate(release, connection);
    }
  }
  if (context.closing && !isBusy(connection)) hangUp(connection, SHUTTING_DOWN);
  if (connection.inputEnded && !connection.held) connection.saidGoodbye = true;
  flush(connection);
  if (socket.writableNeedDrain && !connection.held) {
    connection.held = true;
    socket.once('drain', () => release(connection));
  }
  if (parser.waiting > AHEAD_BYTES && connection.held) socket.pause();
  else if (socket.isPaused()) socket.resume();
}

/** Goes on once what held the commands up is over. */
function release(connection: OpenConnection): void {
  connection.held = false;
  proceed(connection);
}

function command(connection: OpenConnection, line: string): void {
  const { verb, argument } = parseCommand(line);
  const { context, dialogue } = connection;
  if (context.closing && !isBusy(connection) && verb !== 'QUIT') {
    hangUp(connection, SHUTTING_DOWN);
    return;
  }
  try {
    dispatch(connection, verb, argument);
  } catch (error) {
    context.logger.error(
      { event: 'command_failed', connection: connection.id, err: errorInWords(error) },
      'a command failed; answered 451',
    );
    dialogue.reset();
    say(connection, COMMAND_FAILED);
  }
}

function dispatch(connection: OpenConnection, verb: string, argument: string): void {
  const { dialogue } = connection;
  switch (verb) {
    case 'LHLO':
    case 'EHLO':
    case 'HELO':
      hello(connection, verb, argument);
      break;
    case 'XFORWARD':
      say(connection, dialogue.xforward(argument));
      break;
    case 'MAIL':
      mail(connection, argument);
      break;
    case 'RCPT':
      say(connection, dialogue.rcpt(argument));
      break;
    case 'DATA':
      beginData(connection, argument);
      break;
    case 'RSET':
      dialogue.reset();
      say(connection, OK);
      break;
    case 'NOOP':
      say(connection, OK);
      break;
    case 'QUIT':
      connection.acknowledgements.quit();
      hangUp(connection, BYE);
      break;
    default:
      junk(connection, FOREIGN_COMMANDS.has(verb) ? NOT_IMPLEMENTED : UNKNOWN_COMMAND);
  }
}

/** What is refused or put off for its size alone is told of: another refusal says that the client does not keep to the protocol. */
function mail(connection: OpenConnection, argument: string): void {
  const { dialogue, context } = connection;
  const reply = dialogue.mail(argument);
  say(connection, reply);
  const because = reply === NO_STORAGE ? 'no-room' : reply.code === TOO_LARGE ? 'too-large' : null;
  if (because === null) return;
  const size = Number(/ SIZE=(\d{1,15})(?: |$)/i.exec(argument)?.[1] ?? 0);
  const { attributes: xforward } = dialogue;
  context.notTaken?.({ id: nextTransaction(), xforward, recipients: [], size, because, reply });
}

function hello(connection: OpenConnection, verb: Hello, name: string): void {
  const given = connection.dialogue.hello(verb, name, connection.context.hostname);
  if (typeof given === 'string') connection.unwritten += given;
  else junk(connection, given);
}

/** Answers a line that is no command; there may be few of them. */
function junk(connection: OpenConnection, reply: Reply): void {
  connection.junk += 1;
  if (connection.junk > MAX_JUNK_COMMANDS) hangUp(connection, TOO_MANY_ERRORS);
  else say(connection, reply);
}

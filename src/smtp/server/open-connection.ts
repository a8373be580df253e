// What is known of one open connection, and what is said on it: replies are collected, and leave together at the end of a turn.
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FilterConfig, FilterListener } from '../../config/schema.ts';
import type { Ration } from '../../pacing/ration.ts';
import { encodeReply } from '../replies.ts';
import type { Reply, Transaction } from '../types.ts';
import type { Acknowledgements } from './acknowledgement.ts';
import type { Admission } from './budget.ts';
import type { CommandParser } from './command-parser.ts';
import type { DataParser } from './data-parser.ts';
import type { Dialogue, OpenTransaction } from './dialogue.ts';
import type { HandOver } from './hand-over.ts';

/** Tells connections and transactions in the log from those of other processes. */
export const PROCESS_TAG = randomBytes(3).toString('hex');

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
  /** How often it is said that a client was turned away. */
  readonly turnedAway: Ration;
  /** The listener is closing: no new transaction begins. */
  closing: boolean;
}

/** A connection as its listener knows it. */
export interface FilterConnection {
  /** Whether a transaction has begun and is not yet answered. */
  readonly busy: boolean;
  /** Says goodbye with 421, because the listener is closing. */
  shutDown(): void;
  /** Ends the connection without further words. */
  destroy(): void;
}

/** The state of one connection. */
export interface OpenConnection {
  /** For logs. */
  readonly id: string;
  readonly socket: Socket;
  readonly context: ConnectionContext;
  readonly parser: CommandParser;
  readonly dialogue: Dialogue;
  readonly acknowledgements: Acknowledgements;
  /** Deals with what the client has said, as far as that can be done now. */
  readonly proceed: () => void;
  /** Replies of this turn, not yet written: what answers pipelined commands leaves together (RFC 2920, section 3.2). */
  unwritten: string;
  /** Called when the operating system has taken what is unwritten now. */
  whenFlushed: (() => void) | undefined;
  receiving: { readonly transaction: OpenTransaction; readonly content: DataParser } | null;
  delivering: Transaction | null;
  /** Commands wait: for the end of a delivery, for the client to read, or for other connections' turn. */
  held: boolean;
  saidGoodbye: boolean;
  inputEnded: boolean;
  /** Lines so far that are no commands. */
  junk: number;
}

/** Whether a transaction has begun and is not yet answered. */
export function isBusy({ dialogue, delivering }: OpenConnection): boolean {
  return dialogue.open !== null || delivering !== null;
}

/** Gives a reply; it leaves with the next {@link flush}. */
export function say(connection: OpenConnection, reply: Reply): void {
  connection.unwritten += encodeReply(reply);
}

/** Gives the last reply; the next {@link flush} ends the connection. */
export function hangUp(connection: OpenConnection, reply: Reply): void {
  if (connection.saidGoodbye) return;
  say(connection, reply);
  connection.saidGoodbye = true;
}

/** Writes the replies, and closes our side behind the last one. */
export function flush(connection: OpenConnection): void {
  const { socket, unwritten, whenFlushed } = connection;
  connection.unwritten = '';
  connection.whenFlushed = undefined;
  if (socket.destroyed || !socket.writable) return;
  if (unwritten !== '') {
    socket.write(unwritten, 'utf8', whenFlushed === undefined ? undefined : whenWritten(whenFlushed));
  }
  if (connection.saidGoodbye) socket.end();
}

function whenWritten(flushed: () => void): (error?: Error | null) => void {
  return (error) => {
    if (error === null || error === undefined) flushed();
  };
}

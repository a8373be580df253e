// A message on one connection: from DATA to the replies behind its final dot.
import { COMMAND_FAILED, DATA_SYNTAX, MAIL_FIRST, NO_RECIPIENTS, START_DATA } from '../our-replies.ts';
import { findParameter } from '../paths.ts';
import { encodeReply, notClosing } from '../replies.ts';
import type { Reply, Transaction } from '../types.ts';
import { contentRefusal } from './content-refusal.ts';
import { createDataParser, type DataOutcome } from './data-parser.ts';
import type { OpenTransaction } from './dialogue.ts';
import { handOver, tellFate } from './hand-over.ts';
import { type OpenConnection, PROCESS_TAG, say } from './open-connection.ts';

let transactions = 0;

/** Our own name of the next message: unique in this process. */
export function nextTransaction(): string {
  transactions += 1;
  return `${PROCESS_TAG}-${transactions.toString(36)}`;
}

/** Answers DATA. Behind a 354 the parser takes content. */
export function beginData(connection: OpenConnection, argument: string): void {
  const transaction = connection.dialogue.open;
  if (transaction === null) say(connection, MAIL_FIRST);
  else if (argument !== '') say(connection, DATA_SYNTAX);
  else if (transaction.recipients.length === 0) say(connection, NO_RECIPIENTS);
  else {
    const { config } = connection.context;
    const content = createDataParser({
      maxBytes: config.max_message_size,
      bareNewline: config.bare_newline,
      grow: (bytes) => growLease(transaction, bytes),
      dropped: () => transaction.lease.release(),
    });
    connection.parser.expectData(content);
    connection.receiving = { transaction, content };
    say(connection, START_DATA);
  }
}

/**
 * Memory is reserved as bytes come, and ahead of them in proportion, up to the declared size: of many large messages at once those that
 * will not fit are put off early, while the others are received to their end.
 */
function growLease(transaction: OpenTransaction, bytes: number): boolean {
  const { declared, lease } = transaction;
  transaction.received += bytes;
  const { received, held } = transaction;
  if (received <= held) return true;
  const ahead = Math.min(declared, Math.max(received * AHEAD, LEAST_AHEAD));
  const wanted = Math.max(received, ahead) - held;
  if (!lease.grow(wanted)) return false;
  transaction.held += wanted;
  return true;
}

/** So many times of what has come is reserved. */
const AHEAD = 4;
const LEAST_AHEAD = 64 * 1024;

/** The final dot has come: judges the content, and hands a good message over. */
export function endData(connection: OpenConnection): void {
  const { receiving, socket } = connection;
  if (receiving === null) return;
  connection.receiving = null;
  const { transaction, content } = receiving;
  const outcome = content.finish();
  if (!(outcome instanceof Promise)) {
    received(connection, transaction, outcome);
    return;
  }
  connection.held = true;
  void outcome.then((known) => {
    connection.held = false;
    // Whose connection is gone meanwhile has its transaction dropped already: the client still has the message.
    if (socket.destroyed) return;
    received(connection, transaction, known);
    connection.proceed();
  });
}

function received(connection: OpenConnection, open: OpenTransaction, outcome: DataOutcome): void {
  const { listener, config } = connection.context;
  const answers = listener.protocol === 'lmtp' ? open.recipients.length : 1;
  const { dialogue } = connection;
  if (!outcome.ok) {
    const { because } = outcome;
    const reply = contentRefusal(because, config.max_message_size);
    connection.context.notTaken?.({
      id: nextTransaction(),
      listener: listenerName(listener),
      xforward: dialogue.attributes,
      recipients: open.recipients.map(({ path }) => path),
      size: Math.max(open.received, open.declared),
      because,
      reply,
    });
    answer(connection, open, sameFor(answers, reply));
    return;
  }
  open.lease.settle(outcome.message.length);
  void deliver(connection, open, answers, {
    id: nextTransaction(),
    listener: listenerName(listener),
    envelope: { sender: open.sender, parameters: open.parameters, recipients: open.recipients },
    xforward: dialogue.attributes,
    client: dialogue.client,
    message: outcome.message,
    deadline:
      Date.now() + (listener.before_queue ? config.before_queue_deadline : config.transaction_deadline),
    ...(listener.next_hop === undefined ? {} : { nextHop: listener.next_hop }),
  });
}

function listenerName({ name, protocol }: OpenConnection['context']['listener']): string {
  return name ?? protocol;
}

/** Never rejects. What the client says meanwhile waits. */
async function deliver(
  connection: OpenConnection,
  open: OpenTransaction,
  answers: number,
  transaction: Transaction,
): Promise<void> {
  const { context } = connection;
  connection.delivering = transaction;
  connection.held = true;
  const replies = await handOver(context, transaction, answers);
  connection.delivering = null;
  if (replies === null) {
    // Not deliver's own replies: whatever was accepted must stay remembered.
    answer(connection, open, sameFor(answers, COMMAND_FAILED));
    tellFate(context, transaction, false);
  } else {
    connection.whenFlushed = connection.acknowledgements.answered((reached) =>
      tellFate(context, transaction, reached),
    );
    answer(connection, open, replies);
  }
  connection.held = false;
  connection.proceed();
}

function sameFor(answers: number, reply: Reply): readonly Reply[] {
  return new Array<Reply>(answers).fill(reply);
}

/** Ends the transaction with its replies. */
function answer(connection: OpenConnection, open: OpenTransaction, replies: readonly Reply[]): void {
  const utf8 = findParameter(open.parameters, 'SMTPUTF8') !== undefined;
  connection.dialogue.reset();
  // A recipient's 421 is no goodbye of ours.
  for (const reply of replies) connection.unwritten += encodeReply(notClosing(reply), utf8);
}

// The door by mail: a letter to the key address is read, and the keys in it are handed over to the flow. Who wrote it proves nothing:
// each key's own letter goes to the user whom From names, sealed to that key.

import { inOrmTransaction } from '../../database/transaction.ts';
import type { KeyDoor, KeyLetter } from '../../delivery/key-address.ts';
import { type MessageParts, splitMessage } from '../../message/header.ts';
import { createTurns } from '../../pacing/turns.ts';
import { submitKey } from '../flow.ts';
import { LIMITS, takeTurn, takeTurnIn } from '../limits.ts';
import { userNamed } from '../named-user.ts';
import { postLetters, withdrawUnsent } from '../outbox.ts';
import { loadAddressee } from '../rows.ts';
import type { Asker, FlowContext, RefusalCode } from '../types.ts';
import { understand } from '../understand.ts';
import { type Silence, whoAsks } from './asks.ts';
import { autocryptKey } from './autocrypt.ts';
import { readPieces } from './read-pieces.ts';
import { readSignedLetter } from './signed-letter.ts';

/** What came of a letter to the key address. */
export type LetterResult =
  | Silence
  | RefusalCode
  | 'no user of ours'
  | 'another sender'
  | 'not readable'
  | 'signature not proven'
  | 'no key in it'
  | 'submitted'
  | 'revoked';

const SENTENCES: Readonly<Partial<Record<LetterResult, string>>> = {
  submitted: 'a key was handed over: its letter goes to its owner',
  revoked: 'a revocation of a key was obeyed',
  'needs key': 'a key came for a user who has one: nothing was changed, and the user is told',
  'key known': 'a key came that the user has already',
  limited: 'too many letters that name this user came: this one was not read',
  'no user of ours': 'its author is no user of ours',
  'another sender': 'its author and its envelope sender are not the same user',
  'not readable': 'it is too large for a letter with a key, or no mail program would read it',
  'signature not proven': 'its S/MIME signature is wrong, or not by a certificate of its author',
  'no key in it': 'it holds no key',
};

/** What was found, in words for the log. */
export function inWords(results: readonly LetterResult[]): string {
  return [...new Set(results)].map((each) => SENTENCES[each] ?? `it is not answered: ${each}`).join('; ');
}

/** To read a key costs time: one letter after the other, and no longer than this. Milliseconds. */
const PATIENCE_MS = 30_000;

/** Makes the door over the database of a process that delivers. */
export function mailDoorOf(
  database: FlowContext['database'],
  config: FlowContext['config'],
  now: FlowContext['now'] = () => Date.now(),
): KeyDoor {
  const inTurn = createTurns(1, PATIENCE_MS);
  return (letter) => inTurn(async () => inWords(await takeLetter({ database, config, now }, letter)));
}

/**
 * Reads a letter and does what it asks for. What is done is committed when it resolves.
 * @throws what the database throws
 */
export async function takeLetter(
  context: FlowContext,
  { message, sender }: KeyLetter,
): Promise<readonly LetterResult[]> {
  const header = splitMessage(message);
  const asks = whoAsks(header, sender);
  if (!asks.ok) return [asks.because];
  const { orm } = context.database;
  const form = { kind: 'recipient', delimiters: context.config().recipient_delimiter } as const;
  const author = await userNamed(orm, utf8(asks.from), form);
  if (author === null || !author.active) return ['no user of ours'];
  const envelope = await userNamed(orm, utf8(sender), form);
  if (envelope?.userId !== author.userId) return ['another sender'];
  // Before the letter is taken apart: whoever writes it, that costs time.
  if ((await takeTurn(context, LIMITS.mailUser, String(author.userId))) !== null) return ['limited'];
  const keys = await keysOf(message, header, asks.from);
  if (typeof keys === 'string') return [keys];
  const asker: Asker = { userId: author.userId, proof: { level: 'mailbox' }, name: 'mail', language: null };
  const results: LetterResult[] = [];
  for (const key of keys) results.push(await handOver(context, asker, key));
  return results.length === 0 ? ['no key in it'] : results;
}

/** Those that somebody put into the letter; where there are none, the one that the program sends with every letter. */
async function keysOf(
  message: Buffer,
  header: MessageParts,
  from: string,
): Promise<readonly Buffer[] | Extract<LetterResult, 'not readable' | 'signature not proven'>> {
  const pieces = await readPieces(message);
  if (pieces === null) return 'not readable';
  if (pieces.length > 0) return pieces.map(({ bytes }) => bytes);
  const signed = await readSignedLetter(header, from);
  if (signed.kind === 'certificate') return [signed.upload];
  if (signed.kind === 'not proven') return 'signature not proven';
  const key = autocryptKey(header, from);
  return key === null ? [] : [key];
}

async function handOver(context: FlowContext, asker: Asker, key: Buffer): Promise<LetterResult> {
  const outcome = await submitKey(context, asker, key, 'add');
  if (outcome.ok) return outcome.result;
  if (outcome.because === 'needs key') await tellOwner(context, asker.userId, key);
  return outcome.because;
}

/** To the keys that mail is sealed to now, and never in the clear: nobody has proved to have asked for it. */
async function tellOwner(context: FlowContext, userId: number, key: Buffer): Promise<void> {
  const { orm } = context.database;
  const addressee = await loadAddressee(orm, userId);
  if (addressee === null || addressee.keys.length === 0) return;
  const { address } = addressee;
  const understood = await understand(orm, { userId, address }, key, context.config(), context.now());
  if (!understood.ok) return;
  const { fingerprint } = understood.key;
  await inOrmTransaction(context.database, async (tx) => {
    const now = context.now();
    if ((await takeTurnIn(tx, LIMITS.mailNotice, String(userId), now)) !== null) return;
    await withdrawUnsent(tx, userId, 'key came');
    await postLetters(tx, [{ userId, kind: 'key came', details: { fingerprint }, seal: 'current' }], now);
  });
}

/** Addresses in a message come as one character per byte. */
function utf8(address: string): string {
  return Buffer.from(address, 'latin1').toString('utf8');
}

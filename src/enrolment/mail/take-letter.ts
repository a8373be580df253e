// The door by mail: a letter to the key address is read, and the keys in it are handed over to the flow. Who wrote it proves nothing:
// each key's own letter goes to the user whom From names, sealed to that key.

import type { KeyLetter } from '../../delivery/key-address.ts';
import { findDomain } from '../../directory/find.ts';
import { fieldsNamed, type MessageParts, splitMessage } from '../../message/header.ts';
import { readSubmissionKey } from '../../publishing/submission-key.ts';
import { submitKey } from '../flow.ts';
import { LIMITS, takeTurn } from '../limits.ts';
import { userNamed } from '../named-user.ts';
import type { Asker, FlowContext, RefusalCode } from '../types.ts';
import { type Silence, whoAsks } from './asks.ts';
import { autocryptKey } from './autocrypt.ts';
import { confirmWks } from './confirm-wks.ts';
import { keyPieces } from './key-pieces.ts';
import { type LetterParts, readParts } from './read-parts.ts';
import { readSignedLetter } from './signed-letter.ts';
import { tellOwner } from './tell-owner.ts';
import { openLetter, responseIn, wksShape } from './wks-letter.ts';

/** What came of a letter to the key address. */
export type LetterResult =
  | Silence
  | RefusalCode
  | 'no user of ours'
  | 'another sender'
  | 'not readable'
  | 'not encrypted to us'
  | 'signature not proven'
  | 'no key in it'
  | 'submitted'
  | 'revoked'
  | 'confirmed'
  | 'waiting';

const SENTENCES: Readonly<Partial<Record<LetterResult, string>>> = {
  submitted: 'a key was handed over: its letter goes to its owner',
  revoked: 'a revocation of a key was obeyed',
  confirmed: 'the owner of a key has confirmed it: mail is sealed to it now',
  waiting: 'the owner of a key has confirmed it, and a recovery runs: it counts when that is over',
  'needs key': 'a key came for a user who has one: nothing was changed, and the user is told',
  'key known': 'a key came that the user has already',
  limited: 'too many letters that name this user came: this one was not read',
  'no user of ours': 'its author is no user of ours',
  'another sender': 'its author and its envelope sender are not the same user',
  'not readable': 'it is too large for a letter with a key, or no mail program would read it',
  'not encrypted to us': 'it is encrypted, and not to the submission key of the domain',
  'signature not proven': 'its S/MIME signature is wrong, or not by a certificate of its author',
  'no key in it': 'it holds no key',
};

/** What was found, in words for the log. */
export function inWords(results: readonly LetterResult[]): string {
  return [...new Set(results)].map((each) => SENTENCES[each] ?? `it is not answered: ${each}`).join('; ');
}

/**
 * Reads a letter and does what it asks for. What is done is committed when it resolves.
 * @throws what the database throws; Error where the submission key cannot be read
 */
export async function takeLetter(context: FlowContext, letter: KeyLetter): Promise<readonly LetterResult[]> {
  const header = splitMessage(letter.message);
  const shape = wksShape(header);
  // It gets no answer, and what proves it stands in it: who sent it does not matter.
  if (shape === 'response') return [await confirmIn(context, await readParts(letter.message))];
  const asks = whoAsks(header, letter.sender);
  if (!asks.ok) return [asks.because];
  const { orm } = context.database;
  const form = { kind: 'recipient', delimiters: context.config().recipient_delimiter } as const;
  const author = await userNamed(orm, utf8(asks.from), form);
  if (author === null || !author.active) return ['no user of ours'];
  const parts = shape === 'encrypted' ? await opened(context, letter) : 'later';
  if (parts === null) return ['not encrypted to us'];
  if (parts !== 'later' && responseIn(parts) !== null) return [await confirmIn(context, parts)];
  const envelope = await userNamed(orm, utf8(letter.sender), form);
  if (envelope?.userId !== author.userId) return ['another sender'];
  // Before the keys are read: whoever writes the letter, that costs time.
  if ((await takeTurn(context, LIMITS.mailUser, String(author.userId))) !== null) return ['limited'];
  const keys = await keysOf(header, parts === 'later' ? await readParts(letter.message) : parts, asks.from);
  if (typeof keys === 'string') return [keys];
  const byClient = parts !== 'later' || fieldsNamed(header, 'wks-draft-version').length > 0;
  const wks = byClient && (await findDomain(orm, letter.domain))?.wks === true;
  const asker: Asker = {
    userId: author.userId,
    proof: { level: 'mailbox' },
    name: wks ? 'wks' : 'mail',
    language: null,
  };
  const results: LetterResult[] = [];
  for (const key of keys) results.push(await handOver(context, asker, key));
  return results.length === 0 ? ['no key in it'] : results;
}

async function confirmIn(context: FlowContext, parts: LetterParts | null): Promise<LetterResult> {
  const response = parts === null ? null : responseIn(parts);
  return response === null ? 'not readable' : confirmWks(context, response);
}

/** null: it is not encrypted to the key of the domain that it was sent to. */
async function opened(context: FlowContext, { message, domain }: KeyLetter): Promise<LetterParts | null> {
  if ((await findDomain(context.database.orm, domain))?.wks !== true) return null;
  const key = await readSubmissionKey(context.config().state_dir, domain);
  // Another machine has it, perhaps; the letter comes again.
  if (key === null)
    throw new Error(`the submission key of ${domain} is not on this machine (wks=on makes it)`);
  const parts = await readParts(message);
  return parts === null ? null : openLetter(parts, key);
}

/** Those that somebody put into the letter; where there are none, the one that the program sends with every letter. */
async function keysOf(
  header: MessageParts,
  parts: LetterParts | null,
  from: string,
): Promise<readonly Buffer[] | Extract<LetterResult, 'not readable' | 'signature not proven'>> {
  if (parts === null) return 'not readable';
  const pieces = keyPieces(parts);
  if (pieces.length > 0) return pieces;
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

/** Addresses in a message come as one character per byte. */
function utf8(address: string): string {
  return Buffer.from(address, 'latin1').toString('utf8');
}

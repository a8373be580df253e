// A complete message on its way from a connection to the delivery engine, and the fate of our replies on their way back.

import type { Logger } from '../../observe/log.ts';
import { within } from '../../pacing/within.ts';
import type { RawPath, Reply, Transaction, Xforward } from '../types.ts';
import type { DataOutcome } from './data-parser.ts';

/** A message that was not taken: there is nothing to deliver, and the client was told so. */
export interface NotTaken {
  /** As a transaction's. */
  readonly id: string;
  /** As a transaction's. */
  readonly listener?: string;
  readonly xforward: Xforward;
  /** Empty where the message was refused before its recipients were named. */
  readonly recipients: readonly RawPath[];
  /** Bytes: as many as came, or were announced. */
  readonly size: number;
  readonly because: Extract<DataOutcome, { readonly ok: false }>['because'];
  readonly reply: Reply;
}

export interface HandOver {
  readonly logger: Logger;
  readonly deliver: (transaction: Transaction) => Promise<readonly Reply[]>;
  readonly acknowledged: (transaction: Transaction) => void;
  readonly lost: (transaction: Transaction) => void;
  /** Nobody waits for `deliver` any more: the client is gone, or was answered without it. It may try again. */
  readonly abandoned?: ((transaction: Transaction) => void) | undefined;
  /** Is told of each message that was refused or put off without `deliver`. Never throws. */
  readonly notTaken?: ((what: NotTaken) => void) | undefined;
}

/** What `deliver` may overrun the deadline by, before the client is answered without it. */
const OVERRUN_MS = 5_000;

/**
 * Delivers. Never rejects.
 * @param answers how many replies the client is owed
 * @returns the replies, or null when `deliver` failed, gave another number, or overran its deadline
 */
export async function handOver(
  { deliver, abandoned, logger }: HandOver,
  transaction: Transaction,
  answers: number,
): Promise<readonly Reply[] | null> {
  try {
    const replies = await within(transaction.deadline + OVERRUN_MS - Date.now(), deliver(transaction), null);
    if (replies?.length === answers) return replies;
    if (replies === null) abandoned?.(transaction);
    logger.error(
      { event: 'replies_late', transaction: transaction.id, replies: replies?.length, answers },
      'no replies in time; answered 451',
    );
  } catch (error) {
    logger.error(
      { event: 'delivery_failed', transaction: transaction.id, err: errorInWords(error) },
      'delivery failed; answered 451',
    );
  }
  return null;
}

/** Tells whether the replies have reached the client. Never throws. */
export function tellFate(
  { acknowledged, lost, logger }: HandOver,
  transaction: Transaction,
  reached: boolean,
): void {
  try {
    (reached ? acknowledged : lost)(transaction);
  } catch (error) {
    logger.error(
      { event: 'replies_unrecorded', transaction: transaction.id, err: errorInWords(error) },
      'the fate of our replies could not be recorded',
    );
  }
}

/** The words of an error, for a log that must not hold anything else. */
export function errorInWords(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}

// What every step of a delivery asks of its transaction, and the reply that makes Postfix keep the mail.
import type { Reply, Transaction } from '../smtp/types.ts';

/** Postfix's queue ID, from XFORWARD; '' where there is none. */
export function queueIdOf(transaction: Transaction): string {
  return transaction.xforward.IDENT ?? '';
}

/** A reply that makes Postfix keep the mail. */
export function temporary(enhanced: string, text: string): Reply {
  return { code: 451, enhanced, text };
}

// What every step of a delivery asks of its transaction.
import type { Transaction } from '../smtp/types.ts';

/** Postfix's queue ID, from XFORWARD; '' where there is none. */
export function queueIdOf(transaction: Transaction): string {
  return transaction.xforward.IDENT ?? '';
}

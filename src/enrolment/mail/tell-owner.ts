// A key came by mail for a user who has one: the owner is told, and how to hand it over.
import { inOrmTransaction } from '../../database/transaction.ts';
import { LIMITS, takeTurnIn } from '../limits.ts';
import { postLetters, withdrawUnsent } from '../outbox.ts';
import { loadAddressee } from '../rows.ts';
import type { FlowContext } from '../types.ts';
import { understand } from '../understand.ts';

/** To the keys that mail is sealed to now, and never in the clear: nobody has proved to have asked for it. */
export async function tellOwner(context: FlowContext, userId: number, key: Buffer): Promise<void> {
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

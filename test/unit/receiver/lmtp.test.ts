// Mail by LMTP into the queue, while the database does not forget what it should.
import type { Pool } from 'pg';
import { describe, expect, it } from 'vitest';
import { createQueueDelivery, type QueueDeliveryContext } from '../../../receiver/lmtp.ts';
import { DirectoryUnavailable } from '../../../src/directory/types.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';
import { formatReply } from '../../../src/smtp/replies.ts';
import type { Transaction } from '../../../src/smtp/types.ts';

/** A queue that has taken this message before; `broken`: it cannot forget that. */
function stage() {
  const state = { broken: true, known: true, asked: 0 };
  const pool = {
    query: async () => {
      if (state.broken) throw new Error('the database is away');
      state.known = false;
      return { rows: [] };
    },
  } as unknown as Pool;
  const engine = {
    directory: {
      recipient: async () => {
        state.asked += 1;
        throw new DirectoryUnavailable('away, too');
      },
    },
    tell: () => undefined,
    memory: {
      recall: async (_message: string, recipients: readonly string[]) =>
        new Map(state.known ? recipients.map((recipient) => [recipient, 'Queued']) : []),
    },
  } as unknown as QueueDeliveryContext['engine'];
  const delivery = createQueueDelivery({
    engine,
    pool,
    logger: createLogger({ level: 'silent' }),
    metrics: createMetrics({ processMetrics: false }),
    outgoingDirectory: '/nonexistent',
    maxReceived: () => 50,
  });
  const deliver = async (transaction: Transaction): Promise<string[]> =>
    (await delivery.deliver(transaction)).map(formatReply);
  return { state, delivery, deliver };
}

function transaction(): Transaction {
  return {
    id: 't',
    envelope: {
      sender: 'bob@x.test',
      parameters: [],
      recipients: [{ path: 'alice@x.test', parameters: [] }],
    },
    xforward: {},
    message: Buffer.from('Subject: the same every day\r\n\r\nbody\r\n'),
    deadline: Date.now() + 10_000,
  };
}

describe('the same message once more, after it was acknowledged', () => {
  it('has to wait while the database cannot forget the first one, and is then taken as a new one', async () => {
    const { state, delivery, deliver } = stage();
    const first = transaction();
    expect(await deliver(first)).toEqual([expect.stringMatching(/^250 /)]);
    delivery.acknowledged(first);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await deliver(transaction())).toEqual([expect.stringMatching(/^451 /)]);
    expect(state.asked).toBe(0);
    state.broken = false;
    // Now it is on its way into the queue: somebody asks who the recipient is.
    expect(await deliver(transaction())).toEqual([expect.stringMatching(/^451 /)]);
    expect(state).toMatchObject({ known: false, asked: 1 });
  });
});

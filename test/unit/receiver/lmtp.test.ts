// Mail by LMTP into the queue, while the database does not forget what it should.
import type { Pool } from 'pg';
import { describe, expect, it } from 'vitest';
import { createQueueDelivery, type QueueDeliveryContext } from '../../../receiver/lmtp.ts';
import { createTeller } from '../../../src/delivery/tell.ts';
import type { CachedDirectory } from '../../../src/directory/lookup.ts';
import { DirectoryUnavailable } from '../../../src/directory/types.ts';
import type { MessageEvent } from '../../../src/observe/events.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';
import { formatReply } from '../../../src/smtp/replies.ts';
import type { Transaction } from '../../../src/smtp/types.ts';

/** A queue that has taken this message before; `broken`: it cannot forget that. */
function stage(
  replaced: Partial<QueueDeliveryContext['engine']> = {},
  logger = createLogger({ level: 'silent' }),
) {
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
    ...replaced,
  } as unknown as QueueDeliveryContext['engine'];
  const delivery = createQueueDelivery({
    engine,
    pool,
    logger,
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
    // The line of a repetition asks whose address that is.
    state.asked = 0;
    expect(await deliver(transaction())).toEqual([expect.stringMatching(/^451 /)]);
    expect(state.asked).toBe(0);
    state.broken = false;
    // Now it is on its way into the queue: somebody asks who the recipient is.
    expect(await deliver(transaction())).toEqual([expect.stringMatching(/^451 /)]);
    expect(state).toMatchObject({ known: false, asked: 1 });
  });
});

describe('the line of a repetition', () => {
  const cases = [
    ['own', 'alice@x.test', /^alice@x\.test$/],
    ['own', 'carol@y.test', /^[0-9a-f]{16}$/],
    ['hmac', 'alice@x.test', /^[0-9a-f]{16}$/],
    ['none', 'alice@x.test', /^$/],
  ] as const;
  it.each(cases)(
    'shows under log.addresses = "%s" the recipient %s as %s',
    async (addresses, path, shown) => {
      const lines: string[] = [];
      const logger = createLogger({ level: 'info', destination: { write: (line) => void lines.push(line) } });
      const tell = createTeller({
        config: () => ({ log: { addresses, format: 'json' }, recipient_delimiter: '+' }),
        logger,
        writer: null,
        key: Buffer.alloc(32, 1),
      });
      const directory = {
        recipient: async (asked: string) => ({
          domain: asked.endsWith('@x.test') ? { name: 'x.test' } : null,
        }),
      } as unknown as CachedDirectory;
      const { deliver } = stage({ tell, directory });
      const { envelope, ...rest } = transaction();
      await deliver({ ...rest, envelope: { ...envelope, recipients: [{ path, parameters: [] }] } });
      const { recipient = '', ...line } = JSON.parse(lines[0] ?? '{}');
      expect(line).toMatchObject({ event: 'duplicate', because: 'filed before' });
      expect(recipient).toMatch(shown);
    },
  );
});

it('a message that could not be queued has a line with its code, and a readable reason in its event', async () => {
  const lines: string[] = [];
  const logger = createLogger({ level: 'info', destination: { write: (line) => void lines.push(line) } });
  const told: MessageEvent[] = [];
  const { deliver, state } = stage({ tell: (event) => void told.push(event) }, logger);
  state.known = false;
  state.broken = false;
  expect(await deliver(transaction())).toEqual([expect.stringMatching(/^451 /)]);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ event: 'queue_refused', level: 'warn' }]);
  expect(told).toMatchObject([{ event: 'deferred', because: 'database away', ours: false }]);
});

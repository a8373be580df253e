// A transaction over a channel that is only made up: states of the socket that no next hop on loopback brings about reliably.
import { describe, expect, it } from 'vitest';
import type { Answer, Channel } from '../../../src/smtp/client/channel.ts';
import { runTransaction, type TransactionOutcome } from '../../../src/smtp/client/transaction.ts';
import { reply } from '../../../src/smtp/replies.ts';

interface MadeUp {
  readonly outcome: TransactionOutcome;
  readonly accepted: readonly number[];
  readonly ended: () => 'destroyed' | 'quit' | null;
}

/** One recipient; MAIL, RCPT and DATA are answered as usual, then `last` comes while `unsent` bytes are still ours. */
async function transact(protocol: 'smtp' | 'lmtp', last: Answer, unsent: number): Promise<MadeUp> {
  const answers: Answer[] = [
    { reply: reply(250, '2.1.0', 'fine') },
    { reply: reply(250, '2.1.5', 'fine') },
    { reply: reply(354, '', 'go ahead') },
    last,
  ];
  let ended: 'destroyed' | 'quit' | null = null;
  const channel: Channel = {
    write: () => undefined,
    cork: () => undefined,
    uncork: () => undefined,
    drained: async () => null,
    flushed: async () => null,
    next: async () => answers.shift() ?? { failure: { kind: 'lost', detail: 'it closed the connection' } },
    unread: 0,
    unsent,
    alive: true,
    onUnexpected: null,
    quit: () => {
      ended = 'quit';
    },
    destroy: () => {
      ended = 'destroyed';
    },
  };
  const accepted: number[] = [];
  const outcome = await runTransaction(channel, {
    protocol,
    name: 'next.test',
    pipelining: true,
    preamble: [],
    commands: {
      xforward: [],
      mail: 'MAIL FROM:<>',
      rcpts: [{ index: 0, command: 'RCPT TO:<a@x.test>' }],
      refused: [],
    },
    recipients: 1,
    message: [Buffer.from('Subject: x\r\n\r\nbody\r\n')],
    commandTimeoutMs: 1000,
    deadline: Date.now() + 10_000,
    lateMs: 1000,
    mayFinish: null,
    accepted: (index) => accepted.push(index),
  });
  return { outcome, accepted, ended: () => ended };
}

describe.each(['smtp', 'lmtp'] as const)('a reply after DATA over %s', (protocol) => {
  const queued: Answer = { reply: reply(250, '2.0.0', 'queued') };

  it('counts once the operating system has the final dot', async () => {
    const { outcome, accepted, ended } = await transact(protocol, queued, 0);
    expect(outcome.results).toMatchObject([{ class: 'accepted', stage: 'end-of-data' }]);
    expect(outcome.connection).toBe('clean');
    expect(accepted).toEqual([0]);
    expect(ended()).toBeNull();
  });

  it('that claims success while a part has not been sent is temporary, and ends the connection', async () => {
    const { outcome, accepted, ended } = await transact(protocol, queued, 1);
    expect(outcome.results).toMatchObject([
      {
        class: 'temporary',
        stage: 'data',
        reply: {
          code: 451,
          text: 'Protocol error with next.test in DATA: unexpected reply 250 2.0.0 queued',
        },
      },
    ]);
    expect(outcome.connection).toBe('done');
    expect(accepted).toEqual([]);
    expect(ended()).toBe('destroyed');
  });

  it('that never comes in time ends the connection at once while a part has not been sent', async () => {
    const silence: Answer = { failure: { kind: 'timeout', detail: 'no reply in time' } };
    const cut = await transact(protocol, silence, 1);
    expect(await cut.outcome.late).toEqual([]);
    expect(cut.ended()).toBe('destroyed');
    const whole = await transact(protocol, silence, 0);
    expect(await whole.outcome.late).toEqual([]);
    expect(whole.ended()).toBe('quit');
  });

  it('that refuses while a part has not been sent stands, and ends the connection', async () => {
    const refused: Answer = { reply: reply(552, '5.3.4', 'too big') };
    const { outcome, ended } = await transact(protocol, refused, 1);
    expect(outcome.results).toMatchObject([
      { class: 'permanent', stage: 'data', reply: { text: 'too big' } },
    ]);
    expect(ended()).toBe('destroyed');
  });
});

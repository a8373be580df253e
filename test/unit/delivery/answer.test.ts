import { describe, expect, it } from 'vitest';
import { type RecipientOutcome, singleAnswer } from '../../../src/delivery/answer.ts';
import type { Reply } from '../../../src/smtp/types.ts';

const OK: Reply = { code: 250, enhanced: '2.0.0', text: 'Ok: queued as ABC' };
const LATER: Reply = { code: 450, enhanced: '4.2.1', text: 'mailbox busy' };
const NO: Reply = { code: 550, enhanced: '5.1.1', text: 'no such user' };

function outcome(reply: Reply, notify?: string): RecipientOutcome {
  return {
    recipient: {
      path: 'a@example.org',
      parameters: notify === undefined ? [] : [{ keyword: 'NOTIFY', value: notify }],
    },
    reply,
  };
}

interface Case {
  readonly name: string;
  readonly sender?: string;
  readonly outcomes: readonly RecipientOutcome[];
  readonly expected: string;
}

function summary({ sender, outcomes }: Case): string {
  const answer = singleAnswer(sender ?? 'from@example.net', outcomes);
  const reply = `${answer.reply.code} ${answer.reply.enhanced} ${answer.reply.text}`;
  return answer.kind === 'reply'
    ? reply
    : `bounce ${answer.refused.length}, silent ${answer.silent.length}: ${reply}`;
}

const CASES: readonly Case[] = [
  { name: 'all accepted', outcomes: [outcome(OK), outcome(OK)], expected: '250 2.0.0 Ok: queued as ABC' },
  {
    name: 'one temporary failure makes all temporary',
    outcomes: [outcome(OK), outcome(LATER)],
    expected: '451 4.2.1 mailbox busy',
  },
  {
    name: 'temporary beats permanent',
    outcomes: [outcome(NO), outcome(LATER)],
    expected: '451 4.2.1 mailbox busy',
  },
  {
    name: 'all refused: the refusal',
    outcomes: [outcome(NO), outcome(NO)],
    expected: '550 5.1.1 no such user',
  },
  {
    name: 'some accepted, some refused: a bounce, then 250',
    outcomes: [outcome(NO), outcome(OK), outcome(NO)],
    expected: 'bounce 2, silent 0: 250 2.0.0 Ok: queued as ABC',
  },
  {
    name: 'lesson 3: no bounce to the null sender',
    sender: '',
    outcomes: [outcome(OK), outcome(NO)],
    expected: 'bounce 0, silent 1: 250 2.0.0 Ok: queued as ABC',
  },
  {
    name: 'NOTIFY=NEVER wants no bounce',
    outcomes: [outcome(OK), outcome(NO, 'NEVER'), outcome(NO)],
    expected: 'bounce 1, silent 1: 250 2.0.0 Ok: queued as ABC',
  },
  {
    name: 'NOTIFY=SUCCESS,DELAY wants no bounce either',
    outcomes: [outcome(OK), outcome(NO, 'SUCCESS,DELAY')],
    expected: 'bounce 0, silent 1: 250 2.0.0 Ok: queued as ABC',
  },
  {
    name: 'NOTIFY=success,failure wants one',
    outcomes: [outcome(OK), outcome(NO, 'success,failure')],
    expected: 'bounce 1, silent 0: 250 2.0.0 Ok: queued as ABC',
  },
  { name: 'no outcome at all is temporary', outcomes: [], expected: '451 4.3.0 no recipient has an outcome' },
];

describe('one reply for all recipients', () => {
  it.each(CASES)('$name', (input) => {
    expect(summary(input)).toBe(input.expected);
  });
});

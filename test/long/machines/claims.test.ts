// Two nodes that get the same letter, thirty times each: at once, at the second while the first is frozen in the midst of it, and after
// it was killed there; either of them being the first. One copy each. The small case is test/e2e/claims.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../../support/child.ts';
import { createTwoNodes, type NodeOfTwo, type TwoNodes } from '../../support/two-nodes.ts';
import { progressOf } from '../progress.ts';

const TIMES = 30;
let nodes: TwoNodes;

beforeAll(async () => {
  nodes = await createTwoNodes();
  await nodes.first.serve.start();
  await nodes.second.serve.start();
});

afterAll(() => nodes?.close());

/** Sends a letter to `at`, which has it in hand until the next hop is released. */
async function inHand(at: NodeOfTwo, text: string) {
  const hop = nodes.hold();
  const sent = at.send(text);
  await waitUntil('the next hop to be asked', 10_000, hop.held);
  return { sent, release: hop.release };
}

/** Comes again as a client does that is answered 451. @returns how often it was */
async function sendUntilAccepted(at: NodeOfTwo, text: string): Promise<number> {
  for (let deferred = 0; ; deferred += 1) {
    const reply = await at.send(text);
    if (reply.startsWith('250')) return deferred;
    expect(reply).toMatch(/^451/);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const pidOf = ({ serve }: NodeOfTwo): number => serve.pid() ?? 0;

const CASES: readonly [string, (first: NodeOfTwo, second: NodeOfTwo, text: string) => Promise<void>][] = [
  [
    'at once',
    async (first, second, text) => {
      // Long enough that both have it in hand, however busy the machine is.
      nodes.sink.behave({ delay: 500 }, 1);
      await Promise.all([sendUntilAccepted(first, text), sendUntilAccepted(second, text)]);
    },
  ],
  [
    'at the second while the first has it in hand',
    async (first, second, text) => {
      const { sent, release } = await inHand(first, text);
      expect(await second.send(text)).toMatch(/^451/);
      release();
      expect(await sent).toMatch(/^250/);
      await sendUntilAccepted(second, text);
    },
  ],
  [
    'at the second while the first is frozen in DATA',
    async (first, second, text) => {
      const { sent, release } = await inHand(first, text);
      process.kill(pidOf(first), 'SIGSTOP');
      release();
      expect(await sendUntilAccepted(second, text)).toBeGreaterThan(0);
      process.kill(pidOf(first), 'SIGCONT');
      expect(await sent).toMatch(/^451/);
      await sendUntilAccepted(first, `${text} thawed`);
    },
  ],
  [
    'at the second after the first was killed in DATA',
    async (first, second, text) => {
      const { sent, release } = await inHand(first, text);
      await first.serve.kill9();
      release();
      expect(await sent).toBe('gone');
      expect(await sendUntilAccepted(second, text)).toBeGreaterThan(0);
      await first.serve.start();
    },
  ],
];

describe.each(CASES)('the same letter %s', (what, run) => {
  it(`is delivered once, ${TIMES} times`, { timeout: 1_200_000 }, async () => {
    const progress = progressOf(what, TIMES, 'letters');
    const copies: number[] = [];
    for (let time = 0; time < TIMES; time += 1) {
      const text = `${what} ${time}`;
      const [first, second] = time % 2 === 0 ? [nodes.first, nodes.second] : [nodes.second, nodes.first];
      await run(first, second, text);
      copies.push(nodes.copies(text));
      progress(time + 1);
    }
    process.stdout.write(
      `${what}: ${copies.reduce((sum, each) => sum + each, 0)} copies of ${TIMES} letters\n`,
    );
    expect(copies).toEqual(Array(TIMES).fill(1));
  });
});

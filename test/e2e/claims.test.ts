// Two nodes that get the same letter: at once, at the second while the first is frozen or was killed in the midst of it. The larger
// table is test/long/machines/claims.test.ts.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitUntil } from '../support/child.ts';
import { createTwoNodes, type TwoNodes } from '../support/two-nodes.ts';

let nodes: TwoNodes;

beforeAll(async () => {
  nodes = await createTwoNodes();
  await nodes.first.serve.start();
  await nodes.second.serve.start();
});

afterAll(() => nodes?.close());

const UNDER_WAY = /^451 4\.3\.0 Another node or worker is delivering/;

it('the same letter at both nodes at once: one copy; the other one waits, and learns that it was accepted', async () => {
  const { first, second } = nodes;
  const hop = nodes.hold();
  const sent = first.send('at once');
  await waitUntil('the next hop to be asked', 5000, hop.held);
  expect(await second.send('at once')).toMatch(UNDER_WAY);
  hop.release();
  expect(await sent).toMatch(/^250/);
  // The first one has its reply, and has forgotten what nobody else waits for.
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(await second.send('at once')).toMatch(/^250 2\.0\.0 Ok: kept/);
  expect(nodes.copies('at once')).toBe(1);
});

it('at the second while the first is frozen in DATA: it waits, takes over, and the first sends no final dot', async () => {
  const { first, second } = nodes;
  const pid = first.serve.pid() ?? 0;
  const hop = nodes.hold();
  const sent = first.send('frozen');
  await waitUntil('the next hop to be asked', 5000, hop.held);
  process.kill(pid, 'SIGSTOP');
  hop.release();
  expect(await second.send('frozen')).toMatch(UNDER_WAY);
  await waitUntil('the second to take over', 10_000, async () => /^250/.test(await second.send('frozen')));
  process.kill(pid, 'SIGCONT');
  expect(await sent).toMatch(/^451 4\.3\.0 This node was cut off/);
  expect(nodes.copies('frozen')).toBe(1);
  expect(first.serve.log()).toContain('claim_lost');
  expect(second.serve.log()).toContain('claim_taken_over');
  // Both are well again.
  await waitUntil('the first to take mail again', 5000, async () => /^250/.test(await first.send('thawed')));
});

it('at the second after the first was killed in DATA: it waits, and takes over', async () => {
  const { first, second } = nodes;
  const hop = nodes.hold();
  const sent = first.send('killed');
  await waitUntil('the next hop to be asked', 5000, hop.held);
  await first.serve.kill9();
  hop.release();
  expect(await sent).toBe('gone');
  await waitUntil('the second to take over', 10_000, async () => /^250/.test(await second.send('killed')));
  expect(nodes.copies('killed')).toBe(1);
});

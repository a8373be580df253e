import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { copyInSteps, STEP_BYTES } from '../../../src/pacing/in-steps.ts';

describe('a copy in steps', () => {
  it.each([
    ['nothing', []],
    ['small parts', [3, 0, 5]],
    ['exactly one step', [STEP_BYTES]],
    ['parts over the borders of steps', [STEP_BYTES - 1, 2, 2 * STEP_BYTES + 7, STEP_BYTES]],
  ])('is %s, whole and in order', async (_what, sizes) => {
    const parts = sizes.map((size) => randomBytes(size));
    const into = new Uint8Array(Buffer.concat(parts).length + 1);
    await copyInSteps(parts, into);
    expect(Buffer.compare(Buffer.concat([...parts, Buffer.alloc(1)]), into)).toBe(0);
  });

  it('lets other work have its turn after each step', async () => {
    let turns = 0;
    let ended = false;
    const others = (async () => {
      while (!ended) {
        await nextTurn();
        turns += 1;
      }
    })();
    const size = 8 * STEP_BYTES;
    await copyInSteps([randomBytes(size)], new Uint8Array(size));
    ended = true;
    await others;
    expect(turns).toBeGreaterThanOrEqual(7);
  });

  it('fails where the parts do not fit', async () => {
    await expect(copyInSteps([randomBytes(5)], new Uint8Array(4))).rejects.toThrow(RangeError);
  });
});

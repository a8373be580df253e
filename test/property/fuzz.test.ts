// A short fuzz run of everything that reads what others wrote. `npm run fuzz` does it for as long as one likes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runOnce, type Target } from '../fuzz/target.ts';
import { TARGETS } from '../fuzz/targets.ts';

/** Another one with every run of the tests; what it finds comes again with the seed that the failure names. */
const SEED = Date.now() % 2 ** 31;
const QUICK = 300;
const SLOW = 40;

describe.each(TARGETS)('$name', (target: Target) => {
  beforeAll(() => target.prepare?.());
  afterAll(() => target.close?.());

  it('survives random input, at its pace', async () => {
    for (let iteration = 0; iteration < (target.slow === true ? SLOW : QUICK); iteration += 1) {
      const fault = await runOnce(target, SEED, iteration);
      const again = `npm run fuzz -- --seed ${SEED} --target ${target.name} --iteration ${iteration}`;
      expect(fault?.error.message, `comes again with: ${again}`).toBeUndefined();
    }
  });
});

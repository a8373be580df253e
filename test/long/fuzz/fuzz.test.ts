// Random input for everything that reads what others wrote, each target in turn for its share of the time. What is found comes
// again with the seed that the failure names; test/property/fuzz.test.ts is the short run.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runOnce, type Target } from '../../fuzz/target.ts';
import { TARGETS } from '../../fuzz/targets.ts';
import { progressOf } from '../progress.ts';

const SEED = Date.now() % 2 ** 31;
/** Of all targets together. packaging/test-long.mjs passes --minutes on. */
const MINUTES = Number(process.env.SEALPOST_LONG_MINUTES ?? 120);
const SECONDS = Math.ceil((MINUTES * 60) / TARGETS.length);

describe.each(TARGETS)('$name', (target: Target) => {
  beforeAll(() => target.prepare?.());
  afterAll(() => target.close?.());

  it(`survives ${SECONDS} s of random input, at its pace`, async () => {
    const started = Date.now();
    const progress = progressOf(target.name, SECONDS, 's');
    let iteration = 0;
    for (let spent = 0; spent < SECONDS; iteration += 1) {
      const fault = await runOnce(target, SEED, iteration);
      const again = `npm run fuzz -- --seed ${SEED} --target ${target.name} --iteration ${iteration}`;
      expect(fault?.error.message, `comes again with: ${again}`).toBeUndefined();
      spent = (Date.now() - started) / 1000;
      progress(spent);
    }
    process.stdout.write(`${target.name}: ${iteration} inputs\n`);
  });
});

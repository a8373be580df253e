// One hostile thing in a process that measures itself: how long it holds up the event loop, and what it takes.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { watchLoop } from './loop-meter.ts';
import { ownMegabytes } from './own-memory.ts';

/** Of one hostile thing that is no letter. */
export interface Measurement {
  readonly name: string;
  readonly bytes: number;
  readonly blockMs: number;
  readonly memoryMegabytes: number;
  readonly seconds: number;
}

/** Measures one, and tells the parent of this process. */
export async function measureOne(name: string, bytes: number, work: () => Promise<unknown>): Promise<void> {
  const before = ownMegabytes('VmRSS');
  const started = performance.now();
  const meter = watchLoop();
  await nextTurn();
  await work();
  await nextTurn();
  await nextTurn();
  const measured: Measurement = {
    name,
    bytes,
    blockMs: meter.stop(),
    memoryMegabytes: Math.max(0, ownMegabytes('VmRSS') - before),
    seconds: (performance.now() - started) / 1000,
  };
  process.send?.(measured);
}

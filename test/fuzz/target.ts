// One thing that is fuzzed, and the loop that does it.
import { processorTime } from '../fixtures/processor-time.ts';
import { createRandom, type Random, seedOf } from './random.ts';

export interface Target {
  readonly name: string;
  /** Runs once before the first input. */
  prepare?(): Promise<void>;
  /** Ends what `prepare` began. */
  close?(): void;
  make(random: Random): Buffer;
  /** Throws when the input shows a fault. */
  run(input: Buffer, random: Random): void | Promise<void>;
  /** It costs an encryption, a signature or a program to start: a run does fewer of it. */
  readonly slow?: boolean;
  /** Milliseconds of processor time for each begun 100 KB of input; default 100. Infinity: not measured. */
  readonly pace?: number;
}

/** @throws where the input shows a fault */
export function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

export interface Fault {
  readonly target: string;
  readonly seed: number;
  readonly iteration: number;
  readonly input: Buffer;
  readonly error: Error;
}

/**
 * One input. What is too slow is tried three times, since a garbage collection may fall into one of them.
 * @returns null when all is well
 */
export async function runOnce(target: Target, seed: number, iteration: number): Promise<Fault | null> {
  const start = seedOf(seed, target.name, iteration);
  const input = target.make(createRandom(start));
  const allowed = (target.pace ?? 100) * Math.max(1, Math.ceil(input.length / 100_000));
  let spent = 0;
  try {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const before = processorTime();
      await target.run(input, createRandom(start + 1));
      spent = processorTime() - before;
      if (spent <= allowed) return null;
    }
    throw new Error(`took ${Math.round(spent)} ms of processor time three times; ${allowed} ms are allowed`);
  } catch (error) {
    const found = error instanceof Error ? error : new Error(String(error));
    return { target: target.name, seed, iteration, input, error: found };
  }
}

// How far the run is: time used, and time left, from what each part is known to take and what the parts before it took.
import type { Progress } from './rows.ts';
import { clock } from './statistics.ts';

export interface Planned {
  readonly name: string;
  readonly seconds: number;
}

export interface Ticker {
  /** From now on the part of this name is running. */
  begin(name: string): void;
  readonly progress: Progress;
  /** Seconds since the start. */
  elapsed(): number;
}

/**
 * The seconds left of a plan. A machine that was slower with the parts before will be slower with the rest. Pure.
 * @param done how many parts have ended, and after how many seconds in all
 * @param current how long the running part has been running
 */
export function secondsLeft(
  plan: readonly Planned[],
  done: { readonly parts: number; readonly seconds: number },
  current: number,
): number {
  const planned = (from: number, to: number): number =>
    plan.slice(from, to).reduce((sum, { seconds }) => sum + seconds, 0);
  const before = planned(0, done.parts);
  const pace = before === 0 ? 1 : Math.min(5, Math.max(0.5, done.seconds / before));
  const running = planned(done.parts, done.parts + 1) * pace;
  return Math.max(0, running - current) + planned(done.parts + 1, plan.length) * pace;
}

export function createTicker(
  plan: readonly Planned[],
  write: (line: string) => void,
  now: () => number = () => performance.now() / 1000,
): Ticker {
  const started = now();
  let partStarted = started;
  let parts = 0;
  let name = '';
  return {
    begin(next) {
      partStarted = now();
      parts = plan.findIndex((each) => each.name === next);
      name = next;
    },
    progress(text) {
      const left = secondsLeft(plan, { parts, seconds: partStarted - started }, now() - partStarted);
      write(`bench [${clock(now() - started)}, about ${clock(left)} left] ${name}: ${text}\n`);
    },
    elapsed: () => now() - started,
  };
}

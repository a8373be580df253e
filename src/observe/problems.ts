// The last problems: which codes the log has had at level warn and above, how often, and when. For the page and the metrics, which
// show no more of a line than its code.
import { OPERATIONS } from './operations.ts';

/** One code of {@link OPERATIONS}; times in Unix milliseconds. */
export interface Problem {
  readonly event: string;
  readonly level: 'warn' | 'error' | 'fatal';
  /** Lines since the process was started. */
  readonly count: number;
  readonly last: number;
}

export interface Problems {
  /** Takes the code and the level of a line (pino's numbers). What is no code of ours does not count. */
  note(event: string, level: number): void;
  /** The newest first. */
  recent(): readonly Problem[];
  /** Calls back for every code that is noted, and for those that were noted before. */
  follow(listener: (event: string, lines: number) => void): void;
}

/** The lowest of pino's levels that counts: warn. */
export const PROBLEM_LEVEL = 40;
const ERROR_LEVEL = 50;
const FATAL_LEVEL = 60;

const RANKS = ['warn', 'error', 'fatal'] as const;

/** @param now Unix milliseconds */
export function createProblems(now: () => number = Date.now): Problems {
  const noted = new Map<string, Problem>();
  const listeners: ((event: string, lines: number) => void)[] = [];
  return {
    note(event, level) {
      if (!Object.hasOwn(OPERATIONS, event)) return;
      const problem = { event, level: rankOf(level), count: 1, last: now() };
      noted.set(event, together(noted.get(event), problem));
      for (const listener of listeners) listener(event, 1);
    },
    recent: () => newestFirst(noted),
    follow(listener) {
      for (const { event, count } of noted.values()) listener(event, count);
      listeners.push(listener);
    },
  };
}

function rankOf(level: number): Problem['level'] {
  if (level >= FATAL_LEVEL) return 'fatal';
  return level >= ERROR_LEVEL ? 'error' : 'warn';
}

function together(one: Problem | undefined, other: Problem): Problem {
  if (one === undefined) return other;
  return {
    event: other.event,
    level: RANKS[Math.max(RANKS.indexOf(one.level), RANKS.indexOf(other.level))] ?? other.level,
    count: one.count + other.count,
    last: Math.max(one.last, other.last),
  };
}

function newestFirst(noted: ReadonlyMap<string, Problem>): readonly Problem[] {
  return [...noted.values()].sort((one, other) => other.last - one.last);
}

/** What several processes noted, as one list. Pure. */
export function sumOfProblems(all: readonly (readonly Problem[])[]): readonly Problem[] {
  const noted = new Map<string, Problem>();
  for (const problem of all.flat()) noted.set(problem.event, together(noted.get(problem.event), problem));
  return newestFirst(noted);
}

// Runs the checks of `sealpost doctor`: facts are read once, each with a time limit; what cannot be seen is never green.
import { messageOf } from '../database/exit.ts';
import { within } from '../pacing/within.ts';
import { type Check, type Finding, nothingToLookAt, notLooked } from './check.ts';
import { type Ask, type FactName, type Facts, type Readers, Unseen } from './facts.ts';

/** A check with what it found. */
export interface Result extends Finding {
  readonly code: string;
  readonly why: string;
  readonly mend: string;
}

export interface Report {
  readonly results: readonly Result[];
  /** Something is still being waited for, and may keep the process. */
  readonly late: boolean;
}

export interface RunOptions {
  readonly readers: Readers;
  readonly checks: readonly Check[];
  /** Milliseconds for each kind of facts, what it rests on included. */
  readonly limitMs: number;
}

const LATE = Symbol('late');

/** Never throws, and ends when every kind of facts is there or its time is over. */
export async function runChecks({ readers, checks, limitMs }: RunOptions): Promise<Report> {
  const state = { late: false };
  const ask = createAsk(readers, limitMs, () => {
    state.late = true;
  });
  const results = await Promise.all(checks.map((each) => judge(each, ask)));
  return { results, late: state.late };
}

/** Each kind of facts is read when it is first asked for, and once. */
function createAsk(readers: Readers, limitMs: number, wasLate: () => void): Ask {
  const asked = new Map<FactName, Promise<unknown>>();
  const read = async (name: FactName): Promise<unknown> => {
    const facts = await within(limitMs, (readers[name] as (ask: Ask) => Promise<unknown>)(ask), LATE);
    if (facts !== LATE) return facts;
    wasLate();
    throw new Unseen(`it took longer than ${limitMs / 1000} s`);
  };
  const ask = (async (name: FactName) => {
    const pending = asked.get(name) ?? read(name);
    asked.set(name, pending);
    return pending;
  }) as Ask;
  return ask;
}

async function judge({ code, why, mend, reads, judge: decide }: Check, ask: Ask): Promise<Result> {
  const finding = await find(reads, decide, ask).catch((error: unknown): Finding => {
    const because = messageOf(error);
    return error instanceof Unseen && error.expected ? nothingToLookAt(because) : notLooked(because);
  });
  const reason = finding.level === 'not_looked' ? 'not looked at because ' : '';
  return { code, why, mend, ...finding, found: `${reason}${finding.found}` };
}

async function find(reads: readonly FactName[], decide: Check['judge'], ask: Ask): Promise<Finding> {
  const seen: Partial<Record<FactName, unknown>> = {};
  for (const name of reads) seen[name] = await ask(name);
  return decide(seen as unknown as Facts);
}

/** 2: an error; 1: a warning, or something that could not be looked at though it should; else 0. */
export function exitCodeOf(results: readonly Finding[]): 0 | 1 | 2 {
  if (results.some(({ level }) => level === 'error')) return 2;
  const isWarning = ({ level, expected }: Finding): boolean =>
    level === 'warning' || (level === 'not_looked' && expected !== true);
  return results.some(isWarning) ? 1 : 0;
}

// What a check of `sealpost doctor` is: a judgement over facts that others have gathered, with its code, its reason, and the
// command that mends what it finds.
import { type Entrances, isWired } from '../postfix/entrances.ts';
import type { FactName, Facts } from './facts.ts';

export type Level = 'ok' | 'warning' | 'error' | 'not_looked';

/** What a check found. */
export interface Finding {
  readonly level: Level;
  /** What was seen, in one or a few sentences. */
  readonly found: string;
  /** A better command than the check's own, for what was found. */
  readonly mend?: string;
  /** Of `not_looked`: nothing was asked for here, so that nothing is wrong with that. */
  readonly expected?: boolean;
}

export interface Check<Name extends FactName = FactName> {
  /** Stable, snake_case; docs/doctor.md lists all of them. */
  readonly code: string;
  /** Why it matters: one sentence. */
  readonly why: string;
  /** The command, or the line of a file, that mends it. */
  readonly mend: string;
  /** What it looks at; without all of it, it does not judge. */
  readonly reads: readonly Name[];
  /** Pure. */
  readonly judge: (facts: Pick<Facts, Name>) => Finding;
}

/** Fixes what a check reads, so that it gets that and nothing else. */
export function check<Name extends FactName>(each: Check<Name>): Check {
  return each;
}

export const ok = (found: string): Finding => ({ level: 'ok', found });
export const warning = (found: string, mend?: string): Finding => ({
  level: 'warning',
  found,
  ...(mend === undefined ? {} : { mend }),
});
export const wrong = (found: string, mend?: string): Finding => ({
  level: 'error',
  found,
  ...(mend === undefined ? {} : { mend }),
});
/** It could not look, and that is a warning by itself. */
export const notLooked = (found: string): Finding => ({ level: 'not_looked', found, expected: false });
/** There is nothing to look at here. */
export const nothingToLookAt = (found: string): Finding => ({ level: 'not_looked', found, expected: true });

/** Whether only this machine reaches a listener on a host. */
export function isLoopback(host: string): boolean {
  return /^(?:127\.|::1$|localhost$)/.test(host);
}

/** Sealing makes mail larger, by about so much. */
export const GROWTH = 1.4;

/** Some of a list in words: the first few, and how many more. */
export function some(list: readonly string[], most = 5): string {
  const more = list.length - most;
  return more > 0 ? `${list.slice(0, most).join(', ')} and ${more} more` : list.join(', ');
}

/** `ok` where nothing is in the list. */
export function noneOf(
  list: readonly string[],
  good: string,
  bad: (list: string, count: number) => string,
  level: (found: string, mend?: string) => Finding = warning,
): Finding {
  return list.length === 0 ? ok(good) : level(bad(some(list), list.length));
}

/** A list that could not be read in full is no reason to say that all is well. */
export function unlessUnread(found: Finding, unread: readonly string[]): Finding {
  return found.level === 'ok' && unread.length > 0
    ? notLooked(`these cannot be read: ${some(unread)}`)
    : found;
}

/** What a wiring of final delivery closes by itself; one that is none closes nothing. */
export function sealedLast(wiring: Entrances, found: string): Finding {
  return isWired(wiring) ? ok(found) : nothingToLookAt('no mail comes to sealpost');
}

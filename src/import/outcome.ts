// What becomes of each row: the words of the report.

export type Kind = 'domain' | 'user' | 'alias' | 'key' | 'setting';

/**
 * - `added`, `changed`, `same`: what it says;
 * - `refused`: it cannot be taken, and somebody may miss it;
 * - `left`: it belongs to the other program, and stays there;
 * - `gone`: the source made it, and has it no longer;
 * - `disabled`, `removed`: it was gone, and --remove was given.
 */
export type Outcome = 'added' | 'changed' | 'same' | 'refused' | 'left' | 'gone' | 'disabled' | 'removed';

/** One row of the report. */
export interface Told {
  readonly kind: Kind;
  readonly outcome: Outcome;
  /** An address or a domain; of a key its fingerprint, where it has one. */
  readonly name: string;
  /** Where it stands at the source; null: nowhere any more. */
  readonly where: string | null;
  /** Why it was refused or left, or what changed. */
  readonly because: string | null;
  /** Of a key: whose it is, as addresses or `@domain`. */
  readonly owners?: readonly string[];
  /** Of a key that has expired: since when. */
  readonly expired?: string;
}

/** Rows with what becomes of them, counted as they come. Rows that are the same are counted only. */
export interface Tally {
  readonly told: readonly Told[];
  readonly counts: Readonly<Record<Kind, Readonly<Partial<Record<Outcome, number>>>>>;
}

export interface TallyDraft {
  readonly told: Told[];
  readonly counts: Record<Kind, Partial<Record<Outcome, number>>>;
}

export function createTally(): TallyDraft {
  return { told: [], counts: { domain: {}, user: {}, alias: {}, key: {}, setting: {} } };
}

/** How many rows of any kind have one of these outcomes. */
export function countOf({ counts }: Pick<Tally, 'counts'>, ...outcomes: readonly Outcome[]): number {
  return Object.values(counts)
    .flatMap((kind) => outcomes.map((outcome) => kind[outcome] ?? 0))
    .reduce((sum, count) => sum + count, 0);
}

export function tell(tally: TallyDraft, told: Told): void {
  const counts = tally.counts[told.kind];
  counts[told.outcome] = (counts[told.outcome] ?? 0) + 1;
  if (told.outcome !== 'same') tally.told.push(told);
}

/** Counts more, or fewer, rows of a kind as they are. */
export function countSame({ counts }: TallyDraft, kind: Kind, more: number): void {
  const { same = 0, ...others } = counts[kind];
  const count = Math.max(0, same + more);
  counts[kind] = count === 0 ? others : { ...others, same: count };
}

// Whether two kinds of requests take the same time, from pairs that were measured side by side: what a busy machine adds to one of
// a pair it adds to the other one as often. Pure.

/** In milliseconds. */
export interface Difference {
  /** Of what the first one of each pair took longer. */
  readonly median: number;
  /** Between these the true median lies with a certainty of 99.9 %, whatever the times look like. */
  readonly low: number;
  readonly high: number;
}

/** Two-sided, of the normal distribution that the binomial one is close to for so many pairs. */
const DEVIATIONS = 3.29;
const FEWEST = 30;

/**
 * The median of the differences, and its confidence interval by ranks (the sign test turned round).
 * @throws Error for fewer than 30 pairs
 */
export function differenceOf(ones: readonly number[], others: readonly number[]): Difference {
  const pairs = Math.min(ones.length, others.length);
  if (pairs < FEWEST) throw new Error(`${pairs} pairs say nothing`);
  const sorted = Array.from({ length: pairs }, (_, index) => (ones[index] ?? 0) - (others[index] ?? 0)).sort(
    (a, b) => a - b,
  );
  const at = (rank: number): number => sorted[Math.min(pairs - 1, Math.max(0, rank))] ?? Number.NaN;
  const reach = (DEVIATIONS * Math.sqrt(pairs)) / 2;
  return {
    median: (at(Math.floor((pairs - 1) / 2)) + at(Math.ceil((pairs - 1) / 2))) / 2,
    low: at(Math.floor(pairs / 2 - reach)),
    high: at(Math.ceil(pairs / 2 + reach)),
  };
}

/** Whether nothing is to be learned: less than so much, or no more than by chance on a machine as busy as this one. */
export function tellsNothing({ median, low, high }: Difference, milliseconds: number): boolean {
  return Math.abs(median) < milliseconds || (low <= 0 && high >= 0);
}

export function inWords({ median, low, high }: Difference): string {
  return `${median.toFixed(2)} ms (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

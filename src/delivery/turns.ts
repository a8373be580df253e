// At most so many at once; the others wait in the order in which they came.

/** Runs `work` when it is its turn. */
export type Turns = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** @param limit how many may run at once */
export function createTurns(limit: number): Turns {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      // The place goes to the next one without being free in between.
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

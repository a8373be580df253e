// At most so many at once; the others wait in the order in which they came.

/** Runs `work` when it is its turn. */
export type Turns = <Result>(work: () => Promise<Result>) => Promise<Result>;

/**
 * @param limit how many may run at once
 * @param patienceMs after which the next one's turn comes all the same: work that waits for somebody else must not stop
 * everybody
 */
export function createTurns(limit: number, patienceMs: number): Turns {
  const waiting: (() => void)[] = [];
  let running = 0;

  /** The place goes to the next one without being free in between. */
  function pass(): void {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }

  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    let held = true;
    const leave = (): void => {
      if (held) pass();
      held = false;
    };
    const timer = setTimeout(leave, patienceMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      leave();
    }
  };
}

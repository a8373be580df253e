// How often something is said that others can cause: a few times in each span of time, and then how often it was left out.

export interface Ration {
  /**
   * Asks for one more.
   * @param now Unix milliseconds
   * @returns null where it is to be left out; else how many were left out since the last one
   */
  next(now: number): number | null;
}

/**
 * @param most in each span
 * @param spanMs the length of a span in milliseconds; the first one begins with the first question
 */
export function createRation(most: number, spanMs: number): Ration {
  const state = { begun: Number.NEGATIVE_INFINITY, said: 0, leftOut: 0 };
  return {
    next(now) {
      // A clock that was set back begins a span, too.
      if (now - state.begun >= spanMs || now < state.begun) {
        state.begun = now;
        state.said = 0;
      }
      if (state.said >= most) {
        state.leftOut += 1;
        return null;
      }
      state.said += 1;
      const { leftOut } = state;
      state.leftOut = 0;
      return leftOut;
    },
  };
}

/** For a line of the log that any client can cause, and that says what to set right: one in ten minutes. */
export function seldom(): Ration {
  return createRation(1, 600_000);
}

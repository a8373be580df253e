// An answer that is waited for no longer than so long.

/**
 * Waits for a promise, which goes on when it is late.
 * @param ms milliseconds
 * @param late what counts instead then
 * @returns what the promise gives, or `late`; rejects as the promise does in time
 */
export async function within<T, const Late>(ms: number, promise: Promise<T>, late: Late): Promise<T | Late> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<Late>((resolve) => {
    timer = setTimeout(resolve, ms, late);
  });
  try {
    return await Promise.race([promise, patience]);
  } finally {
    clearTimeout(timer);
  }
}

// How far a long test has come, on standard output: somebody watches it for hours.

const EVERY_MS = 30_000;

/** @returns a function to be told how much is done; it prints a line at most every half minute */
export function progressOf(what: string, all: number, unit: string): (done: number) => void {
  const started = Date.now();
  let printed = started;
  return (done) => {
    const now = Date.now();
    if (now - printed < EVERY_MS) return;
    printed = now;
    const left =
      done === 0 ? '' : `, about ${Math.round((((now - started) / done) * (all - done)) / 60_000)} min left`;
    process.stdout.write(`${what}: ${Math.floor(done)} of ${all} ${unit}${left}\n`);
  };
}

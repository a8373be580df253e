// The signal that ends `serve`.
import { EXIT } from '../host/exit-codes.ts';

export interface StopSignal {
  /** Resolves with the signal's name, or with what `stop` was told. */
  readonly promise: Promise<string>;
  requested(): boolean;
  /** Ends as a signal does. */
  stop(because: string): void;
}

/**
 * Waits for SIGTERM or SIGINT.
 * @param insistent a second one ends the process at once. A worker must not take it so: the service manager and the primary
 *   both tell it to stop.
 */
export function stopRequested({ insistent }: { readonly insistent: boolean }): StopSignal {
  let requested = false;
  let resolve: (because: string) => void = () => undefined;
  const promise = new Promise<string>((settle) => {
    resolve = settle;
  });
  const stop = (because: string): void => {
    if (requested && insistent) process.exit(EXIT.refused);
    requested = true;
    resolve(because);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal));
  return { promise, requested: () => requested, stop };
}

// Questions at the terminal, on standard error: standard output is for what a command prints.
import { Refused } from '../host/exit-codes.ts';

/** Whether there is somebody to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** One that may be chosen. */
export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly hint?: string;
}

/** Asks, in whatever way; tests answer by a list. */
export interface Asker {
  text(message: string, initial: string, problemWith?: (typed: string) => string | null): Promise<string>;
  choice(message: string, choices: readonly Choice[], initial: string): Promise<string>;
  yes(message: string, initial: boolean): Promise<boolean>;
}

/** Asks by @clack/prompts, which is loaded with the first question. */
export const terminal: Asker = {
  async text(message, initial, problemWith) {
    const { text } = await import('@clack/prompts');
    const validate = (typed: string | undefined) => problemWith?.(typed ?? '') ?? undefined;
    return answered(await text({ message, initialValue: initial, validate, ...streams() }));
  },
  async choice(message, choices, initial) {
    const { select } = await import('@clack/prompts');
    const options = choices.map((each) => ({ ...each }));
    return answered(await select({ message, options, initialValue: initial, ...streams() }));
  },
  async yes(message, initial) {
    const { confirm } = await import('@clack/prompts');
    return answered(await confirm({ message, initialValue: initial, ...streams() }));
  },
};

function streams() {
  return { input: process.stdin, output: process.stderr };
}

/** @throws Refused for ^C */
function answered<T>(answer: T): Exclude<T, symbol> {
  if (typeof answer === 'symbol') throw new Refused('nothing was done: the question was cancelled');
  return answer as Exclude<T, symbol>;
}

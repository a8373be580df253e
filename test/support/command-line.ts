// The command line in this process: what a command printed and its exit code, without the second that a program takes to start.
// test/e2e/program.test.ts runs every command as the program that it is.
import { Readable } from 'node:stream';
import { type Command, CommanderError } from 'commander';

export interface CommandRun {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Standard input and output belong to the whole process: one command at a time. */
let turn: Promise<unknown> = Promise.resolve();

/**
 * Runs one command to its end. Calls take turns, in their order.
 * @param makeProgram the command line that knows it
 * @param words as after `sealpost`
 * @param stdin what the command reads there; no terminal, and by default empty
 * @throws what the command throws beside wrong usage: the program itself would die of it
 */
export function runCommand(
  makeProgram: () => Command | Promise<Command>,
  words: readonly string[],
  stdin: Uint8Array | string = '',
): Promise<CommandRun> {
  const run = turn.then(async () => runAlone(await makeProgram(), words, stdin));
  turn = run.catch(() => undefined);
  return run;
}

async function runAlone(
  program: Command,
  words: readonly string[],
  stdin: Uint8Array | string,
): Promise<CommandRun> {
  const printed = { out: [] as Buffer[], err: [] as Buffer[] };
  const restore = takeStandardStreams(printed, stdin);
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    capture(program, printed);
    await program.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } finally {
    restore();
  }
  const code = Number(process.exitCode);
  process.exitCode = before;
  return { code, stdout: Buffer.concat(printed.out), stderr: Buffer.concat(printed.err).toString('utf8') };
}

interface Printed {
  readonly out: Buffer[];
  readonly err: Buffer[];
}

/** Puts `stdin` and two lists in the place of the process's own. @returns what puts them back */
function takeStandardStreams(printed: Printed, stdin: Uint8Array | string): () => void {
  const own = Object.getOwnPropertyDescriptor(process, 'stdin');
  const { write } = process.stdout;
  const { write: writeError } = process.stderr;
  Object.defineProperty(process, 'stdin', {
    value: Readable.from(stdin.length === 0 ? [] : [Buffer.from(stdin)], { objectMode: false }),
    configurable: true,
  });
  process.stdout.write = keeper(printed.out) as typeof write;
  process.stderr.write = keeper(printed.err) as typeof write;
  return () => {
    process.stdout.write = write;
    process.stderr.write = writeError;
    if (own !== undefined) Object.defineProperty(process, 'stdin', own);
  };
}

/** A `write` as streams have it, with its callback. */
function keeper(kept: Buffer[]) {
  return (bytes: Uint8Array | string, ...rest: readonly unknown[]): boolean => {
    kept.push(Buffer.from(bytes));
    const done = rest.find((each) => typeof each === 'function');
    if (done !== undefined) process.nextTick(done as () => void);
    return true;
  };
}

/** commander writes by these, and ends the process unless it is told not to. */
function capture(command: Command, printed: Printed): void {
  command.exitOverride((error: CommanderError) => {
    throw error;
  });
  command.configureOutput({
    writeOut: (text) => printed.out.push(Buffer.from(text)),
    writeErr: (text) => printed.err.push(Buffer.from(text)),
  });
  for (const each of command.commands) capture(each, printed);
}

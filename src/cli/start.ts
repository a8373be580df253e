// What `sealpost` does with the words behind its name.
import { runCommandLine } from '../host/command-line.ts';
import { calledBy, createProgram } from './program.ts';

/** Runs a command line to its end; the exit code is in `process.exitCode` then. @param words as behind `sealpost` */
export async function start(words: readonly string[]): Promise<void> {
  await runCommandLine(await createProgram(calledBy(words)));
}

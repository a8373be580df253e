// How a program of ours ends on the command line: wrong usage is 2, and a reader that went away is no failure.
import { type Command, CommanderError } from 'commander';
import { EXIT } from './exit-codes.ts';

/** Reads the command line and runs what it names. The exit code is in `process.exitCode` when it resolves. */
export async function runCommandLine(program: Command): Promise<void> {
  throwUsage(program);
  // A reader that went away (`sealpost key list | head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.refused),
  );
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
}

/** commander ends the process with 1 on wrong usage; here that is 2. */
function throwUsage(command: Command): void {
  command.exitOverride((error: CommanderError) => {
    throw error;
  });
  command.commands.forEach(throwUsage);
}

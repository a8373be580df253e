// The log of a pipe that works in its own process. pipe(8) shows what is on standard output and standard error: to the
// sender in a bounce, and in a notice of success, too. So warnings go into a file.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger, type Logger } from '../../src/observe/log.ts';

/**
 * Writes warnings and errors to `pipe.log` in state_dir. A line that cannot be written is given up: the mail is not to wait
 * for its log.
 */
export function createPipeLog(stateDir: string): Logger {
  const path = join(stateDir, 'pipe.log');
  const write = (line: string): void => {
    try {
      appendFileSync(path, line, { mode: 0o600 });
    } catch {
      // There is nowhere to say it.
    }
  };
  return createLogger({ level: 'warn', destination: { write } });
}

// Runs Postfix's own programs, for what it has in its files and tables.
import { execFile } from 'node:child_process';

/** Where nothing else is said; below the time limit of doctor's facts. */
const PATIENCE_MS = 8000;
const MOST_BYTES = 16_000_000;

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program of Postfix is not there, or gave no answer in time. */
export class PostfixSilent extends Error {
  override readonly name = 'PostfixSilent';
  /** The program is not installed. */
  readonly missing: boolean;
  constructor(message: string, missing: boolean) {
    super(message);
    this.missing = missing;
  }
}

interface Asking {
  readonly stdin?: string;
  readonly patienceMs?: number;
}

/**
 * Runs one with its configuration folder.
 * @param configDir as Postfix's own -c; null: $MAIL_CONFIG, or where Postfix has it
 * @throws PostfixSilent where it does not run or does not end
 */
export function runPostfix(
  program: 'postconf' | 'postmap' | 'postalias' | 'postfix',
  configDir: string | null,
  args: readonly string[],
  { stdin = '', patienceMs = PATIENCE_MS }: Asking = {},
): Promise<Said> {
  const where = configDir === null ? [] : ['-c', configDir];
  const options = {
    timeout: patienceMs,
    maxBuffer: MOST_BYTES,
    // Where Postfix's programs are, whoever asks.
    env: { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin` },
  };
  return new Promise((resolve, reject) => {
    const child = execFile(program, [...where, ...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve({ code: 0, stdout, stderr });
      if (error.code === 'ENOENT')
        return reject(new PostfixSilent(`${program}(1) is not on this machine`, true));
      if (typeof error.code !== 'number')
        return reject(
          new PostfixSilent(`${program} gave no answer: ${error.killed ? 'too late' : error.message}`, false),
        );
      resolve({ code: error.code, stdout, stderr });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(stdin);
  });
}

/** The last thing that a program said. */
export function lastLineOf({ stderr }: Said): string {
  return stderr.trim().split('\n').at(-1) ?? '';
}

/** The same without the program's own name. */
export function complaintOf(said: Said): string {
  return lastLineOf(said).replace(/^post\w+: (?:fatal|error|warning): /, '');
}

// Runs a program to its end and keeps what it printed.
import { spawn } from 'node:child_process';

export interface Finished {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: Uint8Array | string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Milliseconds; then it is killed. Default 60 s. */
  readonly timeout?: number;
}

/** Runs `command` without a shell. Rejects only when it cannot be started. */
export function runProgram(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 60_000);
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => {
      // It may end without reading all of its input; its exit code tells.
    });
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') });
    });
    child.stdin.end(options.stdin ?? '');
  });
}

/** As {@link runProgram}, and an error with everything it printed unless it ends with exit code 0. */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const finished = await runProgram(command, args, options);
  if (finished.code !== 0) {
    throw new Error(
      `${command} ${args.join(' ')}: exit ${finished.code}\n${finished.stdout}${finished.stderr}`,
    );
  }
  return finished;
}

/** Asks again and again until `question` holds; an error that says what was waited for when `ms` have passed. */
export async function waitUntil(
  what: string,
  ms: number,
  question: () => boolean | Promise<boolean>,
  details: () => string | Promise<string> = () => '',
): Promise<void> {
  const end = Date.now() + ms;
  while (!(await question())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for: ${what}\n${await details()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

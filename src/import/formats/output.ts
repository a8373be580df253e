// What another program prints, as it prints it.
import { spawn } from 'node:child_process';
import { SourceRefused } from './rows.ts';

export interface OutputOptions {
  /** Debian's package, for whoever has not got the program. */
  readonly debian: string;
  /** Whether an exit code other than 0 is fine, by what was said on standard error. */
  readonly isFine?: (words: string) => boolean;
}

/** How much of what the program says on standard error is kept. Characters. */
const KEPT_WORDS = 4000;

/**
 * Runs a program to its end.
 * @throws SourceRefused where it cannot be started, or fails: with the last line that it said
 */
export async function* outputOf(
  program: string,
  args: readonly string[],
  { debian, isFine = () => false }: OutputOptions,
): AsyncGenerator<Buffer> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Where Postfix's programs are, whoever asks.
    env: { ...process.env, LC_ALL: 'C', PATH: `${process.env.PATH ?? ''}:/usr/sbin` },
  });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-KEPT_WORDS);
  });
  const ended = new Promise<number | Error>((resolve) => {
    child.once('error', resolve);
    child.once('close', (code) => resolve(code ?? -1));
  });
  try {
    for await (const piece of child.stdout) yield piece as Buffer;
    const code = await ended;
    if (code instanceof Error)
      throw new SourceRefused(`${program} cannot be started: ${code.message}; "apt-get install ${debian}"`);
    if (code !== 0 && !isFine(words))
      throw new SourceRefused(words.trim().split('\n').at(-1) || `${program} ended with ${code}`);
  } finally {
    child.kill();
  }
}

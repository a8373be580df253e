// Starts the bundled sealpost-pipe as pipe(8) does: an argument list, the message on standard input, both outputs in one.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundlePipe } from '../../../packaging/build.mjs';

export interface PipeBed {
  readonly directory: string;
  readonly program: string;
  /** Writes sealpost.toml and gives its path. */
  configure(toml: string): string;
  remove(): void;
}

export interface PipeRun {
  readonly exit: number | null;
  readonly signal: string | null;
  /** Standard output and standard error, as pipe(8) reads them. */
  readonly output: string;
}

export interface PipeInput {
  readonly args: readonly string[];
  readonly message?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Called once the process runs, with the function that sends it a signal. */
  readonly running?: (kill: (signal: NodeJS.Signals) => void) => void;
  /** Leave standard input open after the message. */
  readonly keepOpen?: boolean;
  /** Close our end of its standard output at once. */
  readonly deaf?: boolean;
}

/** Builds the program into a temporary folder. */
export async function preparePipe(): Promise<PipeBed> {
  const directory = mkdtempSync(join(tmpdir(), 'sp-pipe-'));
  const program = join(directory, 'sealpost-pipe.js');
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  await bundlePipe(program);
  let files = 0;
  return {
    directory,
    program,
    configure(toml) {
      files += 1;
      const path = join(directory, `sealpost-${files}.toml`);
      writeFileSync(path, toml);
      return path;
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export function runPipe(bed: PipeBed, input: PipeInput): Promise<PipeRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(bed.program, [...input.args], {
      cwd: input.cwd ?? bed.directory,
      env: { PATH: '/usr/bin:/bin', TZ: 'UTC', ...input.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const output: Buffer[] = [];
    child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => output.push(bytes));
    if (input.deaf === true) child.stdout.destroy();
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (exit, signal) => {
      resolve({ exit, signal, output: Buffer.concat(output).toString('latin1') });
    });
    child.on('spawn', () => input.running?.((signal) => child.kill(signal)));
    if (input.keepOpen === true) child.stdin.write(input.message ?? '');
    else child.stdin.end(input.message ?? '');
  });
}

/** sealpost.toml with one LMTP listener. */
export function listenerConfig(address: string, rest = ''): string {
  return `hostname = "mx.example.org"\n[[filter.listen]]\nprotocol = "lmtp"\naddress = "${address}"\n${rest}`;
}

// A program with its time and the most memory that it ever had, for figures that are promised.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Finished } from './child.ts';

export interface Measured extends Finished {
  readonly seconds: number;
  /** The high-water mark of its resident memory (proc(5), VmHWM). MiB. */
  readonly peakMiB: number;
}

/** How often the mark is read: it only ever rises, so that what is missed is what grows in the last moment. Milliseconds. */
const EVERY_MS = 25;

/**
 * Runs it to its end.
 * @param onStart gets its process number
 */
export function runMeasured(
  program: string,
  args: readonly string[],
  { cwd, onStart = () => undefined }: { readonly cwd: string; readonly onStart?: (pid: number) => void },
): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    let peakMiB = 0;
    const timer = setInterval(() => {
      peakMiB = Math.max(peakMiB, highWaterMark(child.pid ?? 0));
    }, EVERY_MS);
    child.once('error', reject);
    child.once('spawn', () => onStart(child.pid ?? 0));
    child.once('close', (code) => {
      clearInterval(timer);
      resolve({
        code,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString('utf8'),
        seconds: (performance.now() - started) / 1000,
        peakMiB,
      });
    });
  });
}

function highWaterMark(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    // It has ended.
    return 0;
  }
}

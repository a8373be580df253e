// A program with its time and the most memory that it ever has, for figures that are promised.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Finished } from './child.ts';

export interface Measured extends Finished {
  readonly seconds: number;
  /** Processor time of its own, which a busy machine does not stretch. */
  readonly cpuSeconds: number;
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
    const used = { peakMiB: 0, cpuSeconds: 0 };
    const timer = setInterval(() => {
      used.peakMiB = Math.max(used.peakMiB, highWaterMark(child.pid ?? 0));
      used.cpuSeconds = Math.max(used.cpuSeconds, processorTime(child.pid ?? 0));
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
        ...used,
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

/** Ticks of user and system time (proc(5), stat), of which a second has a hundred. */
function processorTime(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    // It has ended.
    return 0;
  }
}

/** The figures in words. */
export function figures({ seconds, cpuSeconds, peakMiB }: Measured): string {
  return `${seconds.toFixed(1)} s (${cpuSeconds.toFixed(1)} s of processor time), at most ${Math.round(peakMiB)} MiB`;
}

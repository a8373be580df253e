// The machine that the figures are of, and whether it had anything else to do.
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { TICKS_PER_SECOND, treeCpuSeconds } from './process-tree.ts';

export interface MachineFacts {
  readonly cores: number;
  readonly model: string;
  readonly memoryGigabytes: number;
  readonly node: string;
  /** The load average of the last minute. */
  readonly load: number;
  /** Of all processors, over two seconds in which we slept. */
  readonly busyShare: number;
  /** Of all processors over the whole run: what was not used by us and our children, nor left idle. */
  readonly othersShare: number;
  readonly quiet: boolean;
}

/** More than this in use by others, and figures begin to move. */
const QUIET_BELOW = 0.1;

/**
 * Looks for two seconds, and keeps watching. Linux only, as the rest of the benchmark.
 * @returns whether it is quiet now, and a function for the end of the run that gives all facts
 */
export async function watchMachine(): Promise<{ readonly quietNow: boolean; facts(): MachineFacts }> {
  const load = loadavg()[0] ?? 0;
  const start = processorTicks();
  await sleep(2000);
  const then = processorTicks();
  const busyShare = (then.busy - start.busy) / Math.max(1, then.all - start.all);
  const ourStart = treeCpuSeconds(process.pid);
  return {
    quietNow: busyShare < QUIET_BELOW,
    facts() {
      const now = processorTicks();
      const ours = (treeCpuSeconds(process.pid) - ourStart) * TICKS_PER_SECOND;
      const othersShare = Math.max(0, now.busy - then.busy - ours) / Math.max(1, now.all - then.all);
      return {
        cores: availableParallelism(),
        model: cpus()[0]?.model ?? 'unknown',
        memoryGigabytes: Math.round(totalmem() / 2 ** 30),
        node: process.versions.node,
        load,
        busyShare,
        othersShare,
        quiet: busyShare < QUIET_BELOW && othersShare < QUIET_BELOW,
      };
    },
  };
}

/**
 * The first line of /proc/stat (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal. Interrupts are not counted as
 * busy: on a loopback they are ours, and no process is charged with them.
 */
function processorTicks(): { readonly busy: number; readonly all: number } {
  const line = readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? '';
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, each) => sum + each, 0);
  const notBusy = ticks.slice(3, 7).reduce((sum, each) => sum + each, 0);
  return { all, busy: all - notBusy };
}

// What a program and all processes below it have used: processor time and peak memory, from proc(5).
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** USER_HZ, which is 100 on every Linux that Node.js runs on. */
export const TICKS_PER_SECOND = 100;

interface ProcessStat {
  readonly parent: number;
  /** Own time and that of children that have ended and were waited for. */
  readonly seconds: number;
}

/** The process itself and all that descend from it. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const parent = Number.isInteger(pid) ? readStat(pid)?.parent : undefined;
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found: number[] = [];
  const waiting = [root];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    found.push(pid);
    waiting.push(...(children.get(pid) ?? []));
  }
  return found;
}

/** Processor seconds that the tree has used since each of its processes began. */
export function treeCpuSeconds(root: number): number {
  return processTree(root).reduce((sum, pid) => sum + (readStat(pid)?.seconds ?? 0), 0);
}

/** Makes {@link treePeakMegabytes} start from now. */
export function resetTreePeak(root: number): void {
  for (const pid of processTree(root)) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
    } catch {
      // It has ended, or we may not: then the peak is that of its whole life.
    }
  }
}

/** The highest resident memory of each process in the tree, added up (what they share counts in each). */
export function treePeakMegabytes(root: number): number {
  return sumOf(root, 'VmHWM');
}

/** Resident memory of the tree now. */
export function treeResidentMegabytes(root: number): number {
  return sumOf(root, 'VmRSS');
}

function sumOf(root: number, field: 'VmHWM' | 'VmRSS'): number {
  const kilobytes = processTree(root).map((pid) => {
    const status = read(`/proc/${pid}/status`);
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  });
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1024;
}

/** Fields 4 (ppid) and 14 to 17 (utime, stime, cutime, cstime); the name in field 2 may hold spaces and parentheses. */
function readStat(pid: number): ProcessStat | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 15) return undefined;
  const ticks = fields.slice(11, 15).reduce((sum, each) => sum + Number(each), 0);
  return { parent: Number(fields[1]), seconds: ticks / TICKS_PER_SECOND };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

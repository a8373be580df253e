// What this process holds in memory, from proc(5).
import { readFileSync } from 'node:fs';

/** Megabytes: resident now, or at most since /proc/self/clear_refs was written to. */
export function ownMegabytes(field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync('/proc/self/status', 'latin1');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024;
}

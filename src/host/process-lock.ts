// Locks and leases between processes of one machine, made of files, that a killed process cannot leave behind.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  ftruncateSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process as it can be told from a later one with the same process ID. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process, and the boot it was in (Linux); null elsewhere. */
  readonly start: string | null;
}

/** The state and start time in the text of /proc/PID/stat (proc(5)); null when the text is not one. Pure. */
export function parseProcStat(text: string): { state: string; start: string } | null {
  // The second field, the command in parentheses, may hold spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const start = fields[19];
  return state && start && /^\d+$/.test(start) ? { state, start } : null;
}

/** What /proc knows of a process: null when /proc does not show it (not Linux, or hidden). */
function procStat(pid: number): { state: string; start: string } | null {
  try {
    const stat = parseProcStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return stat && { state: stat.state, start: `${stat.start} ${boot}` };
  } catch {
    return null;
  }
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, start: procStat(process.pid)?.start ?? null };
}

/** Whether that very process still runs. A zombie does not. When it cannot be known, the answer is yes. */
export function isAlive({ pid, start }: ProcessIdentity): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as { code?: string }).code === 'ESRCH') return false;
  }
  const stat = procStat(pid);
  if (!stat) return true;
  return stat.state !== 'Z' && stat.state !== 'X' && (start === null || start === stat.start);
}

/** Reads what {@link ownIdentity} wrote; null when the text is something else (a write cut short by a kill). Pure. */
export function parseIdentity(text: string): ProcessIdentity | null {
  try {
    const { pid, start } = JSON.parse(text) as ProcessIdentity;
    if (!Number.isSafeInteger(pid) || pid <= 0 || (start !== null && typeof start !== 'string')) return null;
    return { pid, start };
  } catch {
    return null;
  }
}

/** How many old generations stay: a claimant that lists the folder while others take turns must see a higher one. */
const KEPT_GENERATIONS = 16;

/**
 * Takes the lock of a folder, waiting for its holder; a holder that was killed does not hold it any more.
 *
 * Each turn is a file named by a growing number; the highest one tells whether the lock is held. A turn is claimed by
 * link(2), which only one process can win. The highest file is never removed, so a claimant that was too slow, and made
 * a number which the others had already removed, sees a higher one and steps back.
 * @param deadline milliseconds to wait
 * @returns a function that gives the lock back
 * @throws Error when it was not to be had in time, naming the process that holds it
 */
export async function takeLock(folder: string, deadline: number): Promise<() => void> {
  const until = Date.now() + deadline;
  for (;;) {
    const newest = newestGeneration(folder);
    const holder = newest === 0 ? null : holderOf(folder, newest);
    if (!holder) {
      const release = claim(folder, newest + 1);
      if (release) return release;
    } else if (Date.now() > until) {
      throw new Error(`process ${holder.pid} has held the lock ${folder} for ${deadline / 1000} s`);
    }
    await sleep(3 + Math.random() * 12);
  }
}

function newestGeneration(folder: string): number {
  return generations(folder).reduce((newest, number) => Math.max(newest, number), 0);
}

function generations(folder: string): number[] {
  return readdirSync(folder)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function holderOf(folder: string, generation: number): ProcessIdentity | null {
  let text: string;
  try {
    text = readFileSync(join(folder, String(generation)), 'utf8');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return null;
    throw error;
  }
  const identity = parseIdentity(text);
  return identity && isAlive(identity) ? identity : null;
}

function claim(folder: string, generation: number): (() => void) | null {
  const path = join(folder, String(generation));
  // Written whole before it gets its name, so that nobody reads half a file.
  const draft = join(folder, `.${process.pid}.${randomBytes(6).toString('hex')}`);
  const descriptor = createNote(draft);
  let held = false;
  try {
    linkSync(draft, path);
    held = newestGeneration(folder) === generation;
    if (!held) rmSync(path, { force: true });
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
    if (!held) closeSync(descriptor);
  }
  if (!held) return null;
  sweep(folder, generation);
  return () => {
    // Emptied, not replaced: that works on a full disk, too. By its descriptor: the name may be another file's by now.
    ftruncateSync(descriptor);
    closeSync(descriptor);
  };
}

/**
 * Makes a file that names this process. Root does this in folders of another account: no symbolic link is followed.
 * @returns its descriptor
 */
function createNote(path: string): number {
  const descriptor = openSync(path, 'wx');
  try {
    writeFileSync(descriptor, JSON.stringify(ownIdentity()));
    fchmodSync(descriptor, 0o644);
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function sweep(folder: string, generation: number): void {
  for (const name of readdirSync(folder)) {
    const draftOf = /^\.(\d+)\.[0-9a-f]+$/.exec(name)?.[1];
    const old = /^\d+$/.test(name) && Number(name) <= generation - KEPT_GENERATIONS;
    if (old || (draftOf && !isAlive({ pid: Number(draftOf), start: null })))
      rmSync(join(folder, name), { force: true });
  }
}

/** Notes that this process uses something. Call it, and everything below, only while holding the lock. */
export function addLease(folder: string): string {
  const path = join(folder, `${process.pid}.${randomBytes(6).toString('hex')}`);
  closeSync(createNote(path));
  return path;
}

/** Takes a lease back; once more is harmless. */
export function dropLease(path: string): void {
  rmSync(path, { force: true });
}

/** Removes the leases of processes that are gone, and counts the others. */
export function countLeases(folder: string): number {
  let living = 0;
  for (const name of readdirSync(folder)) {
    const identity = parseIdentity(readFileSync(join(folder, name), 'utf8'));
    if (identity && isAlive(identity)) living++;
    else rmSync(join(folder, name), { force: true });
  }
  return living;
}

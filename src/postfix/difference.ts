// A unified diff, by diff(1), and changes taken back, by diff3(1): both of Debian's diffutils, which are essential there.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Refused } from '../host/exit-codes.ts';

/**
 * @param path a file, read by diff itself
 * @param changed what takes its place
 * @returns '' where nothing differs
 * @throws Refused where diff(1) cannot be run
 */
export async function unifiedDiff(
  path: string,
  changed: Buffer,
  labels: readonly [string, string],
): Promise<string> {
  const [before, after] = labels;
  const { code, stdout, stderr } = await feed(
    'diff',
    ['-u', '--label', before, '--label', after, '--', path, '-'],
    changed,
  );
  // 0: the same, 1: they differ (diff(1)).
  if (code !== 0 && code !== 1) throw new Refused(`diff: ${stderr.trim()}`);
  return stdout.toString('utf8');
}

/**
 * Takes out of `now` what the change from `before` to `after` brought, and leaves what was changed since. Each is the path of a
 * file.
 * @returns null where the very lines of that change were changed since
 * @throws Refused where a program of diffutils cannot be run
 */
export async function takenOut(now: string, after: string, before: string): Promise<Buffer | null> {
  const { code, stdout, stderr } = await feed('diff3', ['-m', '--', now, after, before], Buffer.alloc(0));
  // 0: no conflicts, 1: some (diff3(1)).
  if (code !== 0 && code !== 1) throw new Refused(`diff3: ${stderr.trim()}`);
  // A line that was added right behind the change is a conflict to it, too: postconf -e adds at the end.
  return code === 0 ? stdout : takenOutByLines(now, await hunksOf(before, after));
}

/** Lines of context, as of patch(1). */
const ABOVE = 3;

/** A place where two texts differ. */
interface Hunk {
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** A few lines above it, as they are after the change. */
  readonly above: readonly string[];
}

async function hunksOf(before: string, after: string): Promise<readonly Hunk[]> {
  // First line and number of lines, of both (diff, "Line group formats").
  const group = '%df %dn %dF %dN\n';
  const { code, stdout, stderr } = await feed(
    'diff',
    [
      ...['old', 'new', 'changed'].map((kind) => `--${kind}-group-format=${group}`),
      '--unchanged-group-format=',
      '--',
      before,
      after,
    ],
    Buffer.alloc(0),
  );
  if (code !== 0 && code !== 1) throw new Refused(`diff: ${stderr.trim()}`);
  const [old, changed] = await Promise.all([linesOf(before), linesOf(after)]);
  const groups = stdout.toString('latin1').split('\n').filter(Boolean);
  return groups.map((text) => {
    const [first = 1, count = 0, firstAfter = 1, countAfter = 0] = text.split(' ').map(Number);
    return {
      before: old.slice(first - 1, first - 1 + count),
      after: changed.slice(firstAfter - 1, firstAfter - 1 + countAfter),
      above: changed.slice(Math.max(0, firstAfter - 1 - ABOVE), firstAfter - 1),
    };
  });
}

/** Lines of bytes, as Latin-1. */
async function linesOf(path: string): Promise<readonly string[]> {
  return (await readFile(path, 'latin1')).split('\n');
}

/** Where the new lines of a hunk stand; what was only taken away is known by as few lines above it as stand there once. */
function placeOf({ after, above }: Hunk, lines: readonly string[]): number | null {
  if (after.length > 0) return onlyPlace(after, lines);
  for (let count = 1; count <= above.length; count++) {
    const place = onlyPlace(above.slice(-count), lines);
    if (place !== null) return place + count;
  }
  return null;
}

/** @returns null where they stand nowhere, or more than once */
function onlyPlace(wanted: readonly string[], lines: readonly string[]): number | null {
  const places = lines.flatMap((_, at) =>
    wanted.every((line, next) => lines[at + next] === line) ? [at] : [],
  );
  return places.length === 1 ? (places[0] ?? null) : null;
}

/** Puts the old lines of each hunk in the place of its new ones, which must stand there once. */
async function takenOutByLines(now: string, hunks: readonly Hunk[]): Promise<Buffer | null> {
  const lines = [...(await linesOf(now))];
  // From the end, so that what stands above a hunk is as it was after the change.
  for (const hunk of hunks.toReversed()) {
    const place = placeOf(hunk, lines);
    if (place === null) return null;
    lines.splice(place, hunk.after.length, ...hunk.before);
  }
  return Buffer.from(lines.join('\n'), 'latin1');
}

function feed(
  program: string,
  args: readonly string[],
  input: Buffer,
): Promise<{ code: number | null; stdout: Buffer; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => stdout.push(part));
    child.stderr.on('data', (part: Buffer) => stderr.push(part));
    child.once('error', (error) =>
      reject(new Refused(`${program} (of the package diffutils) cannot be run: ${error.message}`)),
    );
    child.once('close', (code) =>
      resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') }),
    );
    // It may end before it has read everything.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

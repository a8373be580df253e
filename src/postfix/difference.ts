// A unified diff, by diff(1), and three texts merged, by diff3(1): both of Debian's diffutils, which are essential there.
import { spawn } from 'node:child_process';
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
 * Merges what was changed from `older` to `yours` into `mine`, each the path of a file.
 * @returns null where both changed the same lines
 * @throws Refused where diff3(1) cannot be run
 */
export async function merged(mine: string, older: string, yours: string): Promise<Buffer | null> {
  const { code, stdout, stderr } = await feed('diff3', ['-m', '--', mine, older, yours], Buffer.alloc(0));
  // 0: no conflicts, 1: some (diff3(1)).
  if (code !== 0 && code !== 1) throw new Refused(`diff3: ${stderr.trim()}`);
  return code === 0 ? stdout : null;
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

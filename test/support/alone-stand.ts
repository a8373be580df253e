// What the tests of commands alone stand on: a folder, a file system that is full, and how a command is called and judged.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKey } from 'openpgp';
import { afterAll, beforeAll } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { runCommand } from './command-line.ts';
import { type CommandCall, EVERY_CALL } from './every-command.ts';
import { freePorts } from './places.ts';

/** No command may take longer. Milliseconds. */
const LONGEST = 10_000;
export const COMMON =
  '[notices]\nadministrator = "postmaster@outside.example"\n[portal]\nurl = "https://keys.example.org"\n';

export let folder = '';
let fingerprint = '';
export let deadPort = 0;
/** Why there is no full disk; null: there is one. */
export let unmounted: string | null = null;
export let full = '';

export function useScratch(): void {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sp-alone-'));
    [deadPort = 0] = await freePorts(1);
    const { publicKey, privateKey } = await generateKey({
      userIDs: [{ email: 'alice@example.org' }],
      format: 'object',
    });
    fingerprint = privateKey.getFingerprint().toUpperCase();
    write('alice.asc', publicKey.armor());
    write('letter.eml', 'From: <bob@outside.example>\nSubject: hello\n\nThe body.\n');
    write('users.csv', 'address\nalice@example.org\n');
    full = join(folder, 'full');
    unmounted = fillDisk(full);
  }, 60_000);
  afterAll(() => {
    if (unmounted === null) execFileSync('umount', [full]);
    rmSync(folder, { recursive: true, force: true });
  });
}

/** @returns the path */
export function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Makes a folder. @returns its path */
export function inFolder(name: string): string {
  mkdirSync(join(folder, name), { recursive: true });
  return join(folder, name);
}

/** Mounts a file system of a few KB at a path, and fills it. @returns why that cannot be, or null */
function fillDisk(path: string): string | null {
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,nr_inodes=16', 'tmpfs', path], { stdio: 'pipe' });
  } catch (error) {
    const said = (error as { stderr?: Buffer }).stderr?.toString().trim();
    return `a tmpfs: ${said ?? (error instanceof Error ? error.message : 'mount failed')}`;
  }
  for (let number = 0; ; number += 1)
    try {
      writeFileSync(join(path, `filler-${number}`), Buffer.alloc(64 * 1024));
    } catch {
      // Filled up: by bytes first, then by names.
      if (number > 16) return null;
    }
}

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly ms: number;
}

export async function call(
  { words }: CommandCall,
  config: string,
  ...more: readonly string[]
): Promise<Said> {
  const given = words.map((word) =>
    word
      .replace('DIR', folder)
      .replace(/^KEY$/, join(folder, 'alice.asc'))
      .replace(/^LETTER$/, join(folder, 'letter.eml'))
      .replace(/^USERS$/, join(folder, 'users.csv'))
      .replace(/^FINGERPRINT$/, fingerprint),
  );
  const started = Date.now();
  const { code, stdout, stderr } = await runCommand(
    () => createProgram(given[0]),
    [...given, '--config', config, ...more],
  );
  return { code, out: stdout.toString('utf8'), err: stderr, ms: Date.now() - started };
}

/** A sentence of a command that could not do its work: one line, no stack, and nothing printed beside it. */
export const ONE_SENTENCE = /^sealpost: [^\n]+\n$/;
const STACK = /^\s+at .+:\d+:\d+\)?$/m;

/** It looks at everything, which takes its time: once without a database, and once without a configuration. */
export const QUICK = EVERY_CALL.filter(({ words }) => words[0] !== 'doctor');

/** One of so many, the first one included. */
export const oneOf = (many: number): readonly CommandCall[] => QUICK.filter((_, at) => at % many === 0);

/** What reads or writes state_dir or the configuration, and what these need. */
export const WITH_STATE: ReadonlySet<string> = new Set(
  'config init migrate domain user explain encrypt trace notices status'.split(' '),
);

export const nameOf = ({ words }: CommandCall): string => words.join(' ');

/** Every call of a state, and what is wrong with what it said. */
export async function problemsOf(
  config: string,
  expected: (call: CommandCall) => { readonly code: number; readonly says: RegExp | null },
  calls: readonly CommandCall[] = QUICK,
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const each of calls) {
    const { code, says } = expected(each);
    const said = await call(each, config);
    const problem = (what: string) =>
      problems.push(
        `${nameOf(each)}: ${what}; exit ${said.code}, stdout ${said.out.slice(0, 300)}, stderr ${said.err}`,
      );
    if (said.code !== code) problem(`expected exit ${code}`);
    if (said.ms > LONGEST) problem(`took ${said.ms} ms`);
    if (STACK.test(said.out + said.err)) problem('printed a stack');
    if (says === null) continue;
    if (said.out !== '') problem('printed something that looks like an answer');
    if (!ONE_SENTENCE.test(said.err)) problem('expected one sentence');
    if (!says.test(said.err)) problem(`expected ${says}`);
  }
  return problems;
}

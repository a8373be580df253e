// What a test stand needs of the machine: it says so itself, where it starts the tool. Where the tool is missing the tests of
// every file that imports the stand are skipped, and their reason reaches the last lines of `npm test`.
import { existsSync } from 'node:fs';
import type { TestContext } from 'vitest';
import packages from '../../packaging/debian-packages.json' with { type: 'json' };

/** A Debian package, by its name; or the account of root. */
export type Tool = keyof typeof packages | 'root';

declare module 'vitest' {
  interface TaskMeta {
    /** Why the test is skipped: `TOOL: REASON` for each tool that it misses. packaging/test.mjs prints it. */
    needs?: readonly string[];
  }
}

/** The needs of the test file that is being loaded; skip-without-needs.ts begins it anew for each file. */
export const needed = new Set<Tool>();

/** Called when a stand is loaded: without the tool, every test of the file that loads it is skipped. */
export function need(...tools: readonly Tool[]): void {
  for (const tool of tools) needed.add(tool);
}

/** Why a tool is not there, as `TOOL: REASON`; null when it is. */
export function lack(tool: Tool): string | null {
  if (tool === 'root') return process.getuid?.() === 0 ? null : 'root: the tests run as another user';
  const missing = packages[tool].find((path) => !existsSync(path));
  return missing === undefined ? null : `${tool}: ${missing} is not installed`;
}

/** Skips one test where a tool is missing. Call it first. */
export function skipWithout(context: Pick<TestContext, 'task' | 'skip'>, tool: Tool): void {
  skipFor(context, lack(tool));
}

/** Skips one test for what it lacks, as `TOOL: REASON`; null: it lacks nothing. */
export function skipFor({ task, skip }: Pick<TestContext, 'task' | 'skip'>, lacking: string | null): void {
  if (lacking === null) return;
  task.meta.needs = [lacking];
  skip(`needs ${lacking}`);
}

// What a run of the tests says: a line before and after each step, and at the end what failed, what was skipped and why, and
// one line of totals.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const bin = (name) => join(root, 'node_modules', '.bin', name);

/**
 * Begins a run.
 * @param {{ name: string, reason: string }[]} missing Debian packages that could not be had, and why
 */
export function createReport(missing = []) {
  return {
    started: Date.now(),
    folder: mkdtempSync(join(tmpdir(), 'sealpost-test-')),
    missing: new Map(missing.map(({ name, reason }) => [name, reason])),
    passed: 0,
    failed: 0,
    skipped: 0,
    /** Steps that ended with another exit code than 0. */
    failedSteps: [],
    failures: [],
    secondAttempts: [],
    /** `FILE needs TOOL: REASON` -> how many tests. */
    skips: new Map(),
  };
}

/** Runs a program as one step of the report; its output is shown as it comes. */
export function step(report, name, command, args) {
  say(`\n== ${name}`);
  const begun = Date.now();
  ended(report, name, begun, spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status);
}

/** Runs several at the same time, none of which rests on another; the output of each is shown when it has ended. */
export async function stepsAtOnce(report, steps) {
  const begun = Date.now();
  await Promise.all(
    steps.map(async ({ name, command, args }) => {
      const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
      const output = [];
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
      const status = await new Promise((resolve) => {
        child.once('error', (error) => {
          output.push(Buffer.from(`${error.message}\n`));
          resolve(null);
        });
        child.once('close', resolve);
      });
      say(`\n== ${name}`);
      process.stdout.write(Buffer.concat(output));
      ended(report, name, begun, status);
    }),
  );
}

function ended(report, name, begun, status) {
  if (status !== 0) report.failedSteps.push(name);
  say(`== ${name}: ${status === 0 ? 'ok' : 'FAILED'} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
}

/** Runs a project of vitest.config.ts as one step, and counts its tests. */
export function vitest(report, name, project, more = [], node = process.execPath) {
  const file = join(report.folder, `${name.replace(/\W+/g, '-')}.json`);
  step(report, name, node, [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--project',
    project,
    ...more,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]);
  if (existsSync(file)) count(report, JSON.parse(readFileSync(file, 'utf8')));
}

/** Counts a step that cannot be made on this machine. */
export function skip(report, what, reason) {
  report.skipped += 1;
  report.skips.set(`${what}: ${reason}`, 1);
}

/** Counts vitest's JSON report. */
export function count(report, result) {
  report.passed += result.numPassedTests;
  report.failed += result.numFailedTests;
  report.skipped += result.numPendingTests + result.numTodoTests;
  for (const file of result.testResults) {
    const where = file.name.startsWith(root) ? file.name.slice(root.length) : file.name;
    const failed = file.assertionResults.filter(({ failureMessages }) => failureMessages.length > 0);
    if (file.status === 'failed' && !failed.some(({ status }) => status === 'failed'))
      report.failures.push(`${where}: ${firstLine(file.message)}`);
    for (const { fullName, failureMessages, status } of failed)
      (status === 'failed' ? report.failures : report.secondAttempts).push(
        `${where}: ${fullName}: ${firstLine(failureMessages[0])}`,
      );
    // In a file whose stand did not start the tests are skipped for that.
    const skipped = file.assertionResults.filter(({ status }) => status !== 'passed' && status !== 'failed');
    if (file.status !== 'failed') for (const test of skipped) countSkipped(report, where, test);
  }
}

/** A test that is skipped says why (test/support/needs.ts); one that does not is a fault. */
function countSkipped(report, where, { fullName, meta }) {
  const needs = meta?.needs ?? [];
  if (needs.length === 0) report.failures.push(`${where}: ${fullName}: skipped without a reason`);
  for (const need of needs) {
    const [tool = '', found = ''] = need.split(/: (.*)/s);
    const line = `${where} needs ${tool}: ${report.missing.get(tool) ?? found}`;
    report.skips.set(line, (report.skips.get(line) ?? 0) + 1);
  }
}

function firstLine(text) {
  const [line = ''] = (text ?? '').trim().split('\n', 1);
  return line.slice(0, 300);
}

/**
 * Prints the end of the report.
 * @param {(text: string) => void} print takes lines
 * @returns {number} the exit code: 1 when anything failed, or when nothing was run
 */
export function finish(report, print = say) {
  rmSync(report.folder, { recursive: true, force: true });
  for (const name of report.failedSteps) print(`FAILED: ${name}`);
  for (const failure of report.failures) print(`  ${failure}`);
  if (report.secondAttempts.length > 0)
    print('passed at the second attempt only, and to be looked at all the same:');
  for (const test of report.secondAttempts) print(`  ${test}`);
  for (const [skip, tests] of report.skips)
    print(`skipped: ${skip}${tests === 1 ? '' : ` (${tests} tests)`}`);
  const others = Math.max(report.failedSteps.length, report.failures.length) > 0 ? 1 : 0;
  const failed = Math.max(report.failed, others);
  print(`\nin ${Math.round((Date.now() - report.started) / 1000)} s`);
  print(`total: ${report.passed} passed, ${failed} failed, ${report.skipped} skipped`);
  return failed > 0 || report.passed === 0 ? 1 : 0;
}

export function say(text) {
  process.stdout.write(`${text}\n`);
}

// `npm test`: makes the machine ready, then type check, lint, build, and every test; closes with one line of totals.
// A test file whose tools cannot be had is left out by name, with the reason, and counted as skipped.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare } from './prepare.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name) => join(root, 'node_modules', '.bin', name);

/** Debian package -> the test files that cannot run without it (patterns as vitest's --exclude takes them). */
const NEEDS = {
  postfix: ['postfix-*', 'quickstart', 'bench', 'dovecot'].map((name) => `test/e2e/${name}.test.ts`),
  swaks: ['test/e2e/postfix-*.test.ts'],
  gnupg: ['test/e2e/**', 'test/unit/keys/**', 'test/unit/message/signed.test.ts'],
  sq: ['test/e2e/sealing.test.ts', 'test/e2e/interop.test.ts'],
  'dovecot-imapd': ['test/e2e/dovecot*.test.ts'],
  'dovecot-lmtpd': ['test/e2e/dovecot*.test.ts'],
  'dovecot-pgsql': ['test/e2e/dovecot-quota.test.ts'],
  postgresql: ['postgresql-*', 'bench', 'lookups', 'queue-tables', 'dovecot-quota'].map(
    (name) => `test/e2e/${name}.test.ts`,
  ),
};

const steps = [];
const started = Date.now();

function step(name, command, args, options = {}) {
  process.stdout.write(`\n== ${name}\n`);
  const begun = Date.now();
  const ended = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  const ok = ended.status === 0;
  steps.push({ name, ok });
  process.stdout.write(
    `== ${name}: ${ok ? 'ok' : 'FAILED'} (${((Date.now() - begun) / 1000).toFixed(1)} s)\n`,
  );
  return ok;
}

/** Node.js 24 from the npm package of that name, outside the tree: the same tests must pass there. */
function node24(folder) {
  const installed = spawnSync(
    'npm',
    ['install', '--prefix', folder, '--no-audit', '--no-fund', '--no-save', '--loglevel=error', 'node@24'],
    { stdio: 'ignore' },
  );
  const program = join(folder, 'node_modules', 'node', 'bin', 'node');
  return installed.status === 0 && existsSync(program) ? program : undefined;
}

const { missing } = prepare('test');
const temporary = mkdtempSync(join(tmpdir(), 'sealpost-test-'));
let skipped = 0;
const excluded = new Set();
for (const { name, reason } of missing) {
  for (const pattern of NEEDS[name] ?? []) {
    process.stdout.write(`skipped: ${pattern} needs ${name}: ${reason}\n`);
    excluded.add(pattern);
    skipped += 1;
  }
}

step('type check', bin('tsc'), ['--noEmit', '-p', 'tsconfig.json']);
step('lint', bin('biome'), ['check', '.']);
step('build', process.execPath, ['packaging/build.mjs']);

const totals = { passed: 0, failed: 0 };
/** Told at the end, where a reader of the last lines sees them: what failed, and what failed at first. */
const failures = [];
const secondAttempts = [];

function vitest(name, node, project, report, more = []) {
  const file = join(temporary, report);
  const exclude = [...excluded].flatMap((pattern) => ['--exclude', pattern]);
  step(name, node, [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--project',
    project,
    ...exclude,
    ...more,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]);
  if (!existsSync(file)) return;
  const result = JSON.parse(readFileSync(file, 'utf8'));
  totals.passed += result.numPassedTests;
  totals.failed += result.numFailedTests;
  skipped += result.numPendingTests + result.numTodoTests;
  for (const { what, ended } of troubles(result)) (ended === 'failed' ? failures : secondAttempts).push(what);
}

/** The tests of vitest's JSON report that failed at least once, and the files that failed outside a test. */
function troubles(result) {
  return result.testResults.flatMap((file) => {
    const where = file.name.slice(root.length);
    const failed = file.assertionResults.filter(({ failureMessages }) => failureMessages.length > 0);
    if (file.status === 'failed' && !failed.some(({ status }) => status === 'failed'))
      return [{ what: `${where}: ${firstLine(file.message)}`, ended: 'failed' }];
    return failed.map(({ fullName, failureMessages, status }) => ({
      what: `${where}: ${fullName}: ${firstLine(failureMessages[0])}`,
      ended: status,
    }));
  });
}

function firstLine(text) {
  const [line = ''] = (text ?? '').trim().split('\n', 1);
  return line.slice(0, 300);
}

vitest(`unit and property tests on Node.js ${process.versions.node}`, process.execPath, 'unit', 'unit.json');
vitest('end-to-end tests', process.execPath, 'e2e', 'e2e.json');

if (process.versions.node.startsWith('20.')) {
  const newer = node24(join(temporary, 'node24'));
  if (newer === undefined) {
    process.stdout.write(
      '\nskipped: the unit tests on Node.js 24: the npm package node@24 could not be installed\n',
    );
    skipped += 1;
  } else vitest('unit tests on Node.js 24', newer, 'unit', 'unit24.json', ['--exclude', 'test/property/**']);
}
rmSync(temporary, { recursive: true, force: true });

for (const { name, ok } of steps) if (!ok) process.stdout.write(`FAILED: ${name}\n`);
for (const failure of failures) process.stdout.write(`  ${failure}\n`);
if (secondAttempts.length > 0)
  process.stdout.write('passed at the second attempt only, and to be looked at all the same:\n');
for (const test of secondAttempts) process.stdout.write(`  ${test}\n`);
const stepsFailed = steps.filter(({ ok }) => !ok).length;
const failed = Math.max(totals.failed, stepsFailed > 0 ? Math.max(1, totals.failed) : 0);
process.stdout.write(`\nin ${Math.round((Date.now() - started) / 1000)} s\n`);
process.stdout.write(`total: ${totals.passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exit(failed > 0 || totals.passed === 0 ? 1 : 0);

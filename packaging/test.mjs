// `npm test`: makes the machine ready, then type check, lint, build, and every test; closes with one line of totals.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { prepare } from './prepare.mjs';
import { bin, createReport, finish, skip, step, vitest } from './report.mjs';

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

// The files of a run share their processes: loading the sources for each file anew took a third of the time.
const TOGETHER = ['--no-isolate'];

const report = createReport(prepare('test').missing);
step(report, 'type check', bin('tsc'), ['--noEmit', '-p', 'tsconfig.json']);
step(report, 'lint', bin('biome'), ['check', '.']);
step(report, 'build', process.execPath, ['packaging/build.mjs']);
vitest(report, `unit and property tests on Node.js ${process.versions.node}`, 'unit', TOGETHER);
vitest(report, 'end-to-end tests', 'e2e', TOGETHER);
if (process.versions.node.startsWith('20.')) {
  const newer = node24(join(report.folder, 'node24'));
  if (newer === undefined)
    skip(report, 'the unit tests on Node.js 24', 'the npm package node@24 could not be installed');
  else
    vitest(report, 'unit tests on Node.js 24', 'unit', [...TOGETHER, '--exclude', 'test/property/**'], newer);
}
process.exit(finish(report));

// `npm test`: makes the machine ready, then type check, lint, build, and every test; closes with one line of totals.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { prepare } from './prepare.mjs';
import { bin, createReport, finish, skip, stepsAtOnce, vitest } from './report.mjs';

/** Node.js 24 from the npm package of that name, outside the tree: the same tests must pass there. */
async function node24(folder) {
  const asked = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--no-save', '--loglevel=error'];
  const installing = spawn('npm', [...asked, 'node@24'], { stdio: 'ignore' });
  const status = await new Promise((resolve) => {
    installing.once('error', () => resolve(null));
    installing.once('close', resolve);
  });
  const program = join(folder, 'node_modules', 'node', 'bin', 'node');
  return status === 0 && existsSync(program) ? program : undefined;
}

// The files of a run share their processes: loading the sources for each file anew took a third of the time.
const TOGETHER = ['--no-isolate'];

const report = createReport(prepare('test').missing);
const own = process.versions.node;
const installing = own.startsWith('20.') ? node24(join(report.folder, 'node24')) : null;
await stepsAtOnce(report, [
  { name: 'type check', command: bin('tsc'), args: ['--noEmit', '-p', 'tsconfig.json'] },
  { name: 'lint', command: bin('biome'), args: ['check', '.'] },
  { name: 'build', command: process.execPath, args: ['packaging/build.mjs'] },
]);
vitest(report, `unit and property tests on Node.js ${own}`, 'unit', TOGETHER);
// Not these: what one file leaves in memory is not another one's to measure.
vitest(report, 'end-to-end tests', 'e2e');
if (installing !== null) {
  const newer = await installing;
  if (newer === undefined)
    skip(report, 'the unit tests on Node.js 24', 'the npm package node@24 could not be installed');
  else
    vitest(report, 'unit tests on Node.js 24', 'unit', [...TOGETHER, '--exclude', 'test/property/**'], newer);
}
process.exit(finish(report));

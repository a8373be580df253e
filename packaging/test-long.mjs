// `npm run test:long`: what takes hours, by lanes: the folders of test/long. Each has a small case in `npm test`.
//
//   npm run test:long -- [LANE]... [--minutes N]
//
// Without a lane: all of them. --minutes is the time of lane fuzz. Closes with one line of totals.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { prepare } from './prepare.mjs';
import { createReport, finish, root, say, step, vitest } from './report.mjs';

const lanes = readdirSync(join(root, 'test', 'long'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

function usage(problem) {
  process.stderr.write(
    `sealpost: ${problem}\nnpm run test:long -- [${lanes.join(' | ')}]... [--minutes N]\n\nExample:\n  $ npm run test:long -- fuzz --minutes 30\n`,
  );
  process.exit(2);
}

function readArguments() {
  try {
    return parseArgs({ allowPositionals: true, options: { minutes: { type: 'string' } } });
  } catch (error) {
    return usage(error.message);
  }
}

const { positionals, values } = readArguments();
const unknown = positionals.find((name) => !lanes.includes(name));
if (unknown !== undefined) usage(`there is no lane "${unknown}"; found are ${lanes.join(', ')}`);
if (values.minutes !== undefined) {
  if (!(Number(values.minutes) > 0)) usage(`--minutes: found ${values.minutes}, expected a number above 0`);
  process.env.SEALPOST_LONG_MINUTES = values.minutes;
}

const report = createReport(prepare('long').missing);
step(report, 'build', process.execPath, ['packaging/build.mjs']);
const chosen = positionals.length === 0 ? lanes : positionals;
for (const [index, lane] of chosen.entries()) {
  say(`\nlane ${lane} (${index + 1} of ${chosen.length})`);
  vitest(report, lane, 'long', [`test/long/${lane}/`]);
}
process.exit(finish(report));

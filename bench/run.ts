// `npm run bench`: sealpost beside what people run today and beside the limits of the machine, in one run, as ratios. A figure
// is printed only when all its messages arrived and a sample of them decrypted to what was sent.
//
//   npm run bench [-- --quick] [--only NAME[,NAME...]] [--out FOLDER] [--workers N]
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repository } from '../test/support/places.ts';
import { watchMachine } from './machine.ts';
import { PARTS } from './parts.ts';
import { growthCharts, writePlots } from './plots.ts';
import { createTicker } from './progress.ts';
import { type Outcome, type Report, renderReport } from './report.ts';
import type { Part } from './rows.ts';
import { closeTheStand } from './stand.ts';

const HELP = `npm run bench -- [options]

  --quick         the rows that have targets, with few messages: some three minutes
  --only NAMES    some parts, separated by commas: ${PARTS.map(({ name }) => name).join(', ')}
  --out FOLDER    where report and plots go (default: bench/results; bench/results/partial with one of the above,
                  but for hostile.md)
  --workers N     handed on to sealpost serve
`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    out: { type: 'string' },
    workers: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

function chosenParts(): readonly Part[] {
  if (values.only === undefined) return PARTS.filter((part) => !values.quick || part.quickSeconds > 0);
  const names = values.only.split(',');
  const unknown = names.find((name) => !PARTS.some((part) => part.name === name));
  if (unknown !== undefined) {
    process.stderr.write(
      `bench: found --only ${unknown}, expected some of ${PARTS.map(({ name }) => name).join(', ')}\n`,
    );
    process.exit(2);
  }
  return PARTS.filter(({ name }) => names.includes(name));
}

async function runParts(parts: readonly Part[], startedAt: Date): Promise<void> {
  const { quick } = values;
  // What is measured is the build, never the sources through a loader.
  const built = join(repository, 'dist');
  if (existsSync(built)) process.env.SEALPOST_TEST_DIST ??= built;
  const plan = parts.map(({ name, seconds, quickSeconds }) => ({
    name,
    seconds: (quick ? quickSeconds : seconds) || seconds,
  }));
  const ticker = createTicker(plan, (line) => process.stderr.write(line));
  const options = {
    quick,
    progress: ticker.progress,
    serveArguments: values.workers === undefined ? [] : ['--workers', values.workers],
  };
  const machine = await watchMachine();
  if (!machine.quietNow)
    process.stderr.write('bench: this machine is not quiet; the figures will not mean much\n');
  const outcomes: Outcome[] = [];
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void closeTheStand().finally(() => process.exit(1)));
  try {
    for (const part of parts) {
      ticker.begin(part.name);
      try {
        outcomes.push({ part, result: await part.run(options) });
      } catch (error) {
        const refused = error instanceof Error ? error.message : String(error);
        ticker.progress(`no figures: ${refused}`);
        outcomes.push({ part, refused });
      }
    }
  } finally {
    await closeTheStand();
  }
  const facts = machine.facts();

  const plots = outcomes.flatMap((outcome) => {
    if ('refused' in outcome) return [];
    const { rows, charts = [] } = outcome.result;
    return [...charts, ...growthCharts(outcome.part, rows)].map((chart) => ({
      part: outcome.part.name,
      name: chart.name,
      title: chart.title,
      chart,
    }));
  });
  const partial = quick || values.only !== undefined;
  const folder = values.out ?? join(repository, 'bench/results', partial ? 'partial' : '');
  const command = [
    'npm run bench',
    ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : []),
  ].join(' ');
  const run = { startedAt, seconds: ticker.elapsed(), command, machine: facts };
  const report = renderReport({ ...run, outcomes, plots });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'latest.md'), report);
  if (!quick) await writeOwnReports(run, outcomes);
  await writePlots(
    plots.map(({ chart }) => chart),
    folder,
  );
  process.stdout.write(`\n${report}\n`);
  process.stderr.write(`bench: report and plots are in ${folder}\n`);
  // A refused figure is a failure of what was measured.
  process.exit(outcomes.some((outcome) => 'refused' in outcome) ? 1 : 0);
}

/** Reports of parts that are kept by themselves, however few parts ran. */
async function writeOwnReports(
  run: Omit<Report, 'outcomes' | 'plots' | 'alone'>,
  outcomes: readonly Outcome[],
): Promise<void> {
  const folder = values.out ?? join(repository, 'bench/results');
  for (const { name, ownReport } of PARTS) {
    const outcome = outcomes.find(({ part }) => part.name === name);
    if (ownReport === undefined || outcome === undefined || 'refused' in outcome) continue;
    await writeFile(
      join(folder, ownReport),
      renderReport({ ...run, outcomes: [outcome], alone: true, plots: [] }),
    );
    process.stderr.write(`bench: ${ownReport} is in ${folder}\n`);
  }
}

if (values.help) process.stdout.write(HELP);
else await runParts(chosenParts(), new Date());

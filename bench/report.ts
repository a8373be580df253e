// The report in Markdown: targets, ratios, then one section for each part. Pure.
import type { MachineFacts } from './machine.ts';
import { COLUMNS, type Finding, type Part, type PartResult, type Row, type Target } from './rows.ts';
import { clock, threeDigits } from './statistics.ts';

/** One part as it ended: with figures, or with the reason why there are none. */
export type Outcome =
  | { readonly part: Pick<Part, 'name' | 'title'>; readonly result: PartResult }
  | { readonly part: Pick<Part, 'name' | 'title'>; readonly refused: string };

export interface Report {
  readonly startedAt: Date;
  readonly seconds: number;
  /** What was asked for: `npm run bench -- --quick`. */
  readonly command: string;
  readonly machine: MachineFacts;
  readonly outcomes: readonly Outcome[];
  /** Of one part alone, whose notes say how it was measured. Default: of many, with what is true of their ratios. */
  readonly alone?: boolean;
  /** File names of the plots (without ending) and their titles, by part. */
  readonly plots: readonly { readonly part: string; readonly name: string; readonly title: string }[];
}

export function isMet(measured: number, target: Target): boolean {
  switch (target.is) {
    case 'at least':
      return measured >= target.value;
    case 'at most':
      return measured <= target.value;
    case 'above':
      return measured > target.value;
    case 'below':
      return measured < target.value;
  }
}

export function renderReport(report: Report): string {
  const findings = report.outcomes.flatMap((outcome) =>
    'result' in outcome ? (outcome.result.findings ?? []) : [],
  );
  const sections = [
    ...head(report),
    ...targets(findings.filter(({ target }) => target !== undefined)),
    ...ratios(findings.filter(({ target }) => target === undefined)),
    ...report.outcomes.flatMap((outcome) => section(outcome, report.plots)),
  ];
  return `${sections.join('\n\n')}\n`;
}

function head({ startedAt, seconds, command, machine, outcomes, alone = false }: Report): string[] {
  const { cores, model, memoryGigabytes, node, load, busyShare, othersShare, quiet } = machine;
  const refused = outcomes.flatMap((outcome) => ('refused' in outcome ? [outcome.part.title] : []));
  const lines = [
    '# sealpost benchmark',
    `${startedAt.toISOString()}, \`${command}\`, ${clock(seconds)} minutes; Node.js ${node}, ${cores} cores (${model}), ` +
      `${memoryGigabytes} GiB; at the start a load of ${load.toFixed(2)}, ${Math.round(busyShare * 100)} % of the processors in use; ` +
      `over the run ${Math.round(othersShare * 100)} % by others.`,
  ];
  if (!quiet)
    lines.push(
      '**The machine was not quiet: other programs used its processors. The figures are no basis for a judgement.**',
    );
  if (refused.length > 0)
    lines.push(`**Without figures, for the reason given below: ${refused.join(', ')}.**`);
  if (alone) return lines;
  lines.push(
    'Ratios are medians of rounds taken in turn, ours and theirs. Every message was counted at the next hop, and every sealed ' +
      'copy in the metrics of sealpost; then the same load went into a next hop that keeps what it gets: there all of it had to be ' +
      'sealed (or not) by its structure and to have come once, and a sample had to decrypt with GnuPG to the bytes that were sent. ' +
      'Where one of these did not hold, there is no figure.',
  );
  return lines;
}

function targets(findings: readonly Finding[]): string[] {
  if (findings.length === 0) return [];
  const lines = findings.map(({ what, measured, unit, target }) => {
    const suffix = unit === undefined ? '' : ` ${unit}`;
    const wanted = target === undefined ? '' : `${target.is} ${target.value}${suffix}`;
    const met = target !== undefined && isMet(measured, target) ? 'met' : '**not met**';
    return `| ${what} | ${wanted} | ${threeDigits(measured)}${suffix} | ${met} |`;
  });
  return ['## Targets', table(['work', 'target', 'measured', ''], lines)];
}

function ratios(findings: readonly Finding[]): string[] {
  if (findings.length === 0) return [];
  const lines = findings.map(
    ({ what, measured, unit }) =>
      `| ${what} | ${threeDigits(measured)}${unit === undefined ? '' : ` ${unit}`} |`,
  );
  return ['## More ratios', table(['ratio', 'measured'], lines)];
}

function section(outcome: Outcome, plots: Report['plots']): string[] {
  const heading = `## ${outcome.part.title}`;
  if ('refused' in outcome) return [heading, `No figures: ${outcome.refused}`];
  const { rows, notes = [] } = outcome.result;
  const images = plots
    .filter(({ part }) => part === outcome.part.name)
    .map(({ name, title }) => `![${title}](${name}.svg)`);
  return [heading, ...notes, ...(rows.length === 0 ? [] : [rowsTable(rows)]), ...images];
}

function rowsTable(rows: readonly Row[]): string {
  const columns = COLUMNS.filter((column) => rows.some(({ figures }) => figures[column] !== undefined));
  const lines = rows.map(({ work, figures }) => {
    const cells = columns.map((column) => {
      const value = figures[column];
      return value === undefined ? '' : threeDigits(value);
    });
    return `| ${[work, ...cells].join(' | ')} |`;
  });
  return table(['work', ...columns], lines);
}

function table(heads: readonly string[], lines: readonly string[]): string {
  return [`| ${heads.join(' | ')} |`, `|${heads.map(() => '---').join('|')}|`, ...lines].join('\n');
}

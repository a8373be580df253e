// `sealpost doctor`: what is wrong here, why it matters, and the command that mends it.
import type { Command } from 'commander';
import { CHECKS, FAMILIES } from '../doctor/checks/all.ts';
import { createReaders } from '../doctor/readers/all.ts';
import { exitCodeOf, type Report, type Result, runChecks } from '../doctor/run.ts';
import { within } from '../pacing/within.ts';
import { run, withCommonOptions } from './command.ts';
import { printable } from './table.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly probe?: boolean;
  readonly configDir?: string;
}

/** For each kind of facts. A check waits no longer, whatever hangs. */
const LIMIT_MS = 10_000;
/** For connections, and an embedded database that nobody else uses, to end. */
const CLOSE_MS = 6000;
/** After that, for what hangs to let go. */
const LEAVE_MS = 500;

export function registerDoctor(program: Command): void {
  withCommonOptions(
    program
      .command('doctor')
      .description(
        'look at program, database, keys, next hop, machine and Postfix; exit 0: well, 1: warnings, 2: errors',
      )
      .option('--probe', 'also send a letter through the filter, and follow it to the next hop')
      .option('--config-dir <dir>', 'the configuration of Postfix, as its own -c'),
    'sealpost doctor --probe',
  ).action((options: Options) =>
    run(options, async (context) => {
      const { readers, close } = createReaders({
        load: () => context.loaded,
        postfix: {
          configDir: options.configDir ?? null,
          passwd: '/etc/passwd',
          sieve: ['/var/lib/dovecot/sieve', '/etc/dovecot/sieve'],
        },
        probe: options.probe === true,
      });
      const report = await runChecks({ readers, checks: CHECKS, limitMs: LIMIT_MS });
      context.print(asJson(report), inWords(report));
      process.exitCode = exitCodeOf(report.results);
      // What is still being waited for would keep the process, perhaps for ever.
      await within(CLOSE_MS, close(), undefined);
      if (report.late) setTimeout(() => process.exit(), LEAVE_MS).unref();
    }),
  );
}

const SIGNS = { ok: 'ok     ', warning: 'WARNING', error: 'ERROR  ', not_looked: 'not seen' } as const;

function countOf({ results }: Report): Readonly<Record<keyof typeof SIGNS, number>> {
  const count = { ok: 0, warning: 0, error: 0, not_looked: 0 };
  for (const { level } of results) count[level] += 1;
  return count;
}

function asJson(report: Report): object {
  return {
    ...countOf(report),
    checks: report.results.map(({ code, level, found, why, mend, expected }) => ({
      code,
      level,
      found,
      why,
      ...(level === 'ok' ? {} : { mend }),
      ...(level === 'not_looked' ? { expected: expected === true } : {}),
    })),
  };
}

function inWords(report: Report): string {
  const byCode = new Map(report.results.map((result) => [result.code, result]));
  const lines = Object.entries(FAMILIES).flatMap(([family, checks]) => [
    family,
    ...checks.flatMap(({ code }) => resultInWords(byCode.get(code))),
    '',
  ]);
  const count = countOf(report);
  return [
    ...lines,
    `${count.error} errors, ${count.warning} warnings, ${count.ok} well, ${count.not_looked} not looked at`,
  ].join('\n');
}

function resultInWords(result: Result | undefined): readonly string[] {
  if (result === undefined) return [];
  const { code, level, found, why, mend } = result;
  const head = `  ${SIGNS[level].padEnd(8)} ${code}: ${printable(found)}`;
  return level === 'warning' || level === 'error'
    ? [head, `           why:  ${why}`, `           mend: ${printable(mend)}`]
    : [head];
}

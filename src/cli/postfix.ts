// sealpost postfix show|apply|undo: wires sealpost into the Postfix of this machine by a folder of postfix-examples.
import type { Command } from 'commander';
import { EXIT, Refused } from '../host/exit-codes.ts';
import { isRunning, reload } from '../postfix/postfix.ts';
import { interruptedRecord } from '../postfix/records.ts';
import { type Applied, applyWiring, lookAt } from '../postfix/rewire.ts';
import { type Undone, undoWiring } from '../postfix/undo.ts';
import { type CommandContext, run, withCommonOptions } from './command.ts';
import { fillIn } from './postfix-fill.ts';
import {
  appliedInWords,
  conflictsInWords,
  outlookAsJson,
  outlookInWords,
  recoveredInWords,
  remarks,
} from './postfix-text.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly configDir?: string;
  readonly dryRun?: boolean;
  readonly reload?: boolean;
  readonly keepChanges?: boolean;
}

/** Adds `postfix show`, `postfix apply` and `postfix undo`. */
export function registerPostfix(program: Command): void {
  const postfix = program
    .command('postfix')
    .description('wire sealpost into the Postfix of this machine, and take it out again');
  const common = (command: Command, example: string): Command =>
    withCommonOptions(
      command.option(
        '--config-dir <dir>',
        "where main.cf is, as Postfix's own -c (default: where Postfix has it)",
      ),
      example,
    );

  common(
    postfix
      .command('show')
      .description('print what apply would do: calls of postconf, and a diff of main.cf and master.cf')
      .argument('<wiring>', 'a folder of postfix-examples, such as delivery-lmtp'),
    'sealpost postfix show delivery-lmtp',
  ).action((wiring: string, options: Options) => run(options, (context) => show(wiring, options, context)));

  common(
    postfix
      .command('apply')
      .description("change main.cf and master.cf, after Postfix's own check; repeated, it changes nothing")
      .argument('<wiring>', 'a folder of postfix-examples, such as delivery-lmtp')
      .option('--dry-run', 'only say what would be done')
      .option('--reload', 'and reload Postfix'),
    'sealpost postfix apply delivery-lmtp --reload',
  ).action((wiring: string, options: Options) =>
    run(options, (context) =>
      options.dryRun === true ? show(wiring, options, context) : apply(wiring, options, context),
    ),
  );

  common(
    postfix
      .command('undo')
      .description('put main.cf and master.cf back as they were before the last apply')
      .argument('[wiring]', 'the one that was applied last (default: whichever that is)')
      .option(
        '--keep-changes',
        'where somebody changed the files since: take out only what the wiring brought',
      )
      .option('--reload', 'and reload Postfix'),
    'sealpost postfix undo --reload',
  ).action((wiring: string | undefined, options: Options) =>
    run(options, (context) => undo(wiring ?? null, options, context)),
  );
}

async function show(wiring: string, options: Options, { loaded, print }: CommandContext): Promise<void> {
  const given = options.configDir ?? null;
  const outlook = await lookAt(wiring, given, loaded.config);
  const interrupted = (await interruptedRecord(outlook.configDir))?.manifest.wiring ?? null;
  const warning =
    interrupted === null
      ? ''
      : `an apply or undo of ${interrupted} was interrupted; the next one brings it to an end before it begins\n`;
  print({ ...outlookAsJson(outlook, given), interrupted }, `${warning}${outlookInWords(outlook, given)}`);
  if (outlook.plan.kind === 'conflicts') process.exitCode = EXIT.refused;
}

async function apply(wiring: string, options: Options, context: CommandContext): Promise<void> {
  const given = options.configDir ?? null;
  const { config } = context.loaded;
  const applied = await applyWiring(wiring, given, config);
  const { outlook } = applied;
  if (outlook.plan.kind === 'conflicts') {
    if (!context.json) throw new Refused(conflictsInWords(wiring, outlook.plan.conflicts));
    context.print({ ...outlookAsJson(outlook, given), applied: false }, '');
    process.exitCode = EXIT.refused;
    return;
  }
  const reloaded = options.reload === true && (await reloadIfRunning(given));
  const filled = await fillIn(context, given, reloaded);
  context.print(
    {
      ...outlookAsJson(outlook, given),
      applied: applied.changed,
      recovered: applied.recovered,
      reloaded,
      postfix: filled.json,
    },
    [
      ...appliedInWords(applied),
      ...filled.lines,
      ...remarks(outlook.plan.notes, outlook.missing),
      afterApply(applied, reloaded, given),
    ].join('\n'),
  );
}

function afterApply({ changed }: Applied, reloaded: boolean, given: string | null): string {
  const next = 'next: "sealpost serve" has to run; then prove it with a letter to somebody with a key';
  if (reloaded) return `Postfix was reloaded\n${next}`;
  return changed ? `Postfix was not reloaded: ${reloadCommand(given)}\n${next}` : next;
}

function reloadCommand(given: string | null): string {
  return given === null ? 'postfix reload' : `postfix -c ${given} reload`;
}

/** @returns whether it was running, and is reloaded */
async function reloadIfRunning(given: string | null): Promise<boolean> {
  if (!(await isRunning(given))) return false;
  await reload(given);
  return true;
}

async function undo(wiring: string | null, options: Options, context: CommandContext): Promise<void> {
  const given = options.configDir ?? null;
  const { undone, configDir, recovered } = await undoWiring(wiring, given, options.keepChanges === true);
  if (undone.kind === 'changed') {
    const said = changedInWords(undone, configDir);
    if (!context.json) throw new Refused(said);
    context.print(
      { undone: false, wiring: undone.wiring, config_dir: configDir, changed_since: undone.diff },
      '',
    );
    process.exitCode = EXIT.refused;
    return;
  }
  const reloaded = options.reload === true && (await reloadIfRunning(given));
  const filled = await fillIn(context, given, reloaded);
  context.print(
    {
      undone: undone.kind === 'undone',
      wiring: undone.kind === 'undone' ? undone.wiring : (recovered?.wiring ?? null),
      config_dir: configDir,
      to_the_byte: undone.kind === 'recovered' || !undone.merged,
      recovered,
      reloaded,
      postfix: filled.json,
    },
    [
      ...(recovered === null ? [] : [recoveredInWords(recovered)]),
      ...(undone.kind === 'undone' ? [undoneInWords(undone, configDir)] : []),
      ...filled.lines,
      reloaded ? 'Postfix was reloaded' : `Postfix was not reloaded: ${reloadCommand(given)}`,
      'mail in the queue remembers a content_filter; "postsuper -r ALL" makes it forget',
    ].join('\n'),
  );
}

function undoneInWords(undone: Extract<Undone, { kind: 'undone' }>, configDir: string): string {
  return undone.merged
    ? `took ${undone.wiring} out of main.cf and master.cf in ${configDir}; what was changed since was kept`
    : `undid ${undone.wiring}: main.cf and master.cf in ${configDir} are to the byte what they were`;
}

function changedInWords({ wiring, diff }: Extract<Undone, { kind: 'changed' }>, configDir: string): string {
  return `nothing was undone: somebody changed the files in ${configDir} since ${wiring} was applied. "sealpost postfix undo --keep-changes" takes only out what the wiring brought. What differs:\n${diff.trimEnd()}`;
}

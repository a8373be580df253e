// `sealpost rule`: exceptions before sealing, by envelope sender, header or size, for a user or a domain.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseSize } from '../config/units.ts';
import { RULE_ACTIONS } from '../database/rule-actions.ts';
import { ChangeRefused } from '../directory/refused.ts';
import { conditionsInWords, readHeaderPattern, readSenderPattern } from '../directory/rule-rows.ts';
import type { RuleView } from '../directory/rules.ts';
import type { Rule } from '../directory/types.ts';
import { WrongUsage } from '../host/exit-codes.ts';
import { run, withCommonOptions } from './command.ts';
import { confirm } from './confirm.ts';
import { table } from './table.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

interface AddOptions extends Options {
  readonly action: Rule['action'];
  readonly sender?: string;
  readonly header?: string;
  readonly larger?: string;
  readonly before?: number;
}

export function registerRule(program: Command): void {
  const rule = program
    .command('rule')
    .description(
      'exceptions before sealing: the first rule that matches decides, the user’s before the domain’s',
    );

  withCommonOptions(
    rule
      .command('add')
      .description('add a rule for mail that meets every condition given; * is any text, ? any character')
      .argument('<address|@domain>', 'a user, or a whole domain')
      .addOption(
        new Option(
          '--action <action>',
          'pass: never sealed; reject: refused with 550; seal: sealed also under encrypt=off, and never in plaintext',
        )
          .choices(RULE_ACTIONS)
          .makeOptionMandatory(),
      )
      .option(
        '--sender <pattern>',
        'the envelope sender: a domain, or a pattern for the whole address; "<>" is the null sender',
      )
      .option('--header <pattern>', '"Name: pattern" for a whole header field, decoded or as it stands')
      .option('--larger <size>', 'larger than this')
      .option('--before <number>', 'place it before this rule of the same owner', readNumber),
    "sealpost rule add alice@example.org --action pass --header 'List-Id: *announce*' --sender bank.example",
  ).action((owner: string, options: AddOptions) =>
    run(options, async ({ database, print }) => {
      const { addRule } = await import('../directory/rules.ts');
      const added = await addRule(await database(), owner, readRule(options), options.before);
      print(added, `added rule ${table([row(added)])}`);
    }),
  );

  withCommonOptions(
    rule
      .command('list')
      .description('list the rules in the order in which they are tried')
      .argument('[address|@domain]', 'only those of this user or domain'),
    'sealpost rule list @example.org',
  ).action((owner: string | undefined, options: Options) =>
    run(options, async ({ database, print }) => {
      const { listRules } = await import('../directory/rules.ts');
      const all = await listRules(await database(), owner);
      print(all, table(all.map(row)));
    }),
  );

  withCommonOptions(
    rule
      .command('remove')
      .description('remove a rule')
      .argument('<number>', 'as listed', readNumber)
      .option('--yes', 'do not ask'),
    'sealpost rule remove 12 --yes',
  ).action((id: number, options: Options & { readonly yes?: boolean }) =>
    run(options, async ({ database, print }) => {
      const { removeRule } = await import('../directory/rules.ts');
      await confirm(`remove rule ${id}`, options.yes === true);
      const removed = await removeRule(await database(), id);
      print(removed, `removed rule ${table([row(removed)])}`);
    }),
  );
}

/** PostgreSQL's integer. */
const LARGEST_NUMBER = 2 ** 31 - 1;

function readNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > LARGEST_NUMBER)
    throw new InvalidArgumentError(`found ${JSON.stringify(text)}, expected the number of a rule, as listed`);
  return number;
}

/** @throws WrongUsage */
function readRule({ action, sender, header, larger }: AddOptions): Omit<Rule, 'id'> {
  if (sender === undefined && header === undefined && larger === undefined) {
    throw new WrongUsage(
      'a rule without a condition would be for all mail: expected --sender, --header or --larger (for all mail there is encrypt=off)',
    );
  }
  try {
    return {
      action,
      sender: sender === undefined ? null : readSenderPattern(sender),
      header: header === undefined ? null : readHeaderPattern(header),
      largerThan: larger === undefined ? null : readLarger(larger),
    };
  } catch (error) {
    if (error instanceof ChangeRefused) throw new WrongUsage(error.message);
    throw error;
  }
}

function readLarger(text: string): number {
  const parsed = parseSize(text);
  if (!parsed.ok)
    throw new WrongUsage(`--larger: found ${JSON.stringify(text)}, expected ${parsed.expected}`);
  return parsed.value;
}

function row(rule: RuleView): readonly string[] {
  return [String(rule.id), rule.owner, rule.action, conditionsInWords(rule)];
}

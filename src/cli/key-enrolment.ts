// `sealpost key add --confirm` and `key recovery`: the administrator's side of the flow by which users hand over keys themselves.
import { type Command, Option } from 'commander';
import { LANGUAGES, type Language } from '../enrolment/letters/language.ts';
import type { Asker, FlowContext, FlowRefusal } from '../enrolment/types.ts';
import { Refused, WrongUsage } from '../host/exit-codes.ts';
import { cliActor } from './arguments.ts';
import { run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';
import { flowContext } from './flow-context.ts';
import { readUpload } from './upload.ts';

interface AddFlags extends CommonOptions {
  readonly confirm?: boolean;
  readonly replace?: boolean;
  readonly language?: Language;
}

interface RecoveryFlags extends CommonOptions {
  readonly allow?: boolean;
  readonly refuse?: boolean;
}

export function registerEnrolment(key: Command): void {
  registerAdd(key);
  registerRecovery(key);
}

function registerAdd(key: Command): void {
  withCommonOptions(
    key
      .command('add')
      .description(
        'hand a key over for a user: a letter that is sealed to it goes to the user, and mail is sealed with it once the link in the letter was followed',
      )
      .argument('<address>', 'the primary address')
      .argument('[file]', '- or nothing reads standard input', '-')
      .option('--confirm', 'required: without a letter that was read, "key import" is the command')
      .option('--replace', 'then it takes the place of the other keys; default: it comes beside them')
      .addOption(new Option('--language <language>', 'of the letter').choices([...LANGUAGES])),
    'sealpost key add alice@example.org alice.asc --confirm',
  ).action((address: string, file: string, options: AddFlags) =>
    run(options, async (context) => {
      if (options.confirm !== true) {
        throw new WrongUsage(
          'expected --confirm: the user reads a letter first; "sealpost key import" takes a key on your word alone',
        );
      }
      const { submitKey } = await import('../enrolment/flow.ts');
      const flow = await flowContext(context);
      const { asker, user } = await askerFor(flow, address, options.language ?? null);
      const upload = await readUpload(file);
      const outcome = await submitKey(flow, asker, upload, options.replace === true ? 'replace' : 'add');
      if (!outcome.ok) throw new Refused(inWords(outcome, address));
      const { fingerprint, result } = outcome;
      context.print(
        { user, fingerprint, result },
        result === 'revoked'
          ? `${fingerprint} of ${user} is revoked`
          : `${fingerprint} waits until ${user} has read the letter that is sealed to it; "sealpost serve" sends it`,
      );
    }),
  );
}

function registerRecovery(key: Command): void {
  withCommonOptions(
    key
      .command('recovery')
      .description('decide on the change that a user who lost the key has asked for')
      .argument('<address>', 'the primary address')
      .addOption(new Option('--allow', 'the change comes now').conflicts('refuse'))
      .option('--refuse', 'the change does not come'),
    'sealpost key recovery alice@example.org --allow',
  ).action((address: string, options: RecoveryFlags) =>
    run(options, async (context) => {
      if (options.allow !== true && options.refuse !== true)
        throw new WrongUsage('expected --allow or --refuse');
      const { settleRecovery } = await import('../enrolment/flow.ts');
      const flow = await flowContext(context);
      const { asker, user } = await askerFor(flow, address, null);
      const outcome = await settleRecovery(flow, asker, options.allow === true);
      if (!outcome.ok) throw new Refused(inWords(outcome, address));
      context.print(
        { user, result: outcome.result },
        {
          done: `the change that ${user} asked for was made`,
          active: `the new key of ${user} is in use`,
          waiting: `the new key of ${user} comes into use as soon as its letter was read`,
          submitted: '',
          stopped: `the recovery of ${user} has ended without its change`,
          administrator: '',
        }[outcome.result],
      );
    }),
  );
}

/**
 * The administrator who asks for a user, and the user's primary address.
 * @throws ChangeRefused where there is no such user
 */
async function askerFor(
  flow: FlowContext,
  typed: string,
  language: Language | null,
): Promise<{ readonly asker: Asker; readonly user: string }> {
  const { requireUser } = await import('../directory/find.ts');
  const { user, address } = await requireUser(flow.database.orm, typed);
  const asker: Asker = { userId: user.id, proof: { level: 'administrator' }, name: cliActor(), language };
  return { asker, user: address };
}

/** A refusal with the command that helps. */
function inWords(refusal: FlowRefusal, address: string): string {
  if (refusal.key !== undefined) return refusal.key.sentence;
  switch (refusal.because) {
    case 'no portal':
      return 'portal.url is not set: the link in the letter would lead nowhere; "sealpost key import" takes a key on your word alone';
    case 'several keys':
      return 'found several keys, expected one: a letter is sealed to each on its own';
    case 'key known':
      return `${address} has this key already; see "sealpost key list ${address}"`;
    case 'limited':
      return `${address} has too many keys that wait, or was sent too many letters; try again ${
        refusal.retryAt === undefined ? 'later' : `after ${new Date(refusal.retryAt).toISOString()}`
      }`;
    case 'nothing there':
      return `${address} has asked for no recovery`;
    case 'no user':
      return `there is no user ${address} any more; see "sealpost user list"`;
    default:
      return `the key was not taken: ${refusal.because}`;
  }
}

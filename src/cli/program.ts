// The `sealpost` command line as commander knows it: every command, and what all of them share.
import { Command } from 'commander';
import { packageVersion } from '../config/package.ts';
import { OVERVIEW } from './overview.ts';

/**
 * Every command, in the order of --help. Only the one that is called is loaded: it starts sooner, and `pull` runs where there is
 * neither a database nor anything that speaks to one.
 */
export const COMMANDS: ReadonlyMap<string, () => Promise<(program: Command) => void>> = new Map(
  Object.entries({
    init: async () => (await import('./init.ts')).registerInit,
    serve: async () => (await import('./serve.ts')).registerServe,
    migrate: async () => (await import('./migrate.ts')).registerMigrate,
    database: async () => (await import('./database.ts')).registerDatabase,
    config: async () => (await import('./config.ts')).registerConfig,
    postfix: async () => (await import('./postfix.ts')).registerPostfix,
    domain: async () => (await import('./domain.ts')).registerDomain,
    user: async () => (await import('./user.ts')).registerUser,
    alias: async () => (await import('./alias.ts')).registerAlias,
    key: async () => (await import('./key.ts')).registerKey,
    rule: async () => (await import('./rule.ts')).registerRule,
    fingerprint: async () => (await import('./fingerprint.ts')).registerFingerprint,
    explain: async () => (await import('./explain.ts')).registerExplain,
    trace: async () => (await import('./trace.ts')).registerTrace,
    lookup: async () => (await import('./lookup.ts')).registerLookup,
    encrypt: async () => (await import('./encrypt.ts')).registerEncrypt,
    queue: async () => (await import('./queue.ts')).registerQueue,
    token: async () => (await import('./token.ts')).registerToken,
    portal: async () => (await import('./portal.ts')).registerPortal,
    pull: async () => (await import('./pull.ts')).registerPull,
    notices: async () => (await import('./notices.ts')).registerNotices,
    doctor: async () => (await import('./doctor.ts')).registerDoctor,
    import: async () => (await import('./import.ts')).registerImport,
    sync: async () => (await import('./sync.ts')).registerSync,
    backup: async () => (await import('./backup.ts')).registerBackup,
    verify: async () => (await import('./verify.ts')).registerVerify,
    restore: async () => (await import('./restore.ts')).registerRestore,
    status: async () => (await import('./status.ts')).registerStatus,
    completion: async () => {
      const { registerCompletion } = await import('./completion.ts');
      return (program) => registerCompletion(program, everyCommand);
    },
  }),
);

/**
 * Makes the command line for one call.
 * @param called the command's name; anything else stands for all of them, of which --help then has a line each
 */
export async function createProgram(called: string | undefined): Promise<Command> {
  const program = withoutCommands();
  const load = COMMANDS.get(called ?? '');
  if (load !== undefined) (await load())(program);
  else for (const [name, each] of COMMANDS) if (!addLine(program, name)) (await each())(program);
  return program;
}

/** The command line with every command loaded. */
async function everyCommand(): Promise<Command> {
  const program = withoutCommands();
  for (const load of COMMANDS.values()) (await load())(program);
  return program;
}

function withoutCommands(): Command {
  return (
    new Command('sealpost')
      .description(
        'Seals mail with its recipient’s OpenPGP key before it touches a mailbox: a content filter for Postfix.',
      )
      .version(packageVersion())
      .option('--config <file>', 'configuration file, as after the command')
      // What stands after the command is the command's, also where both know it.
      .enablePositionalOptions()
      .hook('preAction', takeConfigBefore)
      .showHelpAfterError('(add --help for what is allowed, and an example)')
      .addHelpText(
        'after',
        `
Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 75 temporary (database away).

Example:
  $ sealpost init && sealpost domain add example.org && sealpost user add alice@example.org
  $ sealpost key import alice.asc && sealpost serve`,
      )
  );
}

/** Gives a command the file that was named before it; one that is named after it as well counts. */
function takeConfigBefore(program: Command, called: Command): void {
  const file: unknown = program.getOptionValue('config');
  if (typeof file !== 'string') return;
  const own = called.options.find((option) => option.attributeName() === 'config');
  // `import gpg-mailgate --config` names the other program's file.
  if (own?.variadic === true) called.setOptionValue('ownConfig', file);
  else if (called.getOptionValue('config') === undefined) called.setOptionValue('config', file);
}

/** Adds what --help says of a command, and nothing that could run. @returns false where no line is known */
function addLine(program: Command, name: string): boolean {
  const line = OVERVIEW.get(name);
  if (line === undefined) return false;
  const [term, description] = line;
  const command = program.command(term.replace(' [options]', '')).description(description);
  if (term.includes('[options]')) command.option('--json');
  return true;
}

/** The command that the words after `sealpost` are for: `help user` and `--config FILE user` are for `user`. */
export function calledBy(words: readonly string[]): string | undefined {
  const [first, ...rest] = words;
  if (first === '--config') return calledBy(rest.slice(1));
  if (first?.startsWith('--config=') === true) return calledBy(rest);
  return first === 'help' ? rest[0] : first;
}

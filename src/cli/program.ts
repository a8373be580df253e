// The `sealpost` command line as commander knows it: every command, and what all of them share.
import { Command } from 'commander';
import { packageVersion } from '../config/package.ts';

/**
 * Every command, in the order of --help. Only the one that is called is loaded: it starts sooner, and `pull` runs where there is
 * neither a database nor anything that speaks to one.
 */
export const COMMANDS: ReadonlyMap<string, () => Promise<(program: Command) => void>> = new Map(
  Object.entries({
    init: async () => (await import('./init.ts')).registerInit,
    serve: async () => (await import('./serve.ts')).registerServe,
    migrate: async () => (await import('./migrate.ts')).registerMigrate,
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
    pull: async () => (await import('./pull.ts')).registerPull,
    status: async () => (await import('./status.ts')).registerStatus,
  }),
);

/**
 * Makes the command line for one call.
 * @param called the first word after `sealpost`: a command's name, or anything else for all of them
 */
export async function createProgram(called: string | undefined): Promise<Command> {
  const program = new Command('sealpost')
    .description(
      'Seals mail with its recipient’s OpenPGP key before it touches a mailbox: a content filter for Postfix.',
    )
    .version(packageVersion())
    .showHelpAfterError('(add --help for what is allowed, and an example)')
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 75 temporary (database away).

Example:
  $ sealpost init && sealpost domain add example.org && sealpost user add alice@example.org
  $ sealpost key import alice.asc && sealpost serve`,
    );
  const load = COMMANDS.get(called ?? '');
  for (const each of load === undefined ? COMMANDS.values() : [load]) (await each())(program);
  return program;
}

#!/usr/bin/env node
// The `sealpost` command: one file per subcommand beside this one.
import { Command } from 'commander';
import { packageVersion } from '../config/package.ts';
import { runCommandLine } from '../host/command-line.ts';

// As Node.js 21 has it. Where there is none, `pg` makes a Response to learn where it runs, for which Node.js loads an HTTP client:
// a twentieth of a second.
if (!('navigator' in globalThis)) {
  const userAgent = `Node.js/${process.versions.node.split('.')[0]}`;
  Object.defineProperty(globalThis, 'navigator', {
    value: { userAgent },
    configurable: true,
    writable: true,
  });
}

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

/**
 * Every command, in the order of --help. Only the one that is called is loaded: it starts sooner, and `pull` runs where there is
 * neither a database nor anything that speaks to one.
 */
const COMMANDS: ReadonlyMap<string, () => Promise<(program: Command) => void>> = new Map(
  Object.entries({
    init: async () => (await import('./init.ts')).registerInit,
    serve: async () => (await import('./serve.ts')).registerServe,
    migrate: async () => (await import('./migrate.ts')).registerMigrate,
    config: async () => (await import('./config.ts')).registerConfig,
    domain: async () => (await import('./domain.ts')).registerDomain,
    user: async () => (await import('./user.ts')).registerUser,
    alias: async () => (await import('./alias.ts')).registerAlias,
    key: async () => (await import('./key.ts')).registerKey,
    rule: async () => (await import('./rule.ts')).registerRule,
    fingerprint: async () => (await import('./fingerprint.ts')).registerFingerprint,
    explain: async () => (await import('./explain.ts')).registerExplain,
    lookup: async () => (await import('./lookup.ts')).registerLookup,
    encrypt: async () => (await import('./encrypt.ts')).registerEncrypt,
    queue: async () => (await import('./queue.ts')).registerQueue,
    token: async () => (await import('./token.ts')).registerToken,
    pull: async () => (await import('./pull.ts')).registerPull,
    status: async () => (await import('./status.ts')).registerStatus,
  }),
);

const called = COMMANDS.get(process.argv[2] ?? '');
for (const load of called === undefined ? COMMANDS.values() : [called]) (await load())(program);

await runCommandLine(program);

#!/usr/bin/env node
// The `sealpost` command: one file per subcommand beside this one.
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../config/package.ts';
import { registerAlias } from './alias.ts';
import { EXIT } from './command.ts';
import { registerConfig } from './config.ts';
import { registerDomain } from './domain.ts';
import { registerEncrypt } from './encrypt.ts';
import { registerExplain } from './explain.ts';
import { registerFingerprint } from './fingerprint.ts';
import { registerInit } from './init.ts';
import { registerKey } from './key.ts';
import { registerLookup } from './lookup.ts';
import { registerMigrate } from './migrate.ts';
import { registerPull } from './pull.ts';
import { registerQueue } from './queue.ts';
import { registerRule } from './rule.ts';
import { registerServe } from './serve.ts';
import { registerStatus } from './status.ts';
import { registerToken } from './token.ts';
import { registerUser } from './user.ts';

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

for (const register of [
  registerInit,
  registerServe,
  registerMigrate,
  registerConfig,
  registerDomain,
  registerUser,
  registerAlias,
  registerKey,
  registerRule,
  registerFingerprint,
  registerExplain,
  registerLookup,
  registerEncrypt,
  registerQueue,
  registerToken,
  registerPull,
  registerStatus,
]) {
  register(program);
}

/** commander ends the process with 1 on wrong usage; here that is 2 (interface.md). */
function usageExits(command: Command): void {
  command.exitOverride((error: CommanderError) => {
    throw error;
  });
  command.commands.forEach(usageExits);
}
usageExits(program);

// A reader that went away (`sealpost key list | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.refused),
);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
}

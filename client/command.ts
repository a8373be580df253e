// The command line of the client, as `sealpost-pull` on the user's own machine and as `sealpost pull` on a server. It reads no
// sealpost.toml and opens no database.
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { EXIT, Refused, Temporary, WrongUsage } from '../src/host/exit-codes.ts';
import { readServer, readToken } from './arguments.ts';
import { type Decryptor, KeyNotUsable } from './decrypt/decryptor.ts';
import { createGpg } from './decrypt/gpg.ts';
import { createKeyFile } from './decrypt/key-file.ts';
import { MaildirRefused, openMaildir } from './pull/maildir.ts';
import { createProgress, formatBytes } from './pull/progress.ts';
import { type PullResult, pull } from './pull/pull.ts';
import { createServerClient } from './queue/http.ts';
import { ServerAway, ServerRefused } from './queue/server-errors.ts';

interface PullCliOptions {
  readonly server: string;
  readonly to: string;
  readonly tokenFile?: string;
  readonly watch?: boolean;
  readonly keyFile?: string;
  readonly passphraseFile?: string;
  readonly gpg: string;
  readonly allowHttp?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** gpg-agent does one secret operation at a time; more than this only waits. */
const MOST_PARALLEL = 4;

/**
 * Gives a command of commander the client's options, help and action. The action sets the exit code, and throws nothing.
 * @param name what a user types to run it, for the example
 */
export function asPull(command: Command, name: string): Command {
  return command
    .description(
      "fetch a user's mail from the queue of a server, decrypt it, and write it to a local Maildir",
    )
    .requiredOption('--server <url>', 'the HTTP interface of the server, such as https://mx1.example.org')
    .requiredOption('--to <maildir>', 'the Maildir; made where there is none')
    .option('--token-file <file>', 'the token is the first line of this file; else it is in $SEALPOST_TOKEN')
    .option('--watch', 'do not end when the queue is empty: take new mail as it comes')
    .option('--key-file <file>', 'decrypt with the secret key in this file, without GnuPG')
    .option('--passphrase-file <file>', 'its first line is the passphrase of the secret key')
    .option('--gpg <program>', 'the GnuPG program', 'gpg')
    .option('--allow-http', 'send the token without TLS to a server that is not this machine')
    .option('--quiet', 'show no progress')
    .option('--json', 'print JSON for machines')
    .addHelpText(
      'after',
      `
The token comes from --token-file or $SEALPOST_TOKEN, never from the command line, where every user of the machine could see
it. Exit codes: 0 done, 1 refused or some messages could not be decrypted, 2 wrong usage, 75 the server is away.

Example:
  $ ${name} --server https://mx1.example.org --to ~/Maildir --token-file ~/.config/sealpost-token --watch`,
    )
    .action(async (options: PullCliOptions) => {
      try {
        const result = await pullAsAsked(options);
        print(options, result);
        if (result.failed.length > 0) process.exitCode = EXIT.refused;
      } catch (error) {
        report(error, options.json === true);
      }
    });
}

async function openDecryptor({ keyFile, passphraseFile, gpg }: PullCliOptions): Promise<Decryptor> {
  if (keyFile !== undefined) return createKeyFile(keyFile, passphraseFile);
  return createGpg({ program: gpg, ...(passphraseFile === undefined ? {} : { passphraseFile }) });
}

async function pullAsAsked(options: PullCliOptions): Promise<PullResult> {
  const url = readServer(options.server, options.allowHttp === true);
  const token = readToken(options.tokenFile, process.env);
  const decryptor = await openDecryptor(options);
  const maildir = await openMaildir(resolve(options.to));
  const progress = createProgress((text) => {
    if (options.quiet !== true) process.stderr.write(text);
  }, process.stderr.isTTY === true);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort(new Error('stopped by a signal'));
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    const server = createServerClient({ url, token });
    const parallel = Math.max(2, Math.min(MOST_PARALLEL, availableParallelism()));
    const watch = options.watch === true;
    const result = await pull({ server, maildir, decryptor, progress, watch, stop: stop.signal, parallel });
    if (stop.signal.aborted && !watch)
      throw new Temporary(
        `stopped by a signal after ${result.delivered} messages; the rest waits on the server`,
      );
    return result;
  } finally {
    progress.end();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    await maildir.close();
  }
}

function print(options: PullCliOptions, { delivered, bytes, failed }: PullResult): void {
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ delivered, bytes, failed }, null, 2)}\n`);
    return;
  }
  const fetched = `${delivered === 1 ? '1 message' : `${delivered} messages`} delivered, ${formatBytes(bytes)}`;
  const left = failed.length === 0 ? '' : `; ${failed.length} could not be decrypted and stay on the server`;
  process.stdout.write(`${fetched}${left}\n`);
}

function report(error: unknown, json: boolean): void {
  const { message, code } = explainEnd(error);
  process.exitCode = code;
  if (json) process.stdout.write(`${JSON.stringify({ error: message, exit_code: code })}\n`);
  process.stderr.write(`sealpost: ${message}\n`);
}

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

function explainEnd(error: unknown): { readonly message: string; readonly code: number } {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof WrongUsage) return { message, code: EXIT.usage };
  if (error instanceof Temporary) return { message, code: EXIT.temporary };
  if (error instanceof ServerAway)
    return { message: `${message}; nothing is lost, run it again later`, code: EXIT.temporary };
  if (error instanceof Refused || error instanceof ServerRefused) return { message, code: EXIT.refused };
  if (error instanceof KeyNotUsable || error instanceof MaildirRefused)
    return { message, code: EXIT.refused };
  // The file system's: they name the path, which is the user's own.
  const full = error instanceof Error && 'code' in error && FULL.has(String(error.code));
  return { message, code: full ? EXIT.temporary : EXIT.refused };
}

// sealpost-pipe: the simple content filter. One message on standard input, its envelope in the arguments, the end in the
// exit code. Whatever has no better name ends as 75, and Postfix keeps the mail.
import { existsSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildBounce } from '../../src/delivery/bounce.ts';
import { rawHeader } from '../../src/message/header.ts';
import { classOf } from '../../src/smtp/replies.ts';
import type { Reply } from '../../src/smtp/types.ts';
import { HELP, type PipeArguments, parsePipeArguments, USAGE } from './arguments.ts';
import { rawArguments } from './argv.ts';
import { deliverOverLmtp } from './lmtp.ts';
import {
  type PipeEnd,
  pipeLine,
  pipeOutcome,
  SYSEXITS,
  TryAgain,
  tryAgain,
  withoutOthersAddresses,
} from './outcome.ts';
import {
  BOUNCE_NOT_DELIVERED,
  badConfiguration,
  DATABASE_AWAY,
  internalError,
  NO_MESSAGE,
  NOT_IN_TIME,
  NOT_MIGRATED,
  PACKAGE_INCOMPLETE,
  stoppedBy,
  TOO_LARGE,
  WRONG_CONFIGURATION,
  wrongUsage,
} from './reasons.ts';
import { BadConfiguration, loadPipeSettings, type PipeSettings } from './settings.ts';
import { toCrlf } from './wire.ts';

/** Put in by the bundler (packaging/build.mjs), so that the file needs nothing beside it. */
declare const SEALPOST_VERSION: string;

/** Loaded only when it is needed, since it brings database and OpenPGP along. */
type Standalone = typeof import('./standalone.ts');

/** Time for the standalone engine to answer by itself before our own deadline does. */
const STANDALONE_MARGIN_MS = 5000;

guard();
void main();

/** Nothing but our own line may reach pipe(8), and no exit but our own may end the process. */
function guard(): void {
  // Should the process ever run out of work without an end of its own, that must not look like a success.
  process.exitCode = SYSEXITS.temporary;
  process.removeAllListeners('warning');
  const unexpected = (error: unknown): void => {
    finish(tryAgain(internalError(error instanceof Error ? error.name : 'unknown')));
  };
  process.on('uncaughtException', unexpected);
  process.on('unhandledRejection', unexpected);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => finish(tryAgain(stoppedBy(signal))));
  }
}

async function main(): Promise<void> {
  const call = parsePipeArguments(rawArguments());
  if (call.kind === 'help') return finish({ exit: SYSEXITS.ok, line: HELP.trimEnd() });
  if (call.kind === 'version') return finish({ exit: SYSEXITS.ok, line: SEALPOST_VERSION });
  if (call.kind === 'wrong') return finish(tryAgain(wrongUsage(call.because, USAGE)));
  try {
    finish(await deliver(call.arguments));
  } catch (error) {
    if (error instanceof BadConfiguration) return finish(tryAgain(badConfiguration(error.message)));
    if (error instanceof TryAgain) {
      const { message, enhanced, quoted } = error;
      const sentence = quoted ? withoutOthersAddresses(message, call.arguments.recipients) : message;
      return finish(tryAgain({ enhanced, sentence }));
    }
    throw error;
  }
}

async function deliver(given: PipeArguments): Promise<PipeEnd> {
  const settings = loadPipeSettings(given.configPath, process.env, process.cwd());
  const deadline = performance.timeOrigin + settings.deadline;
  // A timer counts up to 2^31 - 1 ms.
  setTimeout(() => finish(tryAgain(NOT_IN_TIME)), Math.min(Math.max(deadline - Date.now(), 0), 2 ** 31 - 1));
  const message = await readStandardInput(settings.maxMessageSize);
  if (message === 'too large') return { exit: SYSEXITS.unavailable, line: pipeLine(TOO_LARGE) };
  if (message.length === 0) throw new TryAgain(NO_MESSAGE);
  const replies = settings.standalone
    ? await deliverHere(settings, given, message, deadline)
    : await deliverOverLmtp(settings.listeners, { ...given, message });
  const outcome = pipeOutcome(given.sender, given.recipients, replies);
  if (outcome.kind === 'end') return outcome.end;
  return bounce(settings, given, message, replies, outcome.refused);
}

/** Reads standard input to its end. What is too large is read and dropped: Postfix must not see a broken pipe. */
async function readStandardInput(limit: number): Promise<Buffer | 'too large'> {
  let chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    const bytes: Buffer = chunk;
    size += bytes.length;
    if (size <= limit) chunks.push(bytes);
    else chunks = [];
  }
  if (size > limit) return 'too large';
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size);
}

/** Does the work of `sealpost serve` in this process. */
async function deliverHere(
  settings: PipeSettings,
  given: PipeArguments,
  message: Buffer,
  deadline: number,
): Promise<readonly Reply[]> {
  // Node.js has resolved symbolic links to the program: the package's other files stand beside it.
  const module = join(dirname(fileURLToPath(import.meta.url)), 'filters', 'pipe', 'standalone.js');
  if (!existsSync(module)) throw new TryAgain(PACKAGE_INCOMPLETE);
  try {
    const { deliverStandalone }: Standalone = await import(pathToFileURL(module).href);
    const reply = await deliverStandalone({
      configPath: settings.configPath,
      queueId: given.queueId,
      sender: given.sender,
      recipients: given.recipients,
      message: toCrlf(message),
      deadline: deadline - Math.min(STANDALONE_MARGIN_MS, settings.deadline / 10),
    });
    return given.recipients.map(() => reply);
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    if (name === 'ConfigError') throw new TryAgain(WRONG_CONFIGURATION);
    if (name === 'DatabaseUnavailable') throw new TryAgain(DATABASE_AWAY);
    if (name === 'DatabaseNotMigrated') throw new TryAgain(NOT_MIGRATED);
    throw error;
  }
}

/**
 * Tells the sender of the recipients that were refused while others were accepted: only then may Postfix drop the mail.
 * The daemon does so itself; this is for recipients that were refused before the message was sent.
 */
async function bounce(
  settings: PipeSettings,
  given: PipeArguments,
  message: Buffer,
  replies: readonly Reply[],
  refused: readonly number[],
): Promise<PipeEnd> {
  const notification = buildBounce({
    reportingMta: settings.hostname,
    sender: given.sender,
    queueId: given.queueId,
    refused: refused.flatMap((index) => {
      const recipient = given.recipients[index];
      const reply = replies[index];
      return recipient === undefined || reply === undefined ? [] : [{ recipient, reply }];
    }),
    originalHeader: rawHeader(toCrlf(message)),
    date: new Date(),
    boundary: `sealpost-${crypto.randomUUID().replaceAll('-', '')}`,
  });
  const [reply] = await deliverOverLmtp(settings.listeners, {
    queueId: given.queueId,
    sender: '',
    recipients: [given.sender],
    message: notification,
  });
  if (reply !== undefined && classOf(reply) === 'accepted') return { exit: SYSEXITS.ok, line: '' };
  throw new TryAgain(BOUNCE_NOT_DELIVERED);
}

/** Writes the line, all of it, and ends the process. A closed standard output changes nothing. */
function finish(end: PipeEnd): void {
  let rest = Buffer.from(end.line === '' ? '' : `${end.line}\n`, 'latin1');
  for (let attempt = 0; rest.length > 0 && attempt < 100; attempt += 1) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) break;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
  process.exit(end.exit);
}

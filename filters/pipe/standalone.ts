// The work of `sealpost serve` in the pipe's own process (pipe.standalone, or pipe.reinject = "sendmail"): loaded only
// then, since it brings the database and the OpenPGP library with it.
import { loadConfig } from '../../src/config/load.ts';
import { openEngine } from '../../src/delivery/engine.ts';
import { mailDoorOf } from '../../src/enrolment/mail/door.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { contentRefusal } from '../../src/smtp/server/content-refusal.ts';
import { createDataParser } from '../../src/smtp/server/data-parser.ts';
import type { RawPath, Reply } from '../../src/smtp/types.ts';
import { createPipeLog } from './log.ts';
import { createSendmailNextHop } from './sendmail.ts';
import { toData } from './wire.ts';

/** Before the pipe's own deadline: what the next hop accepts late must be recorded, or the retry repeats it. */
const LATE_MARGIN_MS = 4000;

export interface StandaloneInput {
  readonly configPath: string | undefined;
  readonly queueId: string;
  readonly sender: RawPath;
  readonly recipients: readonly RawPath[];
  /** With CRLF line ends. */
  readonly message: Buffer;
  /** Unix milliseconds. */
  readonly deadline: number;
}

/**
 * Delivers one message and gives one reply for all recipients, after a bounce where one is owed.
 * @throws ConfigError, DatabaseUnavailable, DatabaseNotMigrated: all of them temporary for the pipe
 */
export async function deliverStandalone(input: StandaloneInput): Promise<Reply> {
  const { config } = loadConfig(input.configPath === undefined ? {} : { path: input.configPath });
  // As if it had come to a listener: what holds for bare CR and for the size there holds here.
  const content = createDataParser({
    maxBytes: config.filter.max_message_size,
    bareNewline: config.filter.bare_newline,
    grow: () => true,
  });
  content.push(toData(input.message).bytes);
  const outcome = await content.finish();
  if (!outcome.ok) return contentRefusal(outcome.because, config.filter.max_message_size);
  const logger = createPipeLog(config.state_dir);
  const engine = await openEngine({
    config,
    logger,
    metrics: createMetrics({ processMetrics: false }),
    workers: 0,
    keyDoor: mailDoorOf,
    ...(config.pipe.reinject === 'sendmail'
      ? { nextHop: createSendmailNextHop({ sendmail: config.pipe.sendmail }) }
      : {}),
  });
  try {
    const { reply, forget } = await engine.deliverer.deliverAsOne({
      id: `pipe-${process.pid}`,
      envelope: {
        sender: input.sender,
        parameters: [],
        recipients: input.recipients.map((path) => ({ path, parameters: [] })),
      },
      xforward: { IDENT: input.queueId },
      message: outcome.message,
      deadline: input.deadline,
    });
    // The acceptances stay remembered: Postfix learns our end only from the exit code, which nobody confirms. Without a queue
    // ID a retry cannot be told from another letter with the same text: such a letter must not be taken for delivered.
    if (input.queueId === '') forget();
    await engine.settle(input.deadline + LATE_MARGIN_MS);
    return reply;
  } finally {
    await engine.close();
  }
}

// Sends test mail in bulk, with Postfix's smtp-source.
import { mustRun } from './child.ts';
import { need } from './needs.ts';

need('postfix');

export interface Burst {
  readonly port: number;
  readonly count: number;
  /** Parallel SMTP sessions. */
  readonly sessions: number;
  /** Bytes of body. */
  readonly length: number;
  readonly sender: string;
  readonly recipient: string;
  readonly subject: string;
}

/** smtp-source(1): each message has a Message-Id of its own. Fails unless every message was accepted. */
export async function smtpSource(burst: Burst): Promise<void> {
  const { port, count, sessions, length, sender, recipient, subject } = burst;
  const numbers = ['-s', String(sessions), '-m', String(count), '-l', String(length)];
  await mustRun(
    'smtp-source',
    [...numbers, '-S', subject, '-f', sender, '-t', recipient, `127.0.0.1:${port}`],
    { timeout: 120_000 },
  );
}

// Re-injection by `sendmail -G -i -f SENDER -- RCPT...` (pipe.reinject = "sendmail"): started directly, never through a
// shell, and never with -t. What sendmail prints is not passed on, since it may tell of any address.
import { spawn } from 'node:child_process';
import type { NextHopClient } from '../../src/smtp/client/next-hop.ts';
import {
  HANDED_TO_SENDMAIL,
  NO_SENDMAIL_ARGUMENT,
  SENDMAIL_KNOWS_NOBODY,
  SENDMAIL_REFUSED,
  SENDMAIL_TOO_EARLY,
  SENDMAIL_TOO_LATE,
  sendmailFailed,
  sendmailKilled,
  sendmailNotFound,
} from '../../src/smtp/our-replies.ts';
import { classOf } from '../../src/smtp/replies.ts';
import type { RawPath, Reply } from '../../src/smtp/types.ts';
import { quotedPath } from './arguments.ts';
import { toLf } from './wire.ts';

export interface SendmailInput {
  /** Path of the program. */
  readonly sendmail: string;
  /** '' is the null sender, and goes as an empty argument. */
  readonly sender: RawPath;
  readonly recipients: readonly RawPath[];
  /** With CRLF or LF line ends; sendmail(1) takes LF. */
  readonly message: Uint8Array;
  /** Unix milliseconds; the program is killed then. */
  readonly deadline: number;
}

/**
 * The exit codes that can only mean the mail itself. All others are temporary: Postfix's sendmail(1) ends with 75 or 69
 * for a full disk and a too large message alike, and with 64, 77 or 78 for mistakes of the administrator.
 */
const PERMANENT: Readonly<Record<number, Reply>> = {
  65: SENDMAIL_REFUSED,
  67: SENDMAIL_KNOWS_NOBODY,
};

/** sendmail(1) in the place of the next hop: one call for each transaction, one outcome for all of its recipients. */
export function createSendmailNextHop(options: { readonly sendmail: string }): NextHopClient {
  return {
    async send({ envelope, message, deadline, onAccepted }) {
      const reply = await sendThroughSendmail({
        sendmail: options.sendmail,
        sender: envelope.sender,
        recipients: envelope.recipients.map((recipient) => recipient.path),
        message: message instanceof Uint8Array ? message : Buffer.concat(message),
        deadline,
      });
      const outcome = classOf(reply);
      if (outcome === 'accepted') {
        await Promise.allSettled(envelope.recipients.map(async (_, index) => onAccepted?.(index, reply)));
      }
      return { recipients: envelope.recipients.map(() => ({ reply, class: outcome, stage: 'end-of-data' })) };
    },
    prepare: async () => null,
    connections: 0,
    close: async () => undefined,
    destroy: () => undefined,
  };
}

/** Hands one message to sendmail(1). @returns one reply for all recipients; never throws */
export function sendThroughSendmail(input: SendmailInput): Promise<Reply> {
  const envelope = [quotedPath(input.sender), ...input.recipients.map(quotedPath)].map(asArgument);
  const [sender, ...recipients] = envelope;
  if (sender === undefined || recipients.length === 0 || envelope.includes(undefined)) {
    return Promise.resolve(NO_SENDMAIL_ARGUMENT);
  }
  const args = ['-G', '-i', '-f', sender, '--', ...recipients.filter((recipient) => recipient !== undefined)];
  return new Promise((resolve) => {
    const child = spawn(input.sendmail, args, { stdio: ['pipe', 'ignore', 'ignore'], shell: false });
    let late = false;
    let taken = false;
    const timer = setTimeout(
      () => {
        late = true;
        child.kill('SIGKILL');
      },
      Math.min(Math.max(input.deadline - Date.now(), 0), 2 ** 31 - 1),
    );
    const end = (reply: Reply): void => {
      clearTimeout(timer);
      resolve(reply);
    };
    child.once('error', (error) => {
      const code = 'code' in error ? String(error.code) : error.name;
      end(sendmailNotFound(code));
    });
    child.once('close', (code, signal) => {
      if (late) end(SENDMAIL_TOO_LATE);
      else if (code === null) end(sendmailKilled(signal));
      // A success without having taken the whole message would lose the rest of it.
      else if (code === 0 && !taken) end(SENDMAIL_TOO_EARLY);
      else if (code === 0) end(HANDED_TO_SENDMAIL);
      else end(PERMANENT[code] ?? sendmailFailed(code));
    });
    // A broken pipe shows in `taken`.
    child.stdin.on('error', () => undefined);
    child.stdin.once('finish', () => {
      taken = true;
    });
    child.stdin.end(toLf(input.message));
  });
}

/** Arguments leave Node.js as UTF-8. @returns undefined for a path whose bytes that cannot keep */
function asArgument(path: RawPath): string | undefined {
  const bytes = Buffer.from(path, 'latin1');
  const text = bytes.toString('utf8');
  return text.includes('\0') || !Buffer.from(text, 'utf8').equals(bytes) ? undefined : text;
}

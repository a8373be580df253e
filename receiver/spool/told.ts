// What is told of a spool file: one event at every attempt, as for a letter that came by LMTP.
import type { Engine } from '../../src/delivery/engine.ts';
import type { EventCode } from '../../src/observe/events.ts';
import { logReply } from '../../src/smtp/log-reply.ts';
import type { Reply } from '../../src/smtp/types.ts';
import { nameHash } from './attempts.ts';
import type { SpoolMail } from './prepare.ts';

/** What became of one file, until its transaction has been committed. */
export interface ToldFile {
  readonly name: string;
  readonly mail: SpoolMail;
  readonly event: EventCode;
  readonly because: string;
  readonly reply: Reply;
}

/** The name of a file in the log and for `sealpost trace`: its own name tells when and where a message came. */
export function transactionOf(name: string): string {
  return `spool-${nameHash(name).slice(0, 24)}`;
}

const UNFILED: ReadonlyMap<EventCode, string> = new Map([
  ['deferred', 'the queue does not take it now: the file stays in the spool, and is tried again'],
  ['refused', 'the queue does not take it: the file goes back to its sender, or is set aside in failed/'],
]);

/** Tells what became of files. Never throws. @param started Unix milliseconds */
export function tellFiles(files: readonly ToldFile[], { tell }: Pick<Engine, 'tell'>, started: number): void {
  for (const { name, mail, event, because, reply } of files) {
    const { recipient, ours, queueId, messageId, size, keys, reason } = mail;
    const unfiled = UNFILED.get(event);
    const at = Date.now();
    tell({
      event,
      at,
      queueId,
      transaction: transactionOf(name),
      listener: 'spool',
      messageId,
      recipient,
      ours,
      because,
      reason: unfiled ?? reason,
      keys: unfiled === undefined ? keys : [],
      size,
      duration: at - started,
      reply: logReply(reply),
    });
  }
}

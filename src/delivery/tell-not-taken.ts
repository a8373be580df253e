// The events of a message that was refused or put off before there was anything to deliver.
import type { Directory } from '../directory/types.ts';
import type { MessageEvent } from '../observe/events.ts';
import { logReply } from '../smtp/log-reply.ts';
import { classOf } from '../smtp/replies.ts';
import type { NotTaken } from '../smtp/server/hand-over.ts';
import { isInDomainOfOurs, OWNERS_DEADLINE_MS } from './domain-of-ours.ts';

const WORDS: Readonly<Record<NotTaken['because'], readonly [because: string, reason: string]>> = {
  'too-large': ['too large', 'the message is larger than filter.max_message_size allows'],
  'no-room': ['no room', 'messages under way take all of filter.memory_budget; Postfix tries again'],
  'bare-newline': [
    'bare newline',
    'the message has a bare CR or LF, which filter.bare_newline = "reject" refuses',
  ],
};

/** Tells of each distinct recipient, or of the message alone where none was named. Never rejects. */
export async function tellNotTaken(
  { id, listener, xforward, recipients, size, because, reply }: NotTaken,
  {
    tell,
    directory,
  }: { readonly tell: (event: MessageEvent) => void; readonly directory: Pick<Directory, 'recipient'> },
): Promise<void> {
  const at = Date.now();
  const [word, reason] = WORDS[because];
  for (const recipient of recipients.length === 0 ? [''] : new Set(recipients)) {
    tell({
      event: classOf(reply) === 'permanent' ? 'refused' : 'deferred',
      at,
      queueId: xforward.IDENT ?? '',
      transaction: id,
      listener,
      // The content was not kept.
      messageId: () => '',
      recipient,
      ours: recipient !== '' && (await isInDomainOfOurs(recipient, directory, at + OWNERS_DEADLINE_MS)),
      because: word,
      reason,
      keys: [],
      size,
      duration: 0,
      reply: logReply(reply),
    });
  }
}

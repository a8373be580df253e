// What a client is told of a message whose content is not taken.
import { BARE_NEWLINE, messageTooLarge, NO_STORAGE } from '../our-replies.ts';
import type { Reply } from '../types.ts';
import type { DataOutcome } from './data-parser.ts';

/**
 * The reply to content that the data parser does not give.
 * @param maxSize filter.max_message_size, in bytes
 */
export function contentRefusal(
  because: Extract<DataOutcome, { readonly ok: false }>['because'],
  maxSize: number,
): Reply {
  switch (because) {
    case 'too-large':
      return messageTooLarge(maxSize);
    case 'no-room':
      return NO_STORAGE;
    case 'bare-newline':
      return BARE_NEWLINE;
  }
}

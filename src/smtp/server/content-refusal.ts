// What a client is told of a message whose content is not taken.

import { reply } from '../replies.ts';
import type { Reply } from '../types.ts';
import type { DataOutcome } from './data-stream.ts';
import { messageTooLarge } from './parameters.ts';

export const NO_STORAGE = reply(
  452,
  '4.3.1',
  'Insufficient system storage: too many message bytes in flight, try again later',
);

/**
 * The reply to content that the data reader does not give.
 * @param maxSize filter.max_message_size, in bytes
 */
export function contentRefusal(
  because: Extract<DataOutcome, { readonly ok: false }>['because'],
  maxSize: number,
): Reply {
  if (because === 'too-large') return messageTooLarge(maxSize);
  if (because === 'no-room') return NO_STORAGE;
  return reply(550, '5.5.2', 'Message contains bare <CR> or <LF>; lines must end in <CR><LF>');
}

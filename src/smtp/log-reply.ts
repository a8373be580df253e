// A reply as the log shows it: other people's addresses stand in the texts of servers.
import { withoutAddresses } from '../observe/log.ts';
import { formatReply } from './replies.ts';
import type { Reply } from './types.ts';

/** A reply of the next hop for the log, on one line: `550 5.1.1 <<address>>: User unknown`. */
export function logReply(reply: Reply): string {
  return withoutAddresses(formatReply(reply));
}

// What the filter reads from a header section for itself: hops, against loops, and the Message-ID, against duplicates.
import {
  fieldsNamed,
  fieldValue,
  splitMessage,
  type Visit,
  walkHeader,
  walkHeaderInSteps,
} from './header.ts';

/** The number of Received fields: each hop adds one (RFC 5321, section 6.3). */
export function countReceived(message: Buffer): number {
  const count = counter(message);
  walkHeader(message, count.visit);
  return count.found();
}

/** {@link countReceived}, of a header as large as a message in steps: other work gets its turn between them. */
export async function countReceivedInSteps(message: Buffer): Promise<number> {
  const count = counter(message);
  await walkHeaderInSteps(message, count.visit);
  return count.found();
}

function counter(message: Buffer): { readonly visit: Visit; found(): number } {
  let count = 0;
  return {
    visit(from, nameEnd) {
      if (nameEnd - from === 'received'.length && isNamed(message, from, nameEnd, 'received')) count += 1;
      return true;
    },
    found: () => count,
  };
}

function isNamed(message: Buffer, from: number, nameEnd: number, name: string): boolean {
  return message.toString('latin1', from, nameEnd).toLowerCase() === name;
}

/** {@link findMessageId}, looked for when it is first asked for. */
export function messageIdOnDemand(message: Buffer): () => string {
  let found: string | undefined;
  return () => {
    found ??= findMessageId(message);
    return found;
  };
}

/**
 * The queue ID that the machine's own Postfix wrote into the topmost Received field (RFC 5321, section 4.4); '' where there is
 * none.
 */
export function findQueueId(message: Buffer): string {
  const [field] = fieldsNamed(splitMessage(message), 'received');
  if (field === undefined) return '';
  return /\sid ([0-9A-Za-z]{6,24})(?:\s|;|$)/.exec(fieldValue(field).slice(0, 1000))?.[1] ?? '';
}

/**
 * The first Message-ID, unfolded, without the brackets where it has them (one character per byte); '' where there is none.
 */
export function findMessageId(message: Buffer): string {
  const [field] = fieldsNamed(splitMessage(message), 'message-id');
  if (field === undefined) return '';
  const value = fieldValue(field);
  return /^<([^<>]*)>/.exec(value)?.[1]?.trim() ?? value;
}

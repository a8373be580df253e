// What `sealpost trace` is asked for, as the table of events has it. Pure.
import { normaliseTyped, partsOf } from '../address/normalise.ts';
import type { EventQuery } from '../database/events.ts';
import { createPseudonym } from '../observe/pseudonym.ts';
import { hashedMessageId } from './tell.ts';

/** LIKE's own characters, as themselves. */
const literally = (text: string): string => text.replace(/[\\%_]/g, '\\$&');

/**
 * The patterns (of LIKE) under which an address may be kept: itself, with any extension, and its pseudonym.
 * @param typed an address as a person types it
 * @param delimiters recipient_delimiter
 */
export function keptAs(typed: string, key: Uint8Array, delimiters: string): readonly string[] {
  const pseudonym = createPseudonym(key);
  const address = normaliseTyped(typed);
  if (address === null) return [literally(typed), pseudonym(typed)];
  const { local, domain } = partsOf(address);
  const extended = [...delimiters].map(
    (each) => `${literally(`${local}${each}`)}%${literally(`@${domain}`)}`,
  );
  return [literally(address), ...extended, pseudonym(address)];
}

/**
 * Reads what somebody looks for: a Message-ID where it has angle brackets, an address or a Message-ID where it has an @, the
 * digits that the log has for a foreign address, else Postfix's queue ID.
 * @returns what {@link EventQuery} wants beside time and number
 */
export function readTraced(
  text: string,
  key: Uint8Array,
  delimiters: string,
): Pick<EventQuery, 'queueId' | 'messageId' | 'recipients'> {
  const trimmed = text.trim();
  const bracketed = /^<(.*)>$/s.exec(trimmed)?.[1];
  const messageId = hashedMessageId(key, bracketed ?? trimmed);
  if (bracketed !== undefined && !trimmed.startsWith('<>'))
    return { messageId, recipients: keptAs(bracketed, key, delimiters) };
  if (trimmed.includes('@')) return { messageId, recipients: keptAs(trimmed, key, delimiters) };
  if (/^[0-9a-f]{16}$/.test(trimmed)) return { queueId: trimmed, recipients: [trimmed] };
  return { queueId: trimmed };
}

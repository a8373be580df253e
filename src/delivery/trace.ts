// What `sealpost trace` is asked for, as the table of events has it. Pure.
import { userIdOf } from '../address/id-address.ts';
import { normaliseTyped, partsOf } from '../address/normalise.ts';
import type { EventQuery } from '../database/events.ts';
import { createPseudonym } from '../observe/pseudonym.ts';
import { hashedMessageId, withoutExtension } from './tell.ts';

/** LIKE's own characters, as themselves. */
const literally = (text: string): string => text.replace(/[\\%_]/g, '\\$&');

/**
 * The patterns (of LIKE) under which an address may be kept: itself, with any extension, and its pseudonym.
 * @param typed an address as a person types it
 * @param key of the pseudonyms; null: there are none, or they cannot be made
 * @param delimiters recipient_delimiter
 * @param mailboxDomain mailbox_domain: an id address may have it in place of its own domain
 */
export function keptAs(
  typed: string,
  key: Uint8Array | null,
  delimiters: string,
  mailboxDomain = '',
): readonly string[] {
  const pseudonym = (path: string): readonly string[] =>
    key === null ? [] : [...new Set([path, withoutExtension(path, delimiters)])].map(createPseudonym(key));
  const address = normaliseTyped(typed);
  if (address === null) return [literally(typed), ...pseudonym(typed)];
  const { local, domain } = partsOf(address);
  const moved = mailboxDomain !== '' && mailboxDomain !== domain && userIdOf(local) !== null;
  const domains = moved ? [domain, mailboxDomain] : [domain];
  return domains.flatMap((each) => [
    literally(`${local}@${each}`),
    ...[...delimiters].map((sign) => `${literally(`${local}${sign}`)}%${literally(`@${each}`)}`),
    ...pseudonym(`${local}@${each}`),
  ]);
}

/**
 * Reads what somebody looks for: a Message-ID where it has angle brackets, an address or a Message-ID where it has an @, the
 * digits that the log has for a foreign address, else Postfix's queue ID.
 * @param key of the pseudonyms; null: what is kept under one is not looked for
 * @returns what {@link EventQuery} wants beside time and number
 */
export function readTraced(
  text: string,
  key: Uint8Array | null,
  delimiters: string,
): Pick<EventQuery, 'queueId' | 'messageId' | 'recipients'> {
  const trimmed = text.trim();
  const bracketed = /^<(.*)>$/s.exec(trimmed)?.[1];
  const hashed = key === null ? {} : { messageId: hashedMessageId(key, bracketed ?? trimmed) };
  if (bracketed !== undefined && !trimmed.startsWith('<>'))
    return { ...hashed, recipients: keptAs(bracketed, key, delimiters) };
  if (trimmed.includes('@')) return { ...hashed, recipients: keptAs(trimmed, key, delimiters) };
  if (/^[0-9a-f]{16}$/.test(trimmed)) return { queueId: trimmed, recipients: [trimmed] };
  return { queueId: trimmed };
}

// The key address of a domain of ours (portal.key_address), to which people send their keys: whether a recipient is one, and what
// that means for the letter. Pure.
import { partsOf, stripExtension } from '../address/normalise.ts';
import type { Config } from '../config/schema.ts';
import type { RecipientFacts } from '../directory/types.ts';
import type { RawPath } from '../smtp/types.ts';

/** Which name the key address has in every domain of ours. */
export interface KeyAddress {
  /** A local part; upper and lower case are the same. */
  readonly local: string;
  /** Postfix's recipient_delimiter. */
  readonly delimiters: string;
}

/**
 * What the key address means for a letter.
 * - `takes`: nobody else has the address: the letter is read, and goes nowhere;
 * - `reads`: somebody else may have it whom the directory does not name (a catch-all, an alias or account of Postfix's, a next hop that
 *   knows its recipients by itself): the letter is read, and goes on as any other;
 * - `closed`: it is no key address.
 */
export type KeyDoorState = 'takes' | 'reads' | 'closed';

/** null: people cannot hand over keys here, since a letter's link would lead nowhere. */
export function keyAddressOf({
  portal,
  recipient_delimiter: delimiters,
}: Pick<Config, 'portal' | 'recipient_delimiter'>): KeyAddress | null {
  return portal.url === '' ? null : { local: portal.key_address, delimiters };
}

/** Whether a recipient is the key address of its domain. A user or an alias of that name wins. */
export function keyDoorOf(facts: RecipientFacts, key: KeyAddress | null): KeyDoorState {
  const { resolution, domain, address, readOn } = facts;
  const last = readOn?.steps.at(-1)?.address ?? address;
  if (key === null || domain === null || last === null) return 'closed';
  const { local } = partsOf(last);
  const names = [local, stripExtension(local, key.delimiters) ?? local];
  if (!names.some((name) => name.toLowerCase() === key.local.toLowerCase())) return 'closed';
  if (resolution.kind === 'nobody')
    return domain.local === true || domain.acceptsUnknown === true ? 'reads' : 'takes';
  return resolution.kind === 'alias' && resolution.via[0]?.startsWith('@') === true ? 'reads' : 'closed';
}

/** A letter to a key address. */
export interface KeyLetter {
  /** As it came, without our own fields. */
  readonly message: Buffer;
  /** MAIL FROM without angle brackets; '' for the null sender. */
  readonly sender: RawPath;
  /** The domain of ours that it was sent to. Normalised. */
  readonly domain: string;
}

/**
 * Reads a letter to a key address and acts on it; what it does is durable when it resolves. To do it again for the same letter
 * changes nothing.
 * @returns a sentence on what came of it, for the log: no address, no content
 * @throws what the database throws: the letter has to come again
 */
export type KeyDoor = (letter: KeyLetter) => Promise<string>;

// The values that the lookup daemons think in: what is known of a key that Postfix asks for, and what is answered.

import type { Address } from '../src/address/address.ts';
import type { RefusalOverride } from '../src/config/refusal-texts.ts';
import type { KeyAddress } from '../src/delivery/key-address.ts';
import type { Domain, RecipientFacts, StoredKey } from '../src/directory/types.ts';
import { LOOKUP_FAILED } from '../src/smtp/our-replies.ts';

/** The maps, by the names that are used in listeners, socketmap requests and `sealpost lookup`. */
export const MAPS = [
  'check_recipient',
  'virtual_alias',
  'virtual_mailbox',
  'virtual_domains',
  'relay_domains',
  'transport',
  'sender_login',
  'client_fingerprint',
] as const;
export type MapName = (typeof MAPS)[number];

/** Whether a name, as it came over the wire or from a person, is a map. */
export function isMapName(name: string): name is MapName {
  return MAPS.some((map) => map === name);
}

/** An answer, and why. The reason is for the log and for `sealpost lookup`: no keys, no content. */
export type Answer =
  | { readonly kind: 'found'; readonly value: string; readonly reason: string }
  /** `nobody`: the domain is ours, and Postfix refuses the address for good. */
  | { readonly kind: 'not found'; readonly reason: string; readonly nobody?: true }
  /** Never to be read as "not found". `enhanced` is an RFC 3463 code for protocols that have a use for it. */
  | {
      readonly kind: 'temporary';
      readonly enhanced: (typeof LOOKUP_FAILED)[keyof typeof LOOKUP_FAILED];
      readonly reason: string;
    };

export const found = (value: string, reason: string): Answer => ({ kind: 'found', value, reason });
export const notFound = (reason: string): Answer => ({ kind: 'not found', reason });

/** What a connection is told for which there is no room. */
export const TOO_MANY_CONNECTIONS: Answer = {
  kind: 'temporary',
  enhanced: LOOKUP_FAILED.internal,
  reason: 'too many lookup connections; try again later',
};

/** Whether the sender gets the mail back for it, or the client is refused for good. */
export function refusesForGood(answer: Answer): boolean {
  if (answer.kind === 'not found') return answer.nobody === true;
  return answer.kind === 'found' && /^(?:REJECT|error:) ?5/.test(answer.value);
}

/** A domain of ours with everything that a lookup needs of it. */
export interface DomainFacts {
  readonly domain: Domain;
  readonly refusals: RefusalOverride;
  readonly keys: readonly StoredKey[];
  /** Whether the domain has a catch-all. */
  readonly catchAll: boolean;
  /** As {@link RecipientFacts.restoredFrom}. */
  readonly restoredFrom?: string;
  /** The names that this rests on; whoever uses it rests on them, too. */
  readonly names: readonly string[];
}

/** What the lookups need of a user beside what the directory knows. */
export interface Mailbox {
  readonly transport: string | null;
  readonly forwards: readonly Address[];
  readonly quotaMessages: number | null;
  readonly usedBytes: number;
  readonly usedMessages: number;
}

/** Everything that is known of an address that Postfix asks for. */
export interface AddressFacts {
  /** As Postfix named it: unquoted, case kept. null when the key is no address (a bare domain, `*`, bad bytes). */
  readonly asked: { readonly local: string; readonly domain: string } | null;
  readonly recipient: RecipientFacts;
  /** Of the address's own domain; of the user's for an id address below mailbox_domain; null: not ours. */
  readonly domain: DomainFacts | null;
  /** By user id: every user among the readers. */
  readonly mailboxes: ReadonlyMap<number, Mailbox>;
  /** Readers that the directory calls outside, although their domain is ours and knows its recipients: nobody is there. */
  readonly strangers: ReadonlySet<Address>;
  /** The user whose keys have not been read yet, since most maps need none: `recipient` shows no keys; else null. */
  readonly keysUnread: number | null;
}

/** The settings of sealpost.toml that answers depend on. */
export interface AnswerOptions {
  /** Normalised; '' for none. */
  readonly mailboxDomain: string;
  readonly delimiters: string;
  /** Whether an extension that no entry has is appended to what the address without it expands to. */
  readonly propagateExtension: boolean;
  /** null: people cannot hand over keys by mail. */
  readonly keyAddress: KeyAddress | null;
}

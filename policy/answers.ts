// One pure function for each map: facts in, an answer with its reason out. check_recipient, which has
// most to weigh, is in a file of its own.

import type { Address } from '../src/address/address.ts';
import { userIdOf } from '../src/address/id-address.ts';
import { partsOf, stripExtension, toAddress } from '../src/address/normalise.ts';
import { keyDoorOf } from '../src/delivery/key-address.ts';
import { readersOf } from '../src/directory/readers.ts';
import type { User } from '../src/directory/types.ts';
import { LOOKUP_FAILED, RECIPIENT_REFUSALS } from '../src/smtp/our-replies.ts';
import {
  type AddressFacts,
  type Answer,
  type AnswerOptions,
  type DomainFacts,
  found,
  notFound,
} from './facts.ts';

/** The answer for an alias that returns to itself or is nested deeper than 10. */
export const LOOP: Answer = {
  kind: 'temporary',
  enhanced: LOOKUP_FAILED.aliasLoop,
  reason: 'the alias returns to itself or is nested deeper than 10',
};

const NO_ADDRESS = notFound('the key is no address');
const NOT_OURS = notFound('the domain is not ours');
const NOBODY: Answer = { kind: 'not found', reason: 'nobody has this address', nobody: true };

/** `id_12@domain`: what a user is always referred to by. */
export function idAddress(user: User, { mailboxDomain }: AnswerOptions): string {
  return `id_${user.id}@${mailboxDomain === '' ? user.domain.name : mailboxDomain}`;
}

/**
 * virtual_alias_maps: a user becomes the id address and the forwards, an alias everything that it leads to. An id address
 * is not found, so that Postfix's own recursion ends there.
 */
export function virtualAlias(facts: AddressFacts, options: AnswerOptions): Answer {
  const { asked, recipient } = facts;
  if (asked === null) return NO_ADDRESS;
  switch (recipient.resolution.kind) {
    case 'loop':
      return LOOP;
    // Of an address that is nobody's as it is written, this map knows nothing.
    case 'unclear':
    case 'nobody':
      return facts.domain === null ? NOT_OURS : NOBODY;
    case 'contact':
      return notFound('an outside address');
    case 'user':
      if (isIdAddress(facts, options)) return notFound('an id address is final');
      return expansion(facts, options, 'a user');
    case 'alias':
      return expansion(facts, options, `an alias via ${recipient.resolution.via.length}`);
  }
}

function expansion(facts: AddressFacts, options: AnswerOptions, reason: string): Answer {
  const targets = new Set<string>();
  for (const reader of readersOf(facts.recipient)) {
    if (reader.kind !== 'user') targets.add(reader.address);
    else {
      targets.add(idAddress(reader.user, options));
      for (const forward of facts.mailboxes.get(reader.user.id)?.forwards ?? []) targets.add(forward);
    }
  }
  if (targets.size === 0) return notFound('the alias leads nowhere');
  const extension = options.propagateExtension ? unmatchedExtension(facts, options) : '';
  const addresses = [...targets].map((target) => withExtension(target as Address, extension));
  return found(addresses.join(','), reason);
}

/** The extension with its delimiter when the entry that was found has none; '' for a catch-all, as in Postfix. */
function unmatchedExtension({ asked, recipient }: AddressFacts, { delimiters }: AnswerOptions): string {
  if (asked === null) return '';
  const bare = stripExtension(asked.local, delimiters);
  if (bare === null) return '';
  const { resolution } = recipient;
  const [reader] = resolution.kind === 'user' ? resolution.readers : [];
  const entry =
    resolution.kind === 'alias'
      ? resolution.via[0]
      : reader?.kind === 'user'
        ? reader.user.address
        : undefined;
  const { local } = partsOf(entry ?? ('' as Address));
  return local === '' || local.length === asked.local.length ? '' : asked.local.slice(bare.length);
}

function withExtension(address: Address, extension: string): string {
  if (extension === '') return address;
  const { local, domain } = partsOf(address);
  return toAddress({ local: `${local}${extension}`, domain }, false);
}

function isIdAddress({ asked }: AddressFacts, { delimiters }: AnswerOptions): boolean {
  if (asked === null) return false;
  return userIdOf(stripExtension(asked.local, delimiters) ?? asked.local) !== null;
}

/** virtual_mailbox_maps: `id_12/` for a mailbox, `OK` for an address that leads somewhere else, or is the key address. */
export function virtualMailbox(
  facts: AddressFacts,
  { keyAddress }: Pick<AnswerOptions, 'keyAddress'>,
): Answer {
  if (facts.asked === null) return NO_ADDRESS;
  const { resolution } = facts.recipient;
  if (resolution.kind === 'loop') return LOOP;
  if (facts.domain === null) return NOT_OURS;
  if (resolution.kind === 'user') {
    const [reader] = resolution.readers;
    if (reader.kind === 'user') return found(`id_${reader.user.id}/`, 'a user');
  }
  if (resolution.kind === 'alias' && resolution.readers.length > 0) return found('OK', 'an alias');
  // The filter takes its letters: none comes to a mailbox. Where addresses that nobody has are accepted, it takes none.
  if (
    facts.domain.refusals.unknown?.action !== 'accept' &&
    keyDoorOf(facts.recipient, keyAddress) === 'takes'
  )
    return found('OK', 'the key address');
  return NOBODY;
}

/**
 * virtual_mailbox_domains and relay_domains.
 * @param name the normalised key, null where it is no domain name
 */
export function domainClass(
  name: string | null,
  facts: DomainFacts | null,
  wanted: 'virtual' | 'relay',
  options: AnswerOptions,
): Answer {
  if (name === null) return notFound('the key is no domain name');
  if (facts === null) {
    return wanted === 'virtual' && name === options.mailboxDomain
      ? found('OK', 'mailbox_domain')
      : notFound('the domain is not ours');
  }
  return facts.domain.class === wanted
    ? found('OK', `a ${wanted} domain of ours`)
    : notFound(`a ${facts.domain.class} domain of ours`);
}

/** transport_maps: the user's own transport, else the domain's; a disabled user's mail is refused. */
export function transport(facts: AddressFacts): Answer {
  if (facts.asked === null) return NO_ADDRESS;
  const { resolution } = facts.recipient;
  if (resolution.kind === 'loop') return LOOP;
  if (facts.domain === null) return NOT_OURS;
  const [reader] = resolution.kind === 'user' ? resolution.readers : [];
  if (reader?.kind === 'user') {
    const { text, action, reject } = { ...RECIPIENT_REFUSALS.disabled, ...facts.domain.refusals.disabled };
    if (reader.user.status === 'disabled' && action === 'reject') {
      return found(`error:${reject} ${text}`, 'a disabled user');
    }
    const own = facts.mailboxes.get(reader.user.id)?.transport ?? null;
    if (own !== null) return found(own, "the user's transport");
  }
  return domainTransport(facts.domain);
}

/** transport_maps for a bare domain, and where the user has none. */
export function domainTransport(facts: DomainFacts | null): Answer {
  if (facts === null) return NOT_OURS;
  const { transport: own } = facts.domain;
  return own === null ? notFound('no special transport') : found(own, "the domain's transport");
}

/** A user who may use a sender address without reading its mail. */
export interface SenderGrant {
  readonly login: Address;
  readonly status: User['status'];
}

/** smtpd_sender_login_maps: the primary addresses of the active users who read the address's mail, or were granted it. */
export function senderLogin(facts: AddressFacts, grants: readonly SenderGrant[]): Answer {
  if (facts.asked === null) return NO_ADDRESS;
  if (facts.recipient.resolution.kind === 'loop') return LOOP;
  const owners = readersOf(facts.recipient).flatMap((reader) =>
    reader.kind === 'user' ? [reader.user] : [],
  );
  const logins = new Set<string>([
    ...owners.flatMap(({ status, address }) => (status === 'active' ? [address] : [])),
    ...grants.flatMap(({ status, login }) => (status === 'active' ? [login] : [])),
  ]);
  if (logins.size > 0) return found([...logins].join(','), 'who owns the address');
  return notFound(owners.length + grants.length > 0 ? 'its owners are disabled' : 'nobody owns the address');
}

/**
 * relay_clientcerts, for which any value will do. It is no action of access(5): check_ccert_access would answer 451 4.3.5.
 * @param fingerprint canonical, null where the key is none
 * @param expiresOn the last day on which it counts, YYYY-MM-DD; null: unknown
 * @param today the same in UTC
 */
export function clientFingerprint(
  fingerprint: string | null,
  expiresOn: string | null,
  today: string,
): Answer {
  if (fingerprint === null) return notFound('the key is no fingerprint');
  if (expiresOn === null) return notFound('unknown fingerprint');
  if (expiresOn < today) return notFound(`expired on ${expiresOn}`);
  return found(`${fingerprint} ${expiresOn}`, 'known, not expired');
}

// Which facts each map needs, gathered from the caches: a map and a lookup key in, the answer of the map's pure function out.
import type { AddressParts } from '../src/address/normalise.ts';
import type { Decider } from '../src/delivery/decide.ts';
import { normaliseFingerprint } from '../src/directory/fingerprint.ts';
import type { StoredKey } from '../src/directory/types.ts';
import type { Told } from './answer-cache.ts';
import {
  clientFingerprint,
  domainClass,
  domainTransport,
  senderLogin,
  transport,
  virtualAlias,
  virtualMailbox,
} from './answers.ts';
import type { LookupCaches } from './caches.ts';
import { checkRecipient } from './check-recipient.ts';
import { type AddressFacts, type Answer, type AnswerOptions, type MapName, notFound } from './facts.ts';
import { pathOfKey } from './internal-form.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { KeyReader } from './read-key.ts';
import { countsReadOn, mayBeReadOn } from './read-on.ts';
import { untilAccepted } from './until-accepted.ts';

/** What a question is about, beside the map. */
export interface Asked {
  /** One character per byte. */
  readonly key: string;
  /** Bytes of the message where they are known. */
  readonly size: number | null;
  /** Is told whether the answer is stale. */
  readonly told: Told;
}

export interface AskContext {
  readonly caches: LookupCaches;
  readonly keys: KeyReader;
  readonly kept: KeptAnswers;
  readonly decider: Pick<Decider, 'beforehand'>;
  /** Unix milliseconds. */
  readonly clock: () => number;
  readonly options: AnswerOptions;
}

type AddressMap = Exclude<MapName, 'virtual_domains' | 'relay_domains' | 'client_fingerprint'>;

/**
 * Asks a map; at once where everything is cached.
 * @throws DirectoryUnavailable, or rejects with it, when the answer cannot be known now
 */
export function ask(context: AskContext, map: MapName, asked: Asked): Answer | Promise<Answer> {
  switch (map) {
    case 'virtual_domains':
      return askDomain(context, asked, 'virtual');
    case 'relay_domains':
      return askDomain(context, asked, 'relay');
    case 'client_fingerprint':
      return askFingerprint(context, asked);
    default:
      return askAddress(context, map, asked);
  }
}

function askDomain(
  { caches, keys, options }: AskContext,
  { key, told }: Asked,
  wanted: 'virtual' | 'relay',
): Answer | Promise<Answer> {
  const name = keys.domain(key);
  if (name === null) return domainClass(name, null, wanted, options);
  return after(caches.domain(name, told), (facts) => domainClass(name, facts, wanted, options));
}

function askFingerprint({ caches, clock }: AskContext, { key, told }: Asked): Answer | Promise<Answer> {
  const canonical = normaliseFingerprint(key);
  const today = new Date(clock()).toISOString().slice(0, 10);
  if (canonical === null) return clientFingerprint(null, null, today);
  return after(caches.fingerprint(canonical, told), (expiresOn) =>
    clientFingerprint(canonical, expiresOn, today),
  );
}

function askAddress(context: AskContext, map: AddressMap, asked: Asked): Answer | Promise<Answer> {
  const { caches, keys, kept, options } = context;
  const { key, told } = asked;
  // An access map has an answer for the quoted form of every address of ours: there is no second question.
  const path = map === 'check_recipient' ? key : pathOfKey(key);
  const parts = keys.address(path);
  if (parts === null) {
    const name = map === 'transport' ? keys.domain(key) : null;
    return name === null
      ? notFound('the key is no address')
      : after(caches.domain(name, told), domainTransport);
  }
  const facts = caches.address(parts, told);
  switch (map) {
    case 'check_recipient':
      return after(facts, (known) =>
        after(asPostfixReads(context, known, path, parts, told), (counts) =>
          askRecipient(context, counts, asked),
        ),
      );
    case 'virtual_alias':
      return after(facts, (known) =>
        kept.of(map, known, () => untilAccepted(known, virtualAlias(known, options), options)),
      );
    case 'virtual_mailbox':
      return after(facts, (known) =>
        kept.of(map, known, () => untilAccepted(known, virtualMailbox(known, options), options)),
      );
    case 'transport':
      return after(facts, (known) =>
        kept.of(map, known, () => untilAccepted(known, transport(known), options)),
      );
    case 'sender_login':
      return after(facts, (known) => askSender(context, known, parts, told));
  }
}

function askSender({ caches }: AskContext, facts: AddressFacts, parts: AddressParts, told: Told) {
  return after(caches.grants(parts, told), (grants) => senderLogin(facts, grants));
}

/** What check_recipient rests on: the address as it is written, or what Postfix makes of it. */
function asPostfixReads(
  { caches, options }: AskContext,
  written: AddressFacts,
  path: string,
  parts: AddressParts,
  told: Told,
): AddressFacts | Promise<AddressFacts> {
  const ours = written.domain !== null || parts.domain === options.mailboxDomain;
  const may = mayBeReadOn(parts, ours, caches.machineNames);
  if (may === 'no') return written;
  return after(may === 'yes' || caches.anotherName(parts.domain, told), (reads) =>
    reads
      ? after(caches.readOn(path, parts, told), (readOn) =>
          countsReadOn(readOn.recipient, ours) ? readOn : written,
        )
      : written,
  );
}

/** check_recipient asks what the key settings say of each reader, for which the keys must be seen. */
function askRecipient(
  context: AskContext,
  unread: AddressFacts,
  { size, told }: Asked,
): Answer | Promise<Answer> {
  const { decider, kept, clock, options } = context;
  return after(withKeys(context, unread, told), (facts) => {
    const now = clock();
    const known = kept.recipient(facts, now);
    if (known !== undefined) return known;
    return after(decider.beforehand(facts.recipient), (decided) => {
      const answer = untilAccepted(facts, checkRecipient(facts, size, decided, options), options);
      kept.keepRecipient(facts, answer, now);
      return answer;
    });
  });
}

function withKeys(
  { caches, kept }: AskContext,
  facts: AddressFacts,
  told: Told,
): AddressFacts | Promise<AddressFacts> {
  const { keysUnread: id } = facts;
  if (id === null) return facts;
  return after(caches.keys(id, told), (keys) => kept.withKeys(facts, keys, () => joined(facts, keys)));
}

function joined(facts: AddressFacts, keys: readonly StoredKey[]): AddressFacts {
  const { recipient } = facts;
  const { resolution } = recipient;
  const [user] = resolution.kind === 'user' ? resolution.readers : [];
  if (user?.kind !== 'user') throw new Error('keys of no user');
  const readers = [{ ...user, keys }] as const;
  return {
    ...facts,
    keysUnread: null,
    recipient: { ...recipient, resolution: { ...resolution, kind: 'user', readers, via: [] } },
  };
}

/** Goes on at once where the value is there, else when it is: a promise costs more than a cached lookup. */
function after<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

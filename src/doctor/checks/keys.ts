// Users and their keys: who is sealed to, who soon will not be, and whose mail waits.
import { check, noneOf, nothingToLookAt, notLooked, ok, some, unlessUnread, warning } from '../check.ts';
import type { DutyFacts, KeyFacts, KeysFacts } from '../facts.ts';

const SOON_MS = 30 * 86_400_000;

const named = ({ fingerprint, owner }: KeyFacts): string => `${owner} (${fingerprint.slice(-16)})`;

/** Keys that were not inspected are no reason to say that all is well. */
function unlessCut({ keys, stored }: KeysFacts, found: ReturnType<typeof noneOf>): ReturnType<typeof noneOf> {
  return found.level === 'ok' && keys.length < stored
    ? notLooked(`only ${keys.length} of ${stored} keys could be inspected in time`)
    : found;
}

export const KEY_CHECKS = [
  check({
    code: 'domains_added',
    why: 'a domain that sealpost does not know is passed on in plaintext',
    mend: 'sealpost domain add example.org',
    reads: ['directory'],
    judge: ({ directory: { domains, users } }) =>
      domains.length === 0
        ? warning('there is no domain yet')
        : ok(`${domains.length} domains with ${users} users`),
  }),
  check({
    code: 'users_added',
    why: 'nobody is sealed to before there are users with keys',
    mend: 'sealpost user add alice@example.org && sealpost key import alice.asc',
    reads: ['directory'],
    judge: ({ directory: { keyed } }) =>
      keyed.length === 0
        ? warning('no address has a key: all mail passes as it comes')
        : ok(`${keyed.length} addresses lead to a key`),
  }),
  check({
    code: 'keys_missing_refused',
    why: 'on_missing_key defers or rejects the mail of users without a key',
    mend: 'sealpost key import FILE --for ADDRESS, or sealpost user set ADDRESS on_missing_key=pass',
    reads: ['directory'],
    judge: ({ directory: { lacking } }) =>
      noneOf(
        lacking,
        'no mail is refused for want of a key',
        (list, count) => `${count} users without a key: ${list}`,
      ),
  }),
  check({
    code: 'keys_expired',
    why: 'sealed to for as long as on_expired_key allows; its owner should hand over a new one',
    mend: 'sealpost key list; then sealpost key import with the renewed key',
    reads: ['keys'],
    judge: ({ keys }) =>
      unlessCut(
        keys,
        noneOf(
          keys.keys.filter(({ state }) => state === 'expired').map(named),
          'no key has expired',
          (list) => list,
        ),
      ),
  }),
  check({
    code: 'keys_expiring',
    why: 'within thirty days mail to its owner meets on_expired_key',
    mend: 'sealpost key list --expiring 30d; ask their owners for a renewed key',
    reads: ['keys', 'machine'],
    judge: ({ keys, machine: { now } }) => {
      const soon = keys.keys.filter(
        ({ state, expires }) => state === 'usable' && expires !== null && Date.parse(expires) - now < SOON_MS,
      );
      return unlessCut(
        keys,
        noneOf(
          soon.map((key) => `${named(key)} on ${key.expires?.slice(0, 10)}`),
          'no key expires within thirty days',
          (list) => list,
        ),
      );
    },
  }),
  check({
    code: 'keys_unusable',
    why: 'mail to an owner whose every key is revoked or cannot encrypt meets on_unusable_key: it waits',
    mend: 'sealpost key show FINGERPRINT; then sealpost key import with a good one, and sealpost key remove',
    reads: ['keys'],
    judge: ({ keys }) =>
      unlessCut(
        keys,
        noneOf(
          keys.keys
            .filter(({ state }) => state === 'unusable' || state === 'revoked')
            .map((key) => `${named(key)}: ${key.because ?? key.state}`),
          'no key is revoked or unusable',
          (list) => list,
        ),
      ),
  }),
  check({
    code: 'keys_disabled_only',
    why: 'an owner whose keys are all disabled is not sealed to',
    mend: 'sealpost key enable FINGERPRINT, or sealpost key remove FINGERPRINT',
    reads: ['keys'],
    judge: ({ keys }) => {
      const active = new Set(keys.keys.filter(({ state }) => state !== 'disabled').map(({ owner }) => owner));
      const only = keys.keys.filter(({ state, owner }) => state === 'disabled' && !active.has(owner));
      return unlessCut(
        keys,
        noneOf(only.map(named), 'nobody has disabled keys only', (list) => list),
      );
    },
  }),
  check({
    code: 'keys_unused_subkeys',
    why: 'their owner may count on a subkey (a post-quantum one, say) that mail is not sealed to',
    mend: 'sealpost key show FINGERPRINT tells the reason for each',
    reads: ['keys'],
    judge: ({ keys }) =>
      unlessCut(
        keys,
        noneOf(
          keys.keys.filter(({ unused }) => unused > 0).map(named),
          'every encryption subkey is used',
          (list) => list,
        ),
      ),
  }),
  check({
    code: 'addresses_folded',
    why: 'to Postfix they are one address: mail for one of them is sealed to the other, or not at all',
    mend: 'sealpost user rename or sealpost user remove one of them',
    reads: ['tables'],
    judge: ({ tables: { foldingTogether } }) =>
      noneOf(
        foldingTogether.map(({ address, foldsTo }) => `${address} is ${foldsTo}`),
        'no two stored addresses fold together',
        (list) => list,
      ),
  }),
  check({
    code: 'postmaster_resolves',
    why: 'RFC 5321 asks for a postmaster: without one, reports of trouble are refused',
    mend: 'sealpost alias add postmaster@DOMAIN ADDRESS',
    reads: ['directory', 'duties'],
    judge: ({ directory, duties }) =>
      dutyOf(
        'postmaster',
        directory.domains.map(({ name }) => name),
        directory.duties,
        duties,
      ),
  }),
  check({
    code: 'abuse_resolves',
    why: 'complaints go there (RFC 2142); who does not read them gets onto block lists',
    mend: 'sealpost alias add abuse@DOMAIN ADDRESS',
    reads: ['directory', 'duties'],
    judge: ({ directory, duties }) =>
      dutyOf(
        'abuse',
        directory.domains.map(({ name }) => name),
        directory.duties,
        duties,
      ),
  }),
  check({
    code: 'sieve_hidden_subject',
    why: 'with a hidden Subject the rule sees [...] and nothing else: the mail is filed elsewhere',
    mend: 'let the rule match From or List-Id, or keep the Subject outside: sealpost user set ADDRESS subject=keep',
    reads: ['directory', 'sieve'],
    judge: ({ directory: { hidesSubject }, sieve: { scripts, unread } }) => {
      if (!hidesSubject) return ok('nobody hides the Subject');
      if (scripts.length + unread.length === 0) return nothingToLookAt('no Sieve script was found');
      const testing = scripts.filter(({ text }) =>
        /\bheader\b[^;{]{0,1000}"subject"/i.test(text.replace(/^\s*#.*$/gm, '')),
      );
      const found = noneOf(
        testing.map(({ path }) => path),
        `none of ${scripts.length} Sieve scripts looks at the Subject`,
        (list) => `the Subject is hidden, and these look at it: ${list}`,
      );
      return unlessUnread(found, unread);
    },
  }),
];

function dutyOf(
  who: string,
  domains: readonly string[],
  ours: ReadonlyMap<string, boolean>,
  { known, unread }: DutyFacts,
): ReturnType<typeof noneOf> {
  const addresses = domains.map((domain) => `${who}@${domain}`);
  const nobody = addresses.filter((address) => ours.get(address) !== true && !known.has(address));
  if (nobody.length > 0 && unread.length > 0)
    return notLooked(`${some(nobody)} may stand in what cannot be read: ${some(unread)}`);
  return noneOf(
    nobody,
    `${who} is somebody in each of ${domains.length} domains`,
    (list) => `nobody: ${list}`,
  );
}

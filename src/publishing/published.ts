// Which keys everybody may look up: what the directory says of an address, of a fingerprint, of a key ID. Everything is read when it
// is asked for, so that what is published no more is found no more at once.
import { and, asc, eq, inArray, type SQL, sql } from 'drizzle-orm';
import { type AddressParts, parseTyped, storedSpellings } from '../address/normalise.ts';
import type { Database } from '../database/open.ts';
import { addresses, domains, keyIdOf, keys, users } from '../database/schema.ts';

type Reading = Pick<Database, 'orm'>;

/** A domain of ours, as far as publishing asks for it. */
export interface PublishingDomain {
  readonly id: number;
  /** A-labels in lower case. */
  readonly name: string;
  /** Whether Alice and alice are one mailbox. */
  readonly fold: boolean;
  readonly wks: boolean;
}

/** A certificate that is published, and for which of its owners' addresses. */
export interface PublishedKey {
  /** Upper-case digits. */
  readonly fingerprint: string;
  /** Binary, as it was handed over; without what nobody may see it is in `publishedForm`. */
  readonly stored: Uint8Array;
  /** As they are stored, with the rule of their domain. */
  readonly owners: readonly { readonly address: string; readonly fold: boolean }[];
}

/** More keys than anybody has; each is up to 256 KiB. */
const MOST_KEYS = 10;
/** So many share one key at most; who comes behind them is not looked for. */
const MOST_OWNERS = 100;

/** The published: active people whose own choice, or else their domain's, is "on". */
const IS_PUBLISHED = and(
  eq(addresses.kind, 'user'),
  eq(users.status, 'active'),
  sql`coalesce(${users.publish}, ${domains.publish}) = 'on'`,
);

/** Null where it is no domain of ours. */
export async function findPublishingDomain({ orm }: Reading, name: string): Promise<PublishingDomain | null> {
  const [row] = await orm
    .select({ id: domains.id, name: domains.name, fold: domains.fold_local_part, wks: domains.wks })
    .from(domains)
    .where(eq(domains.name, name));
  return row ?? null;
}

/**
 * The keys of one address, the usable before the expired before the revoked: an old key's revocation is told with the new key
 * (draft-koch-openpgp-webkey-service-21, section 3.1). Empty where there is no such user, or nothing is published: the question
 * to the database is the same one.
 */
export async function keysOfAddress(
  database: Reading,
  { local }: Pick<AddressParts, 'local'>,
  { name, fold }: PublishingDomain,
): Promise<readonly PublishedKey[]> {
  const spellings = storedSpellings({ local, domain: name }, fold);
  const rows = await select(database, inArray(addresses.address, [...spellings]));
  // Whoever is stored as it is spelled comes first, as for mail.
  const found = spellings.find((each) => rows.some(({ address }) => address === each));
  return together(rows.filter(({ address }) => address === found));
}

/** The keys of a fingerprint, or of a key ID, of everybody in a domain; null: in all domains of ours. */
export async function keysOfFingerprint(
  database: Reading,
  asked: { readonly fingerprint: string } | { readonly keyId: string },
  domain: PublishingDomain | null,
): Promise<readonly PublishedKey[]> {
  const which =
    'fingerprint' in asked
      ? eq(keys.fingerprint, asked.fingerprint)
      : sql`${keyIdOf(keys.fingerprint)} = ${asked.keyId}`;
  const rows = await select(database, domain === null ? which : and(which, eq(domains.id, domain.id)));
  return together(rows);
}

interface Row {
  readonly address: string;
  readonly fold: boolean;
  readonly fingerprint: string;
  readonly stored: Uint8Array;
}

function select({ orm }: Reading, which: SQL | undefined): Promise<Row[]> {
  return orm
    .select({
      address: addresses.address,
      fold: domains.fold_local_part,
      fingerprint: keys.fingerprint,
      stored: sql<Buffer>`coalesce(${keys.original}, ${keys.certificate})`,
    })
    .from(keys)
    .innerJoin(users, eq(users.id, keys.user_id))
    .innerJoin(domains, eq(domains.id, users.domain_id))
    .innerJoin(addresses, eq(addresses.user_id, users.id))
    .where(and(which, IS_PUBLISHED, eq(keys.kind, 'openpgp'), eq(keys.status, 'active')))
    .orderBy(asc(keys.revoked), sql`coalesce(${keys.expires_at} < now(), false)`, asc(keys.id))
    .limit(MOST_OWNERS);
}

/** Each certificate once, with all its owners. */
function together(rows: readonly Row[]): readonly PublishedKey[] {
  const found = new Map<string, PublishedKey>();
  for (const { address, fold, fingerprint, stored } of rows) {
    const known = found.get(fingerprint);
    const owners = [...(known?.owners ?? []), { address, fold }];
    if (known !== undefined || found.size < MOST_KEYS)
      found.set(fingerprint, { fingerprint, stored: known?.stored ?? stored, owners });
  }
  return [...found.values()];
}

/**
 * Whether a user ID's address is one of the owners', as mail to it would be theirs: also where it folds to theirs, unless
 * somebody else is stored under that very spelling (refold.ts).
 */
export async function isOwners(
  { orm }: Reading,
  owners: PublishedKey['owners'],
  text: string,
): Promise<boolean> {
  const parts = parseTyped(text);
  if (parts === null || parts.local === '') return false;
  for (const { address, fold } of owners) {
    const [exact, folded] = storedSpellings(parts, fold);
    if (exact === address) return true;
    if (exact === undefined || folded !== address) continue;
    const others = await orm.select({ id: addresses.id }).from(addresses).where(eq(addresses.address, exact));
    if (others.length === 0) return true;
  }
  return false;
}

/** The published addresses of a domain, for those who know only the hash of a name. */
export async function publishedAddresses(
  { orm }: Reading,
  { id }: PublishingDomain,
  most: number,
): Promise<readonly string[]> {
  const rows = await orm
    .select({ address: addresses.address })
    .from(addresses)
    .innerJoin(users, eq(users.id, addresses.user_id))
    .innerJoin(domains, eq(domains.id, users.domain_id))
    .where(and(eq(domains.id, id), IS_PUBLISHED))
    .orderBy(asc(users.id))
    .limit(most);
  return rows.map(({ address }) => address);
}

/**
 * Who has a domain's submission address already: a user or an alias of that name gets the mail, and keys are handed over there
 * by nobody.
 */
export async function ownerOfSubmissionAddress(
  { orm }: Reading,
  address: string,
): Promise<'user' | 'alias' | null> {
  const parts = parseTyped(address);
  if (parts === null) return null;
  const [row] = await orm
    .select({ kind: addresses.kind })
    .from(addresses)
    .where(
      and(
        inArray(addresses.address, storedSpellings(parts, true)),
        inArray(addresses.kind, ['user', 'alias']),
      ),
    );
  return row === undefined || row.kind === 'contact' ? null : row.kind;
}

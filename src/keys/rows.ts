// Stored keys read back: by owner, by full fingerprint, or all of them.
import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Address } from '../address/address.ts';
import type { Database } from '../database/open.ts';
import { addresses, domains, keys } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import { ChangeRefused } from '../directory/refused.ts';
import { isFingerprint } from './fingerprint.ts';
import { type KeyOwner, ownedBy, ownerNamed } from './owner.ts';

export type KeyRow = typeof keys.$inferSelect;

export interface OwnedKey {
  readonly row: KeyRow;
  readonly owner: KeyOwner;
}

const primary = alias(addresses, 'primary_address');
const contact = alias(addresses, 'contact_address');

async function select(orm: Orm, where: SQL | undefined, count?: number): Promise<readonly OwnedKey[]> {
  const query = orm
    .select({ row: keys, primary: primary.address, contact, domain: domains.name })
    .from(keys)
    .leftJoin(primary, and(eq(primary.user_id, keys.user_id), eq(primary.kind, 'user')))
    .leftJoin(contact, eq(contact.id, keys.contact_id))
    .leftJoin(domains, eq(domains.id, keys.domain_id))
    .where(where)
    .orderBy(asc(keys.id));
  const rows = await (count === undefined ? query : query.limit(count));
  return rows.map(({ row, primary: address, contact: other, domain }) => {
    if (row.user_id !== null && address !== null)
      return { row, owner: { kind: 'user', id: row.user_id, name: address } };
    if (other !== null) {
      return {
        row,
        owner: { kind: 'contact', id: other.id, name: other.address as Address, domain: other.domain },
      };
    }
    if (row.domain_id !== null && domain !== null)
      return { row, owner: { kind: 'domain', id: row.domain_id, name: domain } };
    // keys_one_owner and the foreign keys forbid it.
    throw new Error(`key row ${row.id} has no owner`);
  });
}

/** At most `count` stored keys behind a row's number, in the order in which they were stored. @param owner null: of everybody */
export async function keysAfter(
  { orm }: Pick<Database, 'orm'>,
  after: number | null,
  count: number,
  owner: KeyOwner | null = null,
): Promise<readonly OwnedKey[]> {
  if (owner?.id === null) return [];
  const only = owner === null ? undefined : ownedBy(keys, owner.kind, owner.id);
  return select(orm, and(only, after === null ? undefined : gt(keys.id, after)), count);
}

/** The keys of an owner as typed: an address, `@domain` or `domain`. @throws ChangeRefused where it names nobody */
export async function keysOfOwner(
  { orm }: Pick<Database, 'orm'>,
  typed: string,
  delimiters: string,
): Promise<readonly OwnedKey[]> {
  const owner = await ownerNamed(orm, typed, delimiters);
  if (owner.id === null) return [];
  return select(orm, ownedBy(keys, owner.kind, owner.id));
}

/** The keys of a user. */
export async function keysOfUser(orm: Orm, userId: number): Promise<readonly OwnedKey[]> {
  return select(orm, eq(keys.user_id, userId));
}

/** The rows of one certificate, one for each owner. */
export async function keysByFingerprint(orm: Orm, fingerprint: string): Promise<readonly OwnedKey[]> {
  return select(orm, eq(keys.fingerprint, fingerprint));
}

/** As {@link keysByFingerprint}, held against imports and changes of status of that certificate until the transaction ends. */
export async function holdKeys(tx: Orm, fingerprint: string): Promise<readonly OwnedKey[]> {
  // No row lock would do: nobody may have the certificate yet.
  await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${fingerprint}, 0))`);
  return keysByFingerprint(tx, fingerprint);
}

/** What a person typed to name a key. */
export type KeyName =
  | { readonly kind: 'fingerprint'; readonly fingerprint: string }
  | { readonly kind: 'address'; readonly address: string };

/**
 * Tells a fingerprint from an address. White space, colons, lower case and `0x` are forgiven; a part of a fingerprint is
 * not: key IDs can be forged, and are not unique. Pure.
 * @throws ChangeRefused
 */
export function readKeyName(typed: string): KeyName {
  const digits = typed.replace(/[\s:]/g, '').replace(/^0x/i, '').toUpperCase();
  if (isFingerprint(digits)) return { kind: 'fingerprint', fingerprint: digits };
  if (typed.includes('@')) return { kind: 'address', address: typed };
  if (/^[0-9A-F]{4,}$/.test(digits)) {
    throw new ChangeRefused(
      `found ${digits.length} hexadecimal digits, expected a full fingerprint of 40 or 64: ` +
        'key IDs are not unique; see "sealpost key list"',
    );
  }
  throw new ChangeRefused(
    `found ${JSON.stringify(typed)}, expected a full fingerprint or an address; see "sealpost key list"`,
  );
}

/** As {@link readKeyName}, for the commands that take only a fingerprint. @throws ChangeRefused */
export function readFingerprint(typed: string): string {
  const name = readKeyName(typed);
  if (name.kind === 'fingerprint') return name.fingerprint;
  throw new ChangeRefused(
    `found the address ${JSON.stringify(typed)}, expected a full fingerprint; "sealpost key list ${typed}" shows those of one address`,
  );
}

/** The keys that a name stands for. @throws ChangeRefused where there is none */
export async function requireKeys(
  database: Pick<Database, 'orm'>,
  name: KeyName,
  delimiters: string,
): Promise<readonly OwnedKey[]> {
  const found =
    name.kind === 'fingerprint'
      ? await keysByFingerprint(database.orm, name.fingerprint)
      : await keysOfOwner(database, name.address, delimiters);
  if (found.length === 0) {
    throw new ChangeRefused(
      name.kind === 'fingerprint'
        ? `there is no key ${name.fingerprint}; see "sealpost key list"`
        : `there is no key for ${name.address}; import one with "sealpost key import --for ${name.address} FILE"`,
    );
  }
  return found;
}

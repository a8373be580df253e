// The audit of key changes, as `sealpost key events` reads it.
import { and, asc, eq, gt } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Database } from '../database/open.ts';
import { addresses, domains, keyEvents } from '../database/schema.ts';
import { type KeyOwner, ownedBy } from './owner.ts';

/** One change of one key of one owner. Times are RFC 3339. */
export interface KeyEvent {
  readonly id: number;
  readonly at: string;
  readonly event: 'added' | 'changed' | 'removed';
  readonly fingerprint: string;
  readonly owner_kind: 'user' | 'contact' | 'domain';
  /** An address, or `@domain`, as it is now; null: the owner has been removed. */
  readonly owner: string | null;
  readonly owner_id: number;
  readonly status: string;
  readonly source: string;
  readonly expires: string | null;
  readonly revoked: boolean;
  readonly actor: string;
}

const primary = alias(addresses, 'primary_address');
const contact = alias(addresses, 'contact_address');

/** Reads at most `count` events behind one, in the order in which they happened. @param owner null: of everybody */
export async function keyEventsAfter(
  { orm }: Pick<Database, 'orm'>,
  owner: KeyOwner | null,
  after: number | null,
  count: number,
): Promise<readonly KeyEvent[]> {
  if (owner?.id === null) return [];
  const only = owner === null ? undefined : ownedBy(keyEvents, owner.kind, owner.id);
  const rows = await orm
    .select({ row: keyEvents, user: primary.address, contact: contact.address, domain: domains.name })
    .from(keyEvents)
    .leftJoin(primary, and(eq(primary.user_id, keyEvents.user_id), eq(primary.kind, 'user')))
    .leftJoin(contact, eq(contact.id, keyEvents.contact_id))
    .leftJoin(domains, eq(domains.id, keyEvents.domain_id))
    .where(and(only, after === null ? undefined : gt(keyEvents.id, after)))
    .orderBy(asc(keyEvents.id))
    .limit(count);
  return rows.map(({ row, user, contact: outside, domain }) => ({
    id: row.id,
    at: row.at.toISOString(),
    event: row.event,
    fingerprint: row.fingerprint,
    owner_kind: row.user_id !== null ? 'user' : row.contact_id !== null ? 'contact' : 'domain',
    owner: user ?? outside ?? (domain === null ? null : `@${domain}`),
    owner_id: row.user_id ?? row.contact_id ?? row.domain_id ?? 0,
    status: row.status,
    source: row.source,
    expires: row.expires_at?.toISOString() ?? null,
    revoked: row.revoked,
    actor: row.actor,
  }));
}

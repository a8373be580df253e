// The chain of key_events: every row of an owner carries the hash of the one before, so that nothing can be taken out, changed or
// put in between without a trace. The trigger sealpost_chain writes it; here it is read and computed anew.
import { createHash } from 'node:crypto';
import { asc, type SQL, sql } from 'drizzle-orm';
import { keyEvents } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import { ownedBy } from './owner.ts';

/** A row of key_events as people see it. Times are RFC 3339 in UTC, to the microsecond. */
export interface KeyEventView {
  readonly id: number;
  readonly at: string;
  readonly event: 'added' | 'changed' | 'removed';
  readonly fingerprint: string;
  readonly status: string;
  readonly source: string;
  readonly expires_at: string | null;
  readonly revoked: boolean;
  readonly actor: string;
  /** Hexadecimal SHA-256; null: the row is older than the chain. */
  readonly hash: string | null;
}

/** Whose events: a user's id, a contact's (of the address), or a domain's. */
export interface EventOwner {
  readonly kind: 'user' | 'contact' | 'domain';
  readonly id: number;
}

export interface ChainReport {
  /** Oldest first. */
  readonly events: readonly KeyEventView[];
  /** The first row that does not follow the one before it; null: the chain is whole. */
  readonly broken: KeyEventView | null;
}

/**
 * Reads an owner's events and verifies their chain. Rows from before the chain count where they stand before its first row only.
 * That the last rows were cut off is not to be seen from the rows themselves: compare the last hash with one kept elsewhere.
 */
export async function verifyChain(orm: Pick<Orm, 'select'>, owner: EventOwner): Promise<ChainReport> {
  const events = await orm
    .select({
      id: keyEvents.id,
      at: instant(sql`${keyEvents.at}`),
      event: keyEvents.event,
      fingerprint: keyEvents.fingerprint,
      status: keyEvents.status,
      source: keyEvents.source,
      expires_at: sql<string | null>`${instant(sql`${keyEvents.expires_at}`)}`,
      revoked: keyEvents.revoked,
      actor: keyEvents.actor,
      hash: sql<string | null>`encode(${keyEvents.hash}, 'hex')`,
    })
    .from(keyEvents)
    .where(ownedBy(keyEvents, owner.kind, owner.id))
    .orderBy(asc(keyEvents.id));
  return { events, broken: firstBroken(events, owner) };
}

function instant(column: SQL): SQL<string> {
  return sql<string>`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** The first of the rows, oldest first, whose hash is not that of what it says behind the row before. Pure. */
export function firstBroken(events: readonly KeyEventView[], owner: EventOwner): KeyEventView | null {
  let previous: string | null = null;
  for (const event of events) {
    if (!follows(event, owner, previous)) return event;
    previous = event.hash;
  }
  return null;
}

/**
 * Whether a row stands rightly behind the one before it of the same owner. Pure.
 * @param previous the hash of that one; null before the first row that has one: rows without a hash are older than the chain
 */
export function follows(event: KeyEventView, owner: EventOwner, previous: string | null): boolean {
  if (event.hash === null && previous === null) return true;
  return event.hash === hashOf(event, owner, previous ?? '');
}

/** As sealpost_key_event_text and sealpost_chain have it. @param previous hexadecimal; '' before the first row */
export function hashOf(event: KeyEventView, owner: EventOwner, previous: string): string {
  const text = [
    event.at,
    event.event,
    event.fingerprint,
    `${owner.kind}:${owner.id}`,
    event.status,
    event.source,
    event.expires_at ?? '-',
    String(event.revoked),
    event.actor,
  ].join('\n');
  return createHash('sha256').update(Buffer.from(previous, 'hex')).update(text, 'utf8').digest('hex');
}

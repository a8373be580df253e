// Users as the commands print them: one, or a list that may be long.
import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm';
import type { SettingsOverride } from '../config/settings.ts';
import type { Database } from '../database/open.ts';
import { addresses, domains, keys, users, userUsage } from '../database/schema.ts';
import { type Orm, requireDomain } from './find.ts';
import { ChangeRefused } from './refused.ts';

/** A user as the commands print it. */
export interface UserView {
  readonly id: number;
  readonly address: string;
  readonly domain: string;
  readonly status: 'active' | 'disabled';
  readonly settings: SettingsOverride;
  /** Bytes; null: unlimited. */
  readonly quota: number | null;
  /** Messages; null: unlimited. */
  readonly quota_messages: number | null;
  /** What the mailbox holds, as the program that keeps it wrote it. */
  readonly used: { readonly bytes: number; readonly messages: number };
  readonly transport: string | null;
  /** Outside addresses that get a copy of everything. */
  readonly forwards: readonly string[];
  /** Sender addresses beside those that lead to the mailbox. */
  readonly send_as: readonly string[];
  /** Whether the keys are published; null: as the domain has it. */
  readonly publish: 'on' | 'off' | null;
  /** Fingerprints. */
  readonly keys: readonly string[];
}

/** Which users a list is of. */
export interface UserFilter {
  /** As typed; null: of all domains. */
  readonly domain: string | null;
  /** Only those for whom no key is stored, neither their own nor their domain's. */
  readonly withoutKey: boolean;
}

/** What is true of a user for whom no key is stored, neither their own nor their domain's. */
export const WITHOUT_KEY = sql`NOT EXISTS (SELECT FROM ${keys} WHERE ${keys.user_id} = ${users.id})
  AND NOT EXISTS (SELECT FROM ${keys} WHERE ${keys.domain_id} = ${users.domain_id})`;

/**
 * Reads users by address, a page at a time.
 * @returns what reads at most `count` users behind an address
 * @throws ChangeRefused where there is no such domain
 */
export async function userPages(
  { orm }: Pick<Database, 'orm'>,
  { domain, withoutKey }: UserFilter,
): Promise<(after: string | null, count: number) => Promise<readonly UserView[]>> {
  const only = domain === null ? undefined : eq(users.domain_id, (await requireDomain(orm, domain)).id);
  return (after, count) =>
    selectViews(
      orm,
      and(
        only,
        withoutKey ? WITHOUT_KEY : undefined,
        after === null ? undefined : gt(addresses.address, after),
      ),
      count,
    );
}

/** @throws ChangeRefused where the user is gone */
export async function requireView(orm: Orm, id: number): Promise<UserView> {
  const [view] = await selectViews(orm, eq(users.id, id), 1);
  if (view === undefined) throw new ChangeRefused(`user ${id} was removed meanwhile`);
  return view;
}

async function selectViews(orm: Orm, where: SQL | undefined, count: number): Promise<readonly UserView[]> {
  const rows = await orm
    .select({
      user: users,
      address: addresses.address,
      domain: domains.name,
      usage: userUsage,
      senders: sql<
        string[]
      >`ARRAY(SELECT address FROM sender_logins WHERE sender_logins.user_id = ${users.id} ORDER BY address)`,
      keys: sql<
        string[]
      >`ARRAY(SELECT fingerprint FROM keys WHERE keys.user_id = ${users.id} ORDER BY keys.id)`,
    })
    .from(users)
    .innerJoin(domains, eq(domains.id, users.domain_id))
    .innerJoin(addresses, and(eq(addresses.user_id, users.id), eq(addresses.kind, 'user')))
    .leftJoin(userUsage, eq(userUsage.user_id, users.id))
    .where(where)
    .orderBy(asc(addresses.address))
    .limit(count);
  return rows.map(({ user, address, domain, usage, senders, keys: fingerprints }) => ({
    id: user.id,
    address,
    domain,
    status: user.status,
    settings: user.settings,
    quota: user.quota_bytes,
    quota_messages: user.quota_messages,
    used: { bytes: usage?.bytes ?? 0, messages: usage?.messages ?? 0 },
    transport: user.transport,
    forwards: user.forwards,
    send_as: senders,
    publish: user.publish,
    keys: fingerprints,
  }));
}

// Whose mail is not sealed because there is no key: what an administrator asks before telling people.
import { and, asc, eq, gt } from 'drizzle-orm';
import type { Config } from '../config/schema.ts';
import { effectiveSettings } from '../config/settings.ts';
import type { Database } from '../database/open.ts';
import { addresses, domains, users } from '../database/schema.ts';
import { WITHOUT_KEY } from '../directory/user-views.ts';

/** A user for whom no key is stored, neither their own nor their domain's, and the settings that decide on their mail. */
export interface MissingKey {
  readonly address: string;
  readonly status: 'active' | 'disabled';
  readonly encrypt: boolean;
  readonly on_missing_key: Config['encryption']['on_missing_key'];
}

/** Reads at most `count` of them behind an address, by address. @param encryption the global settings */
export async function missingKeys(
  { orm }: Pick<Database, 'orm'>,
  encryption: Config['encryption'],
  after: string | null,
  count: number,
): Promise<readonly MissingKey[]> {
  const rows = await orm
    .select({
      address: addresses.address,
      status: users.status,
      own: users.settings,
      domain: domains.settings,
    })
    .from(users)
    .innerJoin(domains, eq(domains.id, users.domain_id))
    .innerJoin(addresses, and(eq(addresses.user_id, users.id), eq(addresses.kind, 'user')))
    .where(and(WITHOUT_KEY, after === null ? undefined : gt(addresses.address, after)))
    .orderBy(asc(addresses.address))
    .limit(count);
  return rows.map(({ address, status, own, domain }) => {
    const { encrypt, on_missing_key } = effectiveSettings(encryption, domain, own).values;
    return { address, status, encrypt, on_missing_key };
  });
}

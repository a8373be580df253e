// An address that is to become a user's or an alias's: in a domain of ours, and nobody's yet.

import { isReservedLocalPart } from '../address/id-address.ts';
import { type AddressesRow, type DomainRow, findAddress, type Named, nameAddress, type Orm } from './find.ts';
import { ChangeRefused } from './refused.ts';

/**
 * The address, its domain being ours and nobody having it. Domain and contact stay what they are until the transaction ends.
 * @param lock the domain's: `share` against its removal and new settings, `no key update` also against new aliases that lead
 *   into it
 * @throws ChangeRefused
 */
export async function requireFree(
  orm: Orm,
  typed: string,
  lock: 'share' | 'no key update',
): Promise<Named & { readonly domain: DomainRow; readonly contact: AddressesRow | null }> {
  const named = await nameAddress(orm, typed, lock);
  const { address, parts, domain } = named;
  if (domain === null) {
    throw new ChangeRefused(
      `the domain ${parts.domain} is not known; add it first with "sealpost domain add ${parts.domain}"`,
    );
  }
  if (isReservedLocalPart(parts.local)) {
    throw new ChangeRefused(
      `${address} is reserved: id_NUMBER always means the user with that number; choose another address`,
    );
  }
  // A key that is imported for a contact, or removed from it, at this moment would be left with nobody.
  const row = await findAddress(orm, address, 'update');
  if (row?.kind === 'user') {
    throw new ChangeRefused(
      `${address} is taken by user ${row.user_id}; see "sealpost user show ${address}"`,
    );
  }
  if (row?.kind === 'alias') {
    throw new ChangeRefused(
      `${address} is taken by an alias; see "sealpost alias list ${address}", or "sealpost alias remove ${address}"`,
    );
  }
  return { ...named, domain, contact: row };
}

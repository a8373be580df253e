// As which addresses a user's mail comes, beside aliases: for `sealpost trace`, and for what erases a user's traces.
import { partsOf } from '../address/normalise.ts';
import { otherNamesOf } from './domains.ts';
import type { Orm, requireUser } from './find.ts';

/** The user's own address and the id address, in the domain and under each of its other names. */
export async function knownAs(
  orm: Orm,
  { user, address }: Awaited<ReturnType<typeof requireUser>>,
): Promise<readonly string[]> {
  const { local, domain } = partsOf(address);
  const names = [domain, ...(await otherNamesOf(orm, user.domain_id))];
  return names.flatMap((name) => [`${local}@${name}`, `id_${user.id}@${name}`]);
}

// The canonical form in which a certificate is stored: what its primary key signed, and of the user IDs those of its owner.
// Revoked and expired parts stay, so that an older copy cannot bring them back to life.
import type { Components, UserComponent } from './components.ts';
import { inspectComponents } from './inspect.ts';
import type { KeyPolicy } from './policy.ts';
import { isRevokedUser, newestOf, timeOf } from './signatures.ts';

/**
 * Strips the user IDs that do not belong to the owner. Third-party signatures and user attributes are gone already
 * (components.ts). A certificate needs one user ID, and takes its expiry from the primary one: where none belongs to the
 * owner, or the rest would say something else, the primary one stays too.
 * @param belongs whether a user ID's address is one of the owner's
 */
export async function canonical(
  components: Components,
  belongs: (address: string) => boolean,
  policy: KeyPolicy,
): Promise<Components> {
  const own = components.users.filter(({ packet }) => packet.email !== '' && belongs(packet.email));
  const primary = primaryUser(components.users, policy);
  if (primary === undefined) return components;
  const slim = { ...components, users: own.length > 0 ? own : [primary] };
  if (slim.users.includes(primary) || (await saysTheSame(slim, components, policy))) return slim;
  return { ...components, users: components.users.filter((user) => user === primary || own.includes(user)) };
}

/** The user ID that speaks for the certificate: flagged primary, then the newest; a revoked one only if all are. */
function primaryUser(users: readonly UserComponent[], policy: KeyPolicy): UserComponent | undefined {
  const rank = (user: UserComponent) => {
    const newest = newestOf(user.certifications);
    return [
      isRevokedUser(user, policy) ? 0 : 1,
      newest?.isPrimaryUserID ? 1 : 0,
      newest === undefined ? 0 : timeOf(newest),
    ] as const;
  };
  return users.reduce<UserComponent | undefined>((best, user) => {
    if (best === undefined) return user;
    const [a, b] = [rank(best), rank(user)];
    for (const index of [0, 1, 2] as const)
      if (a[index] !== b[index]) return b[index] > a[index] ? user : best;
    return best;
  }, undefined);
}

async function saysTheSame(slim: Components, whole: Components, policy: KeyPolicy): Promise<boolean> {
  const [a, b] = [await inspectComponents(slim, policy), await inspectComponents(whole, policy)];
  const gist = ({ expires, windows, flaw, aead }: typeof a) =>
    JSON.stringify([expires, windows.at(-1) ?? null, flaw, aead]);
  return gist(a) === gist(b);
}

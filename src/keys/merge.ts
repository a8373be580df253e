// A copy of a certificate that is already known: its news are taken, and nothing that is known is undone.

import type { SignaturePacket } from 'openpgp';
import { userIdName } from '../openpgp/read-certificate.ts';
import { type Components, type SubkeyComponent, type UserComponent, union } from './components.ts';
import { type CertificateFacts, usableUntil } from './facts.ts';
import { inspectComponents } from './inspect.ts';
import type { KeyPolicy } from './policy.ts';
import { newestOf, timeOf } from './signatures.ts';

export interface Merged {
  readonly components: Components;
  readonly facts: CertificateFacts;
  /** What was learned, in words; empty: nothing. */
  readonly news: readonly string[];
}

/**
 * Merges a copy into what is stored. Revocations are always taken. A self-signature is taken where it is newer than what is
 * stored for the same part, so that an older copy, even a complete one, undoes no expiry. Subkeys are only ever added.
 * @param copy the same primary key; its user IDs already reduced to the owner's
 */
export async function mergeCertificates(
  stored: Components,
  copy: Components,
  policy: KeyPolicy,
): Promise<Merged> {
  if (stored.fingerprint !== copy.fingerprint)
    throw new Error('only copies of one certificate can be merged');
  const before = await inspectComponents(stored, policy);
  const known: Components = {
    ...stored,
    revocations: union(stored.revocations, copy.revocations),
    direct: newer(stored.direct, copy.direct),
    users: stored.users.map((user) => mergeUser(user, copy.users)),
    subkeys: [
      ...stored.subkeys.map((subkey) => mergeSubkey(subkey, copy.subkeys)),
      ...added(stored.subkeys, copy.subkeys),
    ],
  };
  const newUsers = copy.users.filter(
    (user) => !stored.users.some((other) => userIdName(other.packet) === userIdName(user.packet)),
  );
  const components = {
    ...known,
    users: [...known.users, ...newUsers.filter((user) => !isOlder(user, known.users))],
  };
  const facts = await inspectComponents(components, policy);
  return { components, facts, news: newsOf(before, facts) };
}

/** What is stored, and what was made after it. */
function newer(
  stored: readonly SignaturePacket[],
  copy: readonly SignaturePacket[],
): readonly SignaturePacket[] {
  const newest = newestOf(stored);
  return union(
    stored,
    copy.filter((signature) => newest === undefined || timeOf(signature) > timeOf(newest)),
  );
}

function mergeUser(user: UserComponent, copies: readonly UserComponent[]): UserComponent {
  const copy = copies.find(({ packet }) => userIdName(packet) === userIdName(user.packet));
  if (copy === undefined) return user;
  return {
    ...user,
    certifications: newer(user.certifications, copy.certifications),
    revocations: union(user.revocations, copy.revocations),
  };
}

function mergeSubkey(subkey: SubkeyComponent, copies: readonly SubkeyComponent[]): SubkeyComponent {
  const copy = copies.find(({ fingerprint }) => fingerprint === subkey.fingerprint);
  if (copy === undefined) return subkey;
  return {
    ...subkey,
    bindings: newer(subkey.bindings, copy.bindings),
    revocations: union(subkey.revocations, copy.revocations),
  };
}

function added(
  stored: readonly SubkeyComponent[],
  copies: readonly SubkeyComponent[],
): readonly SubkeyComponent[] {
  return copies.filter((copy) => !stored.some(({ fingerprint }) => fingerprint === copy.fingerprint));
}

/** A user ID whose newest self-signature is older than the newest stored one could speak for the key again, and must not. */
function isOlder(user: UserComponent, stored: readonly UserComponent[]): boolean {
  const newest = Math.max(0, ...stored.map(({ certifications }) => latest(certifications)));
  return latest(user.certifications) < newest;
}

function latest(signatures: readonly SignaturePacket[]): number {
  const newest = newestOf(signatures);
  return newest === undefined ? 0 : timeOf(newest);
}

function newsOf(before: CertificateFacts, after: CertificateFacts): readonly string[] {
  const news: string[] = [];
  if (after.revoked && !before.revoked) news.push('the key is revoked');
  if (!after.revoked && usableUntil(after) !== usableUntil(before)) {
    const until = usableUntil(after);
    news.push(
      until === null ? 'it no longer expires' : `it expires on ${new Date(until).toISOString().slice(0, 10)}`,
    );
  }
  for (const subkey of after.encryptionKeys) {
    const old = before.encryptionKeys.find(({ fingerprint }) => fingerprint === subkey.fingerprint);
    if (old === undefined) news.push(`encryption subkey ${subkey.fingerprint} is new`);
    else if (subkey.revoked && !old.revoked && !after.revoked)
      news.push(`encryption subkey ${subkey.fingerprint} is revoked`);
  }
  if (after.userIds.length > before.userIds.length) news.push('a user ID is new');
  return news;
}

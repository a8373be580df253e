// Many keys at once, as an administrator moves them in: each is judged as every key is, outside of any transaction, and then
// held as small as it can be until it is written.
import { createHash } from 'node:crypto';
import type { Orm } from '../directory/find.ts';
import type { KeyKind } from '../directory/types.ts';
import { canonical } from './canonical.ts';
import { componentsOf, write } from './components.ts';
import { type Judged, judgeUpload } from './import.ts';
import type { ImportOptions, ImportResult } from './import-options.ts';
import { columnsOf, type KeyColumns } from './insert.ts';
import { inspectComponents } from './inspect.ts';
import { type JudgeOptions, judgeBoth } from './judge-both.ts';
import { type JudgedX509, refusalAndLapse } from './judge-x509.ts';
import { originalColumn } from './original.ts';
import type { KeyPolicy } from './policy.ts';
import { readCertificates } from './read.ts';
import type { KeyRefusal } from './refusals.ts';
import { importJudged } from './store.ts';
import { importX509 } from './store-x509.ts';

/** One certificate, judged, without its parsed form. */
export interface BulkKey {
  /** null: nothing could be read. */
  readonly fingerprint: string | null;
  readonly kind: KeyKind;
  /** The addresses that it names, as written, but for those that it has revoked. */
  readonly names: readonly string[];
  /** Why it is no key to seal to; null: it is one. */
  readonly refusal: KeyRefusal | null;
  /** It has expired, and can be sealed to as on_expired_key says. */
  readonly lapsed: KeyRefusal | null;
  /** SHA-256 of what is stored as handed over, in lower-case hexadecimal digits: whoever has the same has no news by it. */
  readonly digest: string;
  /** Bytes that are held for it. */
  readonly size: number;
  /**
   * What is stored for an owner.
   * @param isOwn whether a user ID's address is one of the owner's
   */
  columns(isOwn: (address: string) => boolean): Promise<KeyColumns>;
  /** Imports it once more for one owner, where its fingerprint is known: news are taken, and nothing known is undone. */
  again(tx: Orm, options: ImportOptions): Promise<ImportResult>;
}

/**
 * Reads and judges an upload: OpenPGP, X.509, or both.
 * @returns one entry for each certificate or refused piece, at least one
 * @throws what `x509` of the options throws
 */
export async function judgeForBulk(upload: Uint8Array, options: JudgeOptions): Promise<readonly BulkKey[]> {
  const { x509, openpgp } = await judgeBoth(upload, options);
  const all = x509.map(bulkX509);
  for (const each of openpgp) all.push(await slimmed(each, options.policy));
  return all;
}

function bulkX509(judged: JudgedX509): BulkKey {
  if (judged.facts === null) return unread(judged.refusal, 'x509');
  const { facts, certificate, pinned } = judged;
  return {
    fingerprint: facts.fingerprint,
    kind: 'x509',
    names: facts.addresses,
    ...refusalAndLapse(judged),
    digest: digestOf(certificate),
    size: certificate.length,
    columns: async () => ({
      certificate,
      original: null,
      expires_at: new Date(facts.notAfter),
      revoked: false,
      pinned,
    }),
    again: (tx, options) => importX509(tx, judged, options),
  };
}

function unread(refusal: KeyRefusal, kind: KeyKind): BulkKey {
  return {
    fingerprint: refusal.fingerprint,
    kind,
    names: [],
    refusal,
    lapsed: null,
    digest: '',
    size: 0,
    columns: () => Promise.reject(new Error('nothing was read')),
    again: () => Promise.reject(new Error('nothing was read')),
  };
}

/** The same without its parsed form, which is ten times as large. */
async function slimmed(judged: Judged, policy: KeyPolicy): Promise<BulkKey> {
  const { components, facts, given } = judged;
  const refusal = judged.verdict === 'refused' ? judged.refusal : null;
  if (components === null || facts === null || given === null) {
    if (refusal === null) throw new Error('a key that was accepted has no facts');
    return unread(refusal, 'openpgp');
  }
  const original = await originalColumn([given]);
  // With one user ID the stored form is the same whoever the owner is.
  const alone = components.users.length > 1 ? null : { certificate: Buffer.from(write(components)), facts };
  const held = Buffer.from(original ?? given);
  const fixed = alone === null ? null : { certificate: alone.certificate, ...columnsOf(facts) };
  return {
    fingerprint: facts.fingerprint,
    kind: 'openpgp',
    names: facts.userIds.flatMap(({ address, valid, revoked }) =>
      address !== null && valid && !revoked ? [address] : [],
    ),
    refusal,
    lapsed: judged.verdict === 'accepted' ? judged.lapsed : null,
    digest: digestOf(original ?? fixed?.certificate ?? held),
    size: held.length + (fixed?.certificate.length ?? held.length),
    columns: async (isOwn) => ({
      ...(fixed ?? (await columnsFor(held, isOwn, policy))),
      original: original === null ? null : held,
    }),
    async again(tx, options) {
      const [copy] = await judgeUpload(held, options.policy, options.now);
      if (copy === undefined) throw new Error('nothing was judged');
      return importJudged(tx, copy, options);
    },
  };
}

async function columnsFor(
  given: Uint8Array,
  isOwn: (address: string) => boolean,
  policy: KeyPolicy,
): Promise<Pick<KeyColumns, 'certificate' | 'expires_at' | 'revoked'>> {
  const [found] = await readCertificates(given);
  if (found?.ok !== true) throw new Error('a certificate that was read before cannot be read');
  const slim = await canonical(await componentsOf(found.key), isOwn, policy);
  return { certificate: write(slim), ...columnsOf(await inspectComponents(slim, policy)) };
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

// What an upload is for one user: one certificate, new to them, a copy that brings something, or a revocation. Reads only.
import { and, eq } from 'drizzle-orm';
import type { Config } from '../config/schema.ts';
import { keys } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import type { KeyKind, StoredKey } from '../directory/types.ts';
import { canonical } from '../keys/canonical.ts';
import { readComponents, write } from '../keys/components.ts';
import { type CertificateFacts, usableUntil } from '../keys/facts.ts';
import { type Judged, judgeUpload } from '../keys/import.ts';
import { inspectComponents } from '../keys/inspect.ts';
import { judgeX509 } from '../keys/judge-x509.ts';
import { mergeCertificates } from '../keys/merge.ts';
import { belongsTo, type KeyOwner } from '../keys/owner.ts';
import type { KeyPolicy } from '../keys/policy.ts';
import { type KeyRefusal, MAX_UPLOAD, refuseDisabled, refuseTooLarge } from '../keys/refusals.ts';
import { revokedCopies } from '../keys/revocation.ts';
import { keysByFingerprint } from '../keys/rows.ts';
import { plainUpload } from '../keys/upload-text.ts';
import { factsOf } from '../keys/x509.ts';
import { readTrust, TrustUnavailable } from '../smime/trust.ts';
import { isX509Upload } from '../smime/upload.ts';
import type { FlowRefusal, Outcome } from './types.ts';

/** What was understood of an upload, before anything is stored or sent. */
export interface Understood {
  readonly fingerprint: string;
  readonly kind: KeyKind;
  readonly facts: CertificateFacts;
  /** User IDs as text for people: control characters are replaced, at most twenty, each bounded. */
  readonly userIds: readonly string[];
  /** Unix milliseconds; null: never. */
  readonly expires: number | null;
  /** The user has it already, and this copy brings something new (`renew`), or nothing (`known`), or it is another key. */
  readonly relation: 'new' | 'renew' | 'known';
  /** A revocation of a key that the user has: it is obeyed at once. */
  readonly revokes: boolean;
}

/** With what the flow stores, and seals the letter to. */
export interface UnderstoodKey extends Understood {
  /** To be imported when it becomes active. */
  readonly upload: Uint8Array;
  /** The certificate as it will be stored; the letter is sealed to it. */
  readonly sealTo: StoredKey;
}

const MOST_USER_IDS = 20;
const LONGEST_USER_ID = 200;

interface Question {
  readonly orm: Orm;
  readonly owner: KeyOwner & { readonly kind: 'user' };
  readonly config: Config;
  readonly now: number;
}

/**
 * Reads an upload: armored or binary, at most 256 KiB, with one certificate.
 * @returns refused with `key refused`, `secret key` or `several keys`. Never stores, never logs what it was given
 */
export async function understand(
  orm: Orm,
  owner: { readonly userId: number; readonly address: string },
  handedOver: Uint8Array,
  config: Config,
  now: number,
): Promise<Outcome<{ readonly key: UnderstoodKey }>> {
  if (handedOver.byteLength > MAX_UPLOAD) return refused(refuseTooLarge(handedOver.byteLength));
  const upload = plainUpload(handedOver);
  const question: Question = {
    orm,
    owner: { kind: 'user', id: owner.userId, name: owner.address },
    config,
    now,
  };
  if (isX509Upload(upload)) return understandX509(question, upload);
  const policy = policyOf(config);
  const judged = await judgeUpload(upload, policy, now);
  const secret = judged.find((each) => each.verdict === 'refused' && each.refusal.code === 'secret key');
  if (secret?.verdict === 'refused') return { ok: false, because: 'secret key', key: secret.refusal };
  if (judged.length > 1) return { ok: false, because: 'several keys' };
  const [only] = judged;
  if (only === undefined) return { ok: false, because: 'key unknown' };
  if (only.verdict === 'refused' && only.refusal.code === 'revocation certificate') {
    return understandRevocation(question, upload, only.refusal);
  }
  return understandOpenPgp(question, only);
}

/** What the trial of an import, and a letter's seal, go by. */
export function policyOf(config: Pick<Config, 'keys'>): KeyPolicy {
  return { allowSha1: config.keys.allow_sha1 };
}

function refused(key: KeyRefusal): FlowRefusal {
  return { ok: false, because: 'key refused', key };
}

async function rowOf({ orm, owner }: Question, fingerprint: string) {
  const [row] = await orm
    .select()
    .from(keys)
    .where(and(eq(keys.user_id, owner.id), eq(keys.fingerprint, fingerprint)));
  return row ?? null;
}

async function understandOpenPgp(
  question: Question,
  judged: Judged,
): Promise<Outcome<{ readonly key: UnderstoodKey }>> {
  const { orm, owner, config, now } = question;
  const policy = policyOf(config);
  const { components, facts, given } = judged;
  if (components === null || facts === null || given === null) {
    return judged.verdict === 'refused' ? refused(judged.refusal) : { ok: false, because: 'key unknown' };
  }
  const { fingerprint } = components;
  const row = await rowOf(question, fingerprint);
  const revokes = row !== null && facts.revoked && !row.revoked;
  if (judged.verdict === 'refused' && !revokes) return refused(judged.refusal);
  // An administrator left it out, for this owner or for another one.
  const disabled = refuseDisabled(await keysByFingerprint(orm, fingerprint));
  if (disabled !== null && !revokes) return refused(disabled);
  const belongs = await belongsTo(orm, owner, config.recipient_delimiter);
  const copy = await canonical(components, belongs, policy);
  const merged =
    row === null ? null : await mergeCertificates(await readComponents(row.certificate), copy, policy);
  const stored = merged?.components ?? copy;
  const storedFacts = merged?.facts ?? (await inspectComponents(copy, policy));
  return {
    ok: true,
    key: {
      fingerprint,
      kind: 'openpgp',
      facts: storedFacts,
      userIds: facts.userIds.slice(0, MOST_USER_IDS).map(({ text }) => forPeople(text)),
      expires: usableUntil(storedFacts),
      relation: merged === null ? 'new' : merged.news.length > 0 ? 'renew' : 'known',
      revokes,
      upload: given,
      sealTo: asStored(fingerprint, 'openpgp', write(stored), now),
    },
  };
}

/** A signature alone, as gpg keeps it beside a new key: it counts with the certificate that we have. */
async function understandRevocation(
  question: Question,
  upload: Buffer,
  refusal: KeyRefusal,
): Promise<Outcome<{ readonly key: UnderstoodKey }>> {
  const { orm, owner, config, now } = question;
  const rows = await orm
    .select({ original: keys.original, certificate: keys.certificate })
    .from(keys)
    .where(and(eq(keys.user_id, owner.id), eq(keys.kind, 'openpgp')));
  for (const copy of revokedCopies(upload, rows)) {
    const [judged] = await judgeUpload(copy, policyOf(config), now);
    if (judged?.facts?.revoked === true) return understandOpenPgp(question, judged);
  }
  return refused(refusal);
}

async function understandX509(
  question: Question,
  upload: Uint8Array,
): Promise<Outcome<{ readonly key: UnderstoodKey }>> {
  const { config, now, orm } = question;
  const judged = await judgeX509(upload, { anchors: anchorsOf(config), pin: false }, now);
  const [only] = judged;
  if (judged.length > 1) return { ok: false, because: 'several keys' };
  if (only === undefined) return { ok: false, because: 'key unknown' };
  if (only.facts === null || only.refusal !== null) {
    return only.refusal === null ? { ok: false, because: 'key unknown' } : refused(only.refusal);
  }
  const { fingerprint, notAfter, addresses } = only.facts;
  const disabled = refuseDisabled(await keysByFingerprint(orm, fingerprint));
  if (disabled !== null) return refused(disabled);
  return {
    ok: true,
    key: {
      fingerprint,
      kind: 'x509',
      facts: factsOf(only.facts, only.certificate),
      userIds: addresses.slice(0, MOST_USER_IDS).map(forPeople),
      expires: notAfter,
      relation: (await rowOf(question, fingerprint)) === null ? 'new' : 'known',
      revokes: false,
      upload,
      sealTo: asStored(fingerprint, 'x509', only.certificate, now),
    },
  };
}

/** Authorities that cannot be read vouch for nobody. */
export function anchorsOf(config: Pick<Config, 'smime'>): ReturnType<typeof readTrust> {
  try {
    return readTrust(config.smime.trust);
  } catch (error) {
    if (error instanceof TrustUnavailable) return [];
    throw error;
  }
}

function asStored(fingerprint: string, kind: KeyKind, certificate: Uint8Array, now: number): StoredKey {
  return {
    kind,
    fingerprint,
    certificate,
    status: 'active',
    source: 'portal',
    createdAt: new Date(now),
  };
}

function forPeople(text: string): string {
  return text.slice(0, LONGEST_USER_ID).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

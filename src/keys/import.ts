// Judges an upload: every certificate in it on its own, by what it says and by a trial encryption. Nothing is stored here.
import { createMessage, encrypt } from 'openpgp';
import { readCertificate } from '../openpgp/read-certificate.ts';
import { createBreather } from '../pacing/breather.ts';
import { type Components, componentsOf } from './components.ts';
import { type CertificateFacts, lastUsable } from './facts.ts';
import { inspectComponents } from './inspect.ts';
import { type Original, readOriginal } from './original.ts';
import { type KeyPolicy, policyConfig } from './policy.ts';
import { type Found, readCertificates } from './read.ts';
import { type KeyRefusal, refuseByFacts, refuseTrial, refuseUpload } from './refusals.ts';
import { refuseByRevoker } from './revoker.ts';
import { unusedInWords, unusedSubkeys } from './unused.ts';

/**
 * One certificate of an upload.
 * - `accepted`: it can be encrypted to, now or, where it has expired, until `lapsed` tells; its owner most likely has the secret
 *   key still;
 * - `refused` with components: readable, but not to be taken as a new key; a known fingerprint still learns from it;
 * - `refused` without: no certificate at all.
 */
export type Judged =
  | {
      readonly verdict: 'accepted';
      readonly components: Components;
      readonly facts: CertificateFacts;
      /** Its packets as they were handed over, in binary. */
      readonly given: Uint8Array;
      /** What would refuse it where it is no user's; null where it has not expired. */
      readonly lapsed: KeyRefusal | null;
    }
  | {
      readonly verdict: 'refused';
      readonly refusal: KeyRefusal;
      readonly components: Components | null;
      readonly facts: CertificateFacts | null;
      readonly given: Uint8Array | null;
    };

const NOTHING = { components: null, facts: null, given: null } as const;

/** Encrypts a few bytes to the certificate; rejects where that fails. */
export type Trial = (facts: CertificateFacts, now: number, policy: KeyPolicy) => Promise<void>;

/**
 * Reads and judges an upload.
 * @param upload armored or binary, at most 256 KiB
 * @param now Unix milliseconds
 * @returns one judgement for each certificate or refused piece, at least one. Never rejects.
 */
export async function judgeUpload(
  upload: Uint8Array,
  policy: KeyPolicy,
  now: number,
  trial: Trial = trialEncryption,
): Promise<readonly Judged[]> {
  const judged: Judged[] = [];
  const breathe = createBreather();
  for (const found of await readCertificates(upload)) {
    judged.push(await judge(found, policy, now, trial));
    await breathe();
  }
  return judged;
}

async function judge(found: Found, policy: KeyPolicy, now: number, trial: Trial): Promise<Judged> {
  if (!found.ok) return { verdict: 'refused', refusal: found.refusal, ...NOTHING };
  let components: Components;
  let facts: CertificateFacts;
  let original: Original;
  try {
    components = await componentsOf(found.key);
    original = await readOriginal(found.given);
    facts = withTrueCause(await inspectComponents(components, policy), components, found.given, original);
  } catch {
    return { verdict: 'refused', refusal: refuseUpload('damaged'), ...NOTHING };
  }
  const { given } = found;
  const hasUserId = facts.flaw?.kind !== 'no user ID';
  const byRevoker = refuseByRevoker(facts.fingerprint, given, original, hasUserId);
  const byFacts = refuseByFacts(facts, now);
  const refusal =
    byFacts === null || byFacts.code === 'expired' || !hasUserId ? (byRevoker ?? byFacts) : byFacts;
  const lapsed = lapsedOnly(facts, refusal);
  if (refusal !== null && lapsed === null) return { verdict: 'refused', refusal, components, facts, given };
  try {
    await trial(facts, lapsed === null ? now : (lastUsable(facts, now) ?? now), policy);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { verdict: 'refused', refusal: refuseTrial(facts.fingerprint, reason), components, facts, given };
  }
  return { verdict: 'accepted', components, facts, given, lapsed };
}

/** Where nothing can be encrypted to: which subkeys were left out, and why. */
function withTrueCause(
  facts: CertificateFacts,
  components: Components,
  given: Uint8Array,
  { subkeys }: Original,
): CertificateFacts {
  if (facts.flaw?.kind !== 'no encryption key') return facts;
  const vouched = (body: Uint8Array) => subkeys.some(({ piece }) => Buffer.compare(piece.body, body) === 0);
  const because = unusedInWords(unusedSubkeys(given, vouched, components));
  return because === null ? facts : { ...facts, flaw: { kind: 'no encryption key', because } };
}

/** A refusal for nothing but an expiry that could be overlooked: keys/choose would use it. Pure. */
export function lapsedOnly(
  { newestRevoked }: Pick<CertificateFacts, 'newestRevoked'>,
  refusal: KeyRefusal | null,
): KeyRefusal | null {
  return refusal?.code === 'expired' && !newestRevoked ? refusal : null;
}

/** The trial: what the filter would do, on a few bytes. */
async function trialEncryption(facts: CertificateFacts, now: number, policy: KeyPolicy): Promise<void> {
  const config = policyConfig(policy);
  const key = await readCertificate(facts.sealing, config);
  await encrypt({
    message: await createMessage({ binary: new TextEncoder().encode('sealpost') }),
    encryptionKeys: key === null ? [] : [key],
    format: 'binary',
    date: new Date(now),
    config,
  });
}

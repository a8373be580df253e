// Judges an upload of X.509 certificates: every reader's certificate on its own, by what it says, by who issued it and by a
// trial encryption. Nothing is stored here.
import { readX509, type X509Facts } from '../smime/certificate.ts';
import { validateChain } from '../smime/chain.ts';
import { createCmsEngine } from '../smime/engine.ts';
import { readX509Upload } from '../smime/upload.ts';
import { type KeyRefusal, MAX_UPLOAD } from './refusals.ts';
import { plainUpload } from './upload-text.ts';
import {
  refuseLargeX509,
  refuseUntrusted,
  refuseX509,
  refuseX509Trial,
  refuseX509Upload,
} from './x509-refusals.ts';

/** Who may vouch for a certificate. */
export interface X509Trust {
  /** Trusted authorities, in DER. */
  readonly anchors: readonly Buffer[];
  /** An administrator vouches for every certificate of this upload: the chain is not asked. */
  readonly pin: boolean;
}

/** One certificate of an upload; without `facts` nothing could be read. */
export type JudgedX509 =
  | {
      readonly facts: X509Facts;
      readonly certificate: Buffer;
      /** null: it can be encrypted to now, and is trusted. */
      readonly refusal: KeyRefusal | null;
      /** It is refused for nothing but its expiry: a user may have it all the same. */
      readonly lapsed: boolean;
      readonly pinned: boolean;
    }
  | { readonly facts: null; readonly refusal: KeyRefusal };

/**
 * Reads and judges an upload.
 * @param now Unix milliseconds
 * @returns one judgement for each certificate that is not there for the chain alone, at least one. Never rejects.
 */
export async function judgeX509(
  upload: Uint8Array,
  trust: X509Trust,
  now: number,
): Promise<readonly JudgedX509[]> {
  if (upload.byteLength > MAX_UPLOAD) return [unread(refuseLargeX509(upload.byteLength))];
  const read = readX509Upload(plainUpload(upload));
  if (!read.ok) return [unread(refuseX509Upload(read.because))];
  let all: readonly { readonly certificate: Buffer; readonly facts: X509Facts }[];
  try {
    all = read.certificates.map((certificate) => ({ certificate, facts: readX509(certificate) }));
  } catch {
    return [unread(refuseX509Upload('damaged'))];
  }
  // Authorities are there for the chain; where there is nothing else, they are what was meant.
  const readers = all.filter(({ facts }) => !facts.authority);
  const chain = all.map(({ certificate }) => certificate);
  const judged: JudgedX509[] = [];
  for (const { facts, certificate } of readers.length > 0 ? readers : all) {
    const { refusal, lapsed } = await judgeOne({ facts, certificate, chain }, trust, now);
    judged.push({ facts, certificate, refusal, lapsed, pinned: trust.pin });
  }
  return judged;
}

/** Why a certificate that could be read is none to have, and, where it has only expired, since when. */
export function refusalAndLapse({ refusal, lapsed }: JudgedX509 & { readonly facts: X509Facts }): {
  readonly refusal: KeyRefusal | null;
  readonly lapsed: KeyRefusal | null;
} {
  return lapsed ? { refusal: null, lapsed: refusal } : { refusal, lapsed: null };
}

function unread(refusal: KeyRefusal): JudgedX509 {
  return { facts: null, refusal };
}

interface Uploaded {
  readonly facts: X509Facts;
  readonly certificate: Buffer;
  /** What came beside it. */
  readonly chain: readonly Buffer[];
}

/** An expired certificate is judged as of its last valid moment, by the authorities that are trusted now. */
async function judgeOne(
  uploaded: Uploaded,
  trust: X509Trust,
  now: number,
): Promise<{ readonly refusal: KeyRefusal | null; readonly lapsed: boolean }> {
  const { facts } = uploaded;
  const byFacts = refuseX509(facts, now, trust.pin);
  if (byFacts === null) return { refusal: await refusalAsOf(uploaded, trust, now), lapsed: false };
  if (byFacts.code !== 'expired') return { refusal: byFacts, lapsed: false };
  const also = await refusalAsOf(uploaded, trust, facts.notAfter - 1000);
  return also === null
    ? { refusal: byFacts, lapsed: true }
    : { refusal: { ...byFacts, sentence: `${byFacts.sentence}; besides, ${also.sentence}` }, lapsed: false };
}

/** By who has issued it, and by a trial encryption. */
async function refusalAsOf(
  { facts, certificate, chain }: Uploaded,
  { anchors, pin }: X509Trust,
  now: number,
): Promise<KeyRefusal | null> {
  if (!pin) {
    const others = chain.filter((each) => each !== certificate);
    const result = await validateChain(certificate, others, anchors, now).catch((error: unknown) => ({
      trusted: false as const,
      because: error instanceof Error ? error.message : String(error),
    }));
    if (!result.trusted) return refuseUntrusted(facts, result.because);
  }
  try {
    trial(facts.fingerprint, certificate, now);
    return null;
  } catch (error) {
    return refuseX509Trial(facts.fingerprint, error instanceof Error ? error.message : String(error));
  }
}

/** What the filter would do, on a few bytes. */
function trial(fingerprint: string, certificate: Buffer, now: number): void {
  createCmsEngine()({
    format: 'cms',
    plaintext: Buffer.from('sealpost'),
    keys: [{ fingerprint, certificate, at: now }],
    cipher: 'gcm',
    rsa: 'oaep',
    identifiers: 'issuer',
  });
}

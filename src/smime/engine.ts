// The S/MIME side of sealing: bytes and certificates in, one CMS message out. It runs where the OpenPGP engine runs.
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { CmsJob, RecipientKey } from '../openpgp/types.ts';
import { writeEnvelope } from './envelope.ts';
import { type CmsRecipient, readCmsRecipient, wrapFor } from './recipient.ts';

/** Parsed certificates of a few KB each. */
const CACHED_CERTIFICATES = 2000;

/**
 * Makes an engine with its own cache of parsed certificates. Validity is not judged here: `keys/choose` did, and the setting
 * may be to use an expired certificate. It throws when one of the certificates cannot be used: none is silently left out.
 * @returns the ContentInfo in DER
 */
export function createCmsEngine(): (job: CmsJob) => Uint8Array {
  const certificates = new LRUCache<string, CmsRecipient>({ max: CACHED_CERTIFICATES });

  function recipientOf({ fingerprint, certificate }: RecipientKey): CmsRecipient {
    const id = createHash('sha256').update(certificate).digest('hex').toUpperCase();
    // A certificate is named by its own digest: this is the check that it is the right one.
    if (id !== fingerprint) throw new Error(`the certificate given for ${fingerprint} is ${id}`);
    let recipient = certificates.get(id);
    if (recipient === undefined) {
      recipient = readCmsRecipient(certificate);
      certificates.set(id, recipient);
    }
    return recipient;
  }

  return (job) => {
    if (job.keys.length === 0) throw new Error('no certificate was given to encrypt to');
    const recipients = job.keys.map(recipientOf);
    return writeEnvelope(job.plaintext, job.cipher, (contentKey) =>
      recipients.map((recipient) => wrapFor(recipient, contentKey, job)),
    );
  };
}

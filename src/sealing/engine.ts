// One engine for both kinds of key: an OpenPGP message, or a CMS one. A worker thread has one, and so has the main thread.

import { base64Lines } from '../openpgp/base64-lines.ts';
import type { Certificates } from '../openpgp/certificates.ts';
import { createEngine } from '../openpgp/engine.ts';
import type { Seal } from '../openpgp/types.ts';
import { createCmsEngine } from '../smime/engine.ts';

/**
 * Makes an engine; it rejects as the two engines do.
 * @param certificates of OpenPGP; default: its own
 */
export function createSealingEngine(certificates?: Certificates): Seal {
  const openPgp = createEngine(certificates);
  const cms = createCmsEngine();
  return async (job) => (job.format === 'cms' ? base64Lines(cms(job)) : openPgp(job));
}

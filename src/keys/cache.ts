// Facts of certificates by their SHA-256, so that a key is parsed and verified once and not for every message. Facts hold no
// "now": expiry is judged when a message comes.
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { StoredKey } from '../directory/types.ts';
import type { Certificates } from '../openpgp/certificates.ts';
import type { InspectedKey } from './choose.ts';
import { readComponents } from './components.ts';
import type { CertificateFacts } from './facts.ts';
import { inspectForSealing } from './inspect.ts';
import type { KeyPolicy } from './policy.ts';
import { inspectX509 } from './x509.ts';

export interface KeyCache {
  /** The key with its facts; facts null where the certificate cannot be read. Rejects when it cannot be inspected now. */
  inspect(key: StoredKey): Promise<InspectedKey>;
}

export interface KeyCacheOptions extends KeyPolicy {
  /** Bytes that the kept certificates may take. */
  readonly maxBytes?: number;
  /** Of whoever seals in this thread: is given what has been parsed and verified here. */
  readonly certificates?: Pick<Certificates, 'keep'>;
}

/** Beside the sealing certificate: user IDs, windows, map entries. Bytes, estimated. */
const FACTS_OVERHEAD = 2048;

export function createKeyCache(options: KeyCacheOptions): KeyCache {
  const cache = new LRUCache<string, { readonly facts: CertificateFacts | null }, StoredKey>({
    maxSize: options.maxBytes ?? 64 * 1024 * 1024,
    sizeCalculation: ({ facts }) => FACTS_OVERHEAD + (facts?.sealing.byteLength ?? 0),
    ignoreFetchAbort: true,
    // What cannot be read is a fact; any other error rejects, and is not kept: it must not turn a key into a dead one.
    fetchMethod: async (_digest, _stale, { context }) => {
      const { kind, certificate } = context;
      if (kind === 'x509') return { facts: readableX509(certificate) };
      const components = await readComponents(certificate).catch(() => null);
      if (components === null) return { facts: null };
      const { facts, key } = await inspectForSealing(components, options);
      if (facts.flaw === null) options.certificates?.keep(facts.sealing, key);
      return { facts };
    },
  });
  return {
    async inspect(key) {
      const digest = createHash('sha256').update(key.certificate).digest('base64');
      const known = await cache.fetch(digest, { context: key });
      if (known === undefined) throw new Error('a certificate could not be inspected');
      return { key, facts: known.facts };
    },
  };
}

function readableX509(der: Uint8Array): CertificateFacts | null {
  try {
    return inspectX509(der);
  } catch {
    return null;
  }
}

// Facts of certificates by their SHA-256, so that a key is parsed and verified once and not for every message. Facts hold no
// "now": expiry is judged when a message comes.
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { StoredKey } from '../directory/types.ts';
import type { InspectedKey } from './choose.ts';
import { type CertificateFacts, inspectCertificate } from './inspect.ts';
import type { KeyPolicy } from './policy.ts';

export interface KeyCache {
  /** The key with its facts; facts null where the certificate cannot be read. Never rejects. */
  inspect(key: StoredKey): Promise<InspectedKey>;
}

export interface KeyCacheOptions extends KeyPolicy {
  /** Certificates that are kept at most. */
  readonly maxEntries?: number;
  /** Bytes that they may take. */
  readonly maxBytes?: number;
}

/** Beside the sealing certificate: user IDs, windows, map entries. Bytes, estimated. */
const FACTS_OVERHEAD = 2048;

export function createKeyCache(options: KeyCacheOptions): KeyCache {
  const cache = new LRUCache<string, { readonly facts: CertificateFacts | null }>({
    max: options.maxEntries ?? 20_000,
    maxSize: options.maxBytes ?? 64 * 1024 * 1024,
    sizeCalculation: ({ facts }) => FACTS_OVERHEAD + (facts?.sealing.byteLength ?? 0),
    ignoreFetchAbort: true,
    fetchMethod: async (_digest, _stale, { context }) => ({
      facts: await inspectCertificate(context as Uint8Array, options).catch(() => null),
    }),
  });
  return {
    async inspect(key) {
      const digest = createHash('sha256').update(key.certificate).digest('base64');
      const known = await cache.fetch(digest, { context: key.certificate });
      return { key, facts: known?.facts ?? null };
    },
  };
}

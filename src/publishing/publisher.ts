// What is found under a name, an address, a fingerprint: the certificates as everybody may have them. Nothing is kept longer than
// the question but the reduced forms of certificates, which are the same until the certificate or its owners are others.
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Address } from '../address/address.ts';
import { directoryHash } from '../address/directory-hash.ts';
import { parseTyped, partsOf } from '../address/normalise.ts';
import type { Config } from '../config/schema.ts';
import type { Database } from '../database/open.ts';
import { createBreather } from '../pacing/breather.ts';
import {
  findPublishingDomain,
  isOwners,
  keysOfAddress,
  keysOfFingerprint,
  ownerOfSubmissionAddress,
  type PublishedKey,
  type PublishingDomain,
  publishedAddresses,
} from './published.ts';
import { publishedForm } from './published-form.ts';
import { submissionAddress } from './submission-address.ts';
import { readSubmissionKey } from './submission-key.ts';

export interface PublisherContext {
  readonly database: Pick<Database, 'orm'>;
  readonly config: () => Config;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface Publisher {
  /** Null where it is no domain of ours. @param name A-labels in lower case */
  domain(name: string): Promise<PublishingDomain | null>;
  /** The submission address of a domain that has the Web Key Service; null where it has none. */
  submission(domain: PublishingDomain): Promise<string | null>;
  /**
   * By the hash of a name in a domain (draft-koch-openpgp-webkey-service-21, section 3.1).
   * @param local the name itself, which has to have that hash; null: it was not said
   */
  byHash(domain: PublishingDomain, hash: string, local: string | null): Promise<readonly Found[]>;
  byEmail(domain: PublishingDomain, local: string): Promise<readonly Found[]>;
  /** @param domain null: of all domains */
  byFingerprint(
    asked: { readonly fingerprint: string } | { readonly keyId: string },
    domain: PublishingDomain | null,
  ): Promise<readonly Found[]>;
}

export interface Found {
  /** Upper-case digits. */
  readonly fingerprint: string;
  /** Binary. */
  readonly certificate: Uint8Array;
}

/** Of reduced certificates. */
const KEPT_BYTES = 32 * 1024 * 1024;
/** What one answer holds at most; what comes after that is left out. */
const MOST_BYTES = 1024 * 1024;

/** Names of a domain by their hash are read at most so often: a name that was published since is found by `l=` only. */
const NAMES_AGE_MS = 10_000;
const DOMAINS_KEPT = 50;
/** Published addresses of a domain that are found by their hash alone. */
const MOST_NAMES = 100_000;

interface State extends PublisherContext {
  readonly forms: LRUCache<string, { readonly bytes: Buffer | null }>;
  /** Those that are being made. */
  readonly making: Map<string, Promise<Buffer | null>>;
  readonly names: LRUCache<
    number,
    { readonly at: number; readonly byHash: Promise<ReadonlyMap<string, string>> }
  >;
}

export function createPublisher(context: PublisherContext): Publisher {
  const state: State = {
    ...context,
    forms: new LRUCache({
      maxSize: KEPT_BYTES,
      sizeCalculation: ({ bytes }) => 200 + (bytes?.length ?? 0),
    }),
    making: new Map(),
    names: new LRUCache({ max: DOMAINS_KEPT }),
  };
  return {
    domain: (name) => findPublishingDomain(state.database, name),
    submission: (domain) => submission(state, domain),
    byHash: (domain, hash, local) => byHash(state, domain, hash, local),
    byEmail: (domain, local) => byEmail(state, domain, local),
    byFingerprint: async (asked, domain) =>
      reduced(state, await keysOfFingerprint(state.database, asked, domain)),
  };
}

async function submission(state: State, domain: PublishingDomain): Promise<string | null> {
  if (!domain.wks) return null;
  const { portal } = state.config();
  const address = submissionAddress(portal.key_address, domain.name);
  // Whoever sends there would wait for an answer in vain.
  if ((await ownerOfSubmissionAddress(state.database, address)) !== null) return null;
  return (await submissionKey(state, domain, address)) === null ? null : address;
}

/** The public part; null where there is no key, or one of another address. */
async function submissionKey(state: State, domain: PublishingDomain, address: string): Promise<Found | null> {
  const key = await readSubmissionKey(state.config().state_dir, domain.name);
  if (key === null || !key.addresses.includes(address)) return null;
  const { certificate } = key;
  return { fingerprint: certificate.getFingerprint().toUpperCase(), certificate: certificate.write() };
}

async function byHash(
  state: State,
  domain: PublishingDomain,
  hash: string,
  local: string | null,
): Promise<readonly Found[]> {
  const name = local ?? (await nameOf(state, domain, hash));
  return name === null || directoryHash(name) !== hash ? [] : byEmail(state, domain, name);
}

async function nameOf(state: State, domain: PublishingDomain, hash: string): Promise<string | null> {
  const { key_address: submission } = state.config().portal;
  return directoryHash(submission) === hash ? submission : ((await namesOf(state, domain)).get(hash) ?? null);
}

/** By hash; a hash of two names, which differ by case in such a domain, leads nowhere. */
function namesOf(state: State, domain: PublishingDomain): Promise<ReadonlyMap<string, string>> {
  const known = state.names.get(domain.id);
  // A clock that was set back makes them old, too.
  if (known !== undefined && Math.abs(state.now() - known.at) < NAMES_AGE_MS) return known.byHash;
  const byHash = readNames(state, domain);
  state.names.set(domain.id, { at: state.now(), byHash });
  byHash.catch(() => state.names.delete(domain.id));
  return byHash;
}

async function readNames(state: State, domain: PublishingDomain): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  const twice = new Set<string>();
  const breathe = createBreather();
  for (const address of await publishedAddresses(state.database, domain, MOST_NAMES)) {
    const { local } = partsOf(address as Address);
    const hash = directoryHash(local);
    if (names.has(hash)) twice.add(hash);
    names.set(hash, local);
    await breathe();
  }
  for (const hash of twice) names.delete(hash);
  return names;
}

async function byEmail(state: State, domain: PublishingDomain, local: string): Promise<readonly Found[]> {
  // As mail's: quotes undone, Unicode in one form, bounded.
  const parts = parseTyped(`${local}@${domain.name}`);
  if (parts === null || parts.local === '' || parts.domain !== domain.name) return [];
  const address = submissionAddress(state.config().portal.key_address, domain.name);
  if (domain.wks && parts.local.toLowerCase() === address.split('@')[0]?.toLowerCase()) {
    const own =
      (await submission(state, domain)) === null ? null : await submissionKey(state, domain, address);
    if (own !== null) return [own];
  }
  return reduced(state, await keysOfAddress(state.database, parts, domain));
}

async function reduced(state: State, keys: readonly PublishedKey[]): Promise<readonly Found[]> {
  const found: Found[] = [];
  let bytes = 0;
  for (const key of keys) {
    const certificate = await reducedForm(state, key);
    if (certificate === null || bytes + certificate.length > MOST_BYTES) continue;
    bytes += certificate.length;
    found.push({ fingerprint: key.fingerprint, certificate });
  }
  return found;
}

async function reducedForm(state: State, { stored, owners }: PublishedKey): Promise<Buffer | null> {
  const digest = createHash('sha256').update(JSON.stringify(owners)).update('\0').update(stored);
  const name = digest.digest('base64');
  const known = state.forms.get(name);
  if (known !== undefined) return known.bytes;
  // Verifying takes a while, and many may ask for the same key at once.
  const begun = state.making.get(name);
  if (begun !== undefined) return begun;
  const making = publishedForm(stored, (address) => isOwners(state.database, owners, address));
  state.making.set(name, making);
  try {
    const bytes = await making;
    state.forms.set(name, { bytes });
    return bytes;
  } finally {
    state.making.delete(name);
  }
}

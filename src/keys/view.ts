// A stored key as the commands print it: what the certificate says, and whether it can be used now.
import type { KeyKind } from '../directory/types.ts';
import { readX509, type X509Facts } from '../smime/certificate.ts';
import { chooseKeys } from './choose.ts';
import { readComponents } from './components.ts';
import { type AlgorithmFacts, type CertificateFacts, usableUntil } from './facts.ts';
import { inspectComponents } from './inspect.ts';
import { ownerInWords } from './owner.ts';
import type { KeyPolicy } from './policy.ts';
import type { OwnedKey } from './rows.ts';
import { type UnusedSubkey, unusedSubkeys } from './unused.ts';
import { factsOf } from './x509.ts';

/** Times are RFC 3339, null: never. */
export interface KeyView {
  readonly kind: KeyKind;
  readonly fingerprint: string;
  /** An address, or `@domain`. */
  readonly owner: string;
  readonly ownerKind: 'user' | 'contact' | 'domain';
  readonly status: 'active' | 'disabled';
  readonly source: string;
  readonly state: 'usable' | 'expired' | 'revoked' | 'disabled' | 'unusable';
  /** Why it is not usable; null where it is. */
  readonly because: string | null;
  readonly version: number | null;
  readonly algorithm: string | null;
  readonly created: string | null;
  /** When it can no longer be encrypted to: the earlier one of primary key and last encryption subkey. */
  readonly expires: string | null;
  readonly revoked: boolean;
  readonly userIds: readonly string[];
  readonly encryptionKeys: readonly {
    readonly fingerprint: string;
    readonly algorithm: string;
    readonly created: string;
    readonly expires: string | null;
    readonly revoked: boolean;
  }[];
  /** Subkeys that look as if mail were sealed to them, and are not used; of what was handed over. */
  readonly unusedSubkeys: readonly UnusedSubkey[];
  /** OpenPGP: the certificate is kept as it was handed over, and not only in the reduced form. */
  readonly original: boolean;
  /** Announces AEAD (SEIPD version 2). */
  readonly aead: boolean;
  /** What only an X.509 certificate has; null for OpenPGP, and where it cannot be read. */
  readonly x509: {
    readonly subject: string;
    readonly issuer: string;
    readonly serialNumber: string;
    readonly addresses: readonly string[];
    /** An administrator vouched for it. */
    readonly pinned: boolean;
  } | null;
  /** When it was stored first. */
  readonly added: string;
}

/**
 * Inspects a stored key for showing. Never rejects: an unreadable certificate is shown as unusable.
 * @param now Unix milliseconds
 */
export async function viewKey({ row, owner }: OwnedKey, policy: KeyPolicy, now: number): Promise<KeyView> {
  const x509 = row.kind === 'x509' ? readable(row.certificate) : null;
  const openPgp = row.kind === 'x509' ? null : await inspected(row, policy).catch(() => null);
  const facts = row.kind === 'x509' ? x509 && factsOf(x509, row.certificate) : (openPgp?.facts ?? null);
  const key = {
    kind: row.kind,
    fingerprint: row.fingerprint,
    certificate: row.certificate,
    status: row.status,
    source: row.source,
    createdAt: row.created_at,
  };
  const { state, because } = stateOf({ key, facts }, now);
  const until = facts === null ? null : usableUntil(facts);
  return {
    kind: row.kind,
    fingerprint: row.fingerprint,
    owner: ownerInWords(owner),
    ownerKind: owner.kind,
    status: row.status,
    source: row.source,
    state,
    because,
    version: facts?.version ?? null,
    algorithm: facts === null ? null : algorithmInWords(facts.algorithm),
    created: facts === null ? null : timeInWords(facts.created),
    expires: until === null ? null : timeInWords(until),
    revoked: facts?.revoked ?? row.revoked,
    userIds: facts?.userIds.map(({ text }) => text) ?? [],
    encryptionKeys: (facts?.encryptionKeys ?? []).map(
      ({ fingerprint, algorithm, created, expires, revoked }) => ({
        fingerprint,
        algorithm: algorithmInWords(algorithm),
        created: timeInWords(created),
        expires: expires === null ? null : timeInWords(expires),
        revoked,
      }),
    ),
    unusedSubkeys: openPgp?.unused ?? [],
    original: row.original !== null,
    aead: facts?.aead ?? false,
    x509: x509 && {
      subject: x509.subject,
      issuer: x509.issuer,
      serialNumber: x509.serialNumber,
      addresses: x509.addresses,
      pinned: row.pinned,
    },
    added: row.created_at.toISOString(),
  };
}

async function inspected({ certificate, original }: OwnedKey['row'], policy: KeyPolicy) {
  const components = await readComponents(certificate);
  return {
    facts: await inspectComponents(components, policy),
    unused: original === null ? [] : unusedSubkeys(original, () => true, components),
  };
}

function readable(der: Uint8Array): X509Facts | null {
  try {
    return readX509(der);
  } catch {
    return null;
  }
}

function stateOf(
  inspected: Parameters<typeof chooseKeys>[0][number] & { readonly facts: CertificateFacts | null },
  now: number,
): Pick<KeyView, 'state' | 'because'> {
  const choice = chooseKeys([inspected], now);
  if (choice.state === 'usable') return { state: 'usable', because: null };
  if (choice.state === 'expired') {
    const until = inspected.facts === null ? null : usableUntil(inspected.facts);
    return {
      state: 'expired',
      because: until === null ? 'expired' : `expired on ${timeInWords(until).slice(0, 10)}`,
    };
  }
  const because = choice.leftOut[0]?.because ?? null;
  if (inspected.key.status === 'disabled') return { state: 'disabled', because };
  return { state: inspected.facts?.revoked === true ? 'revoked' : 'unusable', because };
}

/** Whether a moment lies ahead, and within so many milliseconds. null: never. */
export function isWithin(moment: Date | null, period: number, now: number): boolean {
  return moment !== null && moment.getTime() > now && moment.getTime() - now <= period;
}

/**
 * The keys that can be used now, and no longer when a period has passed; the soonest first. Pure.
 * @param period, now milliseconds
 */
export function expiringWithin<View extends Pick<KeyView, 'state' | 'expires'>>(
  views: readonly View[],
  period: number,
  now: number,
): readonly View[] {
  return views
    .filter(
      ({ state, expires }) =>
        state === 'usable' && expires !== null && isWithin(new Date(expires), period, now),
    )
    .sort((a, b) => Date.parse(a.expires ?? '') - Date.parse(b.expires ?? ''));
}

function timeInWords(instant: number): string {
  return new Date(instant).toISOString().replace('.000Z', 'Z');
}

const NAMES: Readonly<Record<string, string>> = {
  rsaEncryptSign: 'RSA',
  rsa: 'RSA',
  ec: 'EC',
  rsaEncrypt: 'RSA',
  rsaSign: 'RSA',
  dsa: 'DSA',
  elgamal: 'ElGamal',
  ecdsa: 'ECDSA',
  ecdh: 'ECDH',
  eddsaLegacy: 'EdDSA',
  ed25519: 'Ed25519',
  x25519: 'X25519',
  ed448: 'Ed448',
  x448: 'X448',
};

const CURVES: Readonly<Record<string, string>> = { ed25519Legacy: 'Ed25519', curve25519Legacy: 'Curve25519' };

/** Such as `RSA 3072`, `ECDH Curve25519` or `X25519`. */
export function algorithmInWords({ name, bits, curve }: AlgorithmFacts): string {
  const detail = curve === undefined ? bits : (CURVES[curve] ?? curve);
  return [NAMES[name] ?? name, ...(detail === undefined ? [] : [String(detail)])].join(' ');
}

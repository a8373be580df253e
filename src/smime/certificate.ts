// What an X.509 certificate says (RFC 5280), as far as S/MIME asks: whom it names, what its key may do, how it is signed.
import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { BitString } from 'asn1js';
import {
  BasicConstraints,
  Certificate,
  type Extension,
  ExtKeyUsage,
  GeneralNames,
  RSASSAPSSParams,
} from 'pkijs';
import {
  ID_ANY_EXT_KEY_USAGE,
  ID_BASIC_CONSTRAINTS,
  ID_EMAIL_ADDRESS,
  ID_EMAIL_PROTECTION,
  ID_EXT_KEY_USAGE,
  ID_KEY_USAGE,
  ID_RSASSA_PSS,
  ID_SHA1,
  ID_SMTP_UTF8_MAILBOX,
  ID_SUBJECT_ALT_NAME,
  UNDERSTOOD_EXTENSIONS,
  WEAK_HASHES,
  WEAK_SIGNATURES,
} from './object-identifiers.ts';
import { CURVES } from './recipient.ts';

/** Everything about one certificate that does not depend on the time or on who is trusted. Times are Unix milliseconds. */
export interface X509Facts {
  /** SHA-256 of the DER, 64 upper-case hexadecimal digits. */
  readonly fingerprint: string;
  /** Distinguished names in one line, such as `CN=Alice, O=Example`. */
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal, upper case. */
  readonly serialNumber: string;
  readonly notBefore: number;
  /** The first moment at which it no longer holds. */
  readonly notAfter: number;
  /** rfc822Name and SmtpUTF8Mailbox of the subjectAltName, and emailAddress of the subject, each once, as written. */
  readonly addresses: readonly string[];
  readonly key: { readonly name: string; readonly bits?: number; readonly curve?: string };
  /** A key that is too short, in words; null for a good one. */
  readonly weakKey: string | null;
  /** Why the key cannot be used for encryption, in words; null where it can. */
  readonly noEncryption: string | null;
  /** The hash under its signature where that is broken: SHA-1 or MD5; null for a good one. */
  readonly weakSignature: string | null;
  /** extKeyUsage allows emailProtection, or there is none. */
  readonly emailProtection: boolean;
  /** basicConstraints says CA. */
  readonly authority: boolean;
  /** Signed with its own key. */
  readonly selfSigned: boolean;
  /** A critical extension that is not understood here (RFC 5280, section 4.2: refuse), as its OID; null for none. */
  readonly unknownCritical: string | null;
}

const MIN_RSA_BITS = 2048;

/** Bits of keyUsage (RFC 5280, section 4.2.1.3), in its first octet. */
const KEY_ENCIPHERMENT = 0x20;
const KEY_AGREEMENT = 0x08;

/**
 * Reads one certificate.
 * @param der exactly one, nothing behind it
 * @throws Error where it cannot be read
 */
export function readX509(der: Uint8Array): X509Facts {
  const openssl = new X509Certificate(der);
  const certificate = Certificate.fromBER(der);
  const usage = keyUsageOf(certificate);
  const purposes = parsed(certificate, ID_EXT_KEY_USAGE, ExtKeyUsage)?.keyPurposes;
  const { publicKey } = openssl;
  return {
    fingerprint: createHash('sha256').update(der).digest('hex').toUpperCase(),
    subject: inOneLine(openssl.subject),
    issuer: inOneLine(openssl.issuer),
    serialNumber: openssl.serialNumber,
    notBefore: certificate.notBefore.value.getTime(),
    notAfter: certificate.notAfter.value.getTime() + 1000,
    addresses: [...new Set(addressesOf(certificate))],
    key: keyOf(publicKey),
    weakKey: weaknessOf(publicKey),
    noEncryption: noEncryption(publicKey, usage),
    weakSignature: weakSignatureOf(certificate),
    emailProtection:
      purposes === undefined ||
      purposes.includes(ID_EMAIL_PROTECTION) ||
      purposes.includes(ID_ANY_EXT_KEY_USAGE),
    authority: parsed(certificate, ID_BASIC_CONSTRAINTS, BasicConstraints)?.cA === true,
    selfSigned: isSelfSigned(openssl),
    unknownCritical:
      certificate.extensions?.find(({ critical, extnID }) => critical && !UNDERSTOOD_EXTENSIONS.has(extnID))
        ?.extnID ?? null,
  };
}

/** OpenSSL's own check asks for keyCertSign as well, which a certificate that vouches for nobody else need not have. */
function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);
}

/** Node.js writes one attribute a line. */
function inOneLine(name: string): string {
  return (name ?? '').split('\n').join(', ');
}

function extensionOf(certificate: Certificate, id: string): Extension | undefined {
  return certificate.extensions?.find(({ extnID }) => extnID === id);
}

/**
 * An extension as pkijs parsed it; undefined where there is none.
 * @throws Error where it is there and cannot be parsed: it may forbid something
 */
export function parsed<Value>(
  certificate: Certificate,
  id: string,
  type: new (...args: never[]) => Value,
): Value | undefined {
  const extension = extensionOf(certificate, id);
  if (extension === undefined) return undefined;
  const value: unknown = extension.parsedValue;
  if (value instanceof type) return value;
  throw new Error(`the extension ${id} cannot be read`);
}

/** The first octet of keyUsage; undefined where there is none: anything is allowed. */
function keyUsageOf(certificate: Certificate): number | undefined {
  const bits = parsed(certificate, ID_KEY_USAGE, BitString);
  return bits === undefined ? undefined : (bits.valueBlock.valueHexView[0] ?? 0);
}

/** GeneralName's rfc822Name and otherName (RFC 5280, section 4.2.1.6). */
const OTHER_NAME = 0;
export const RFC822_NAME = 1;

function addressesOf(certificate: Certificate): readonly string[] {
  const extension = extensionOf(certificate, ID_SUBJECT_ALT_NAME);
  const names = extension === undefined ? [] : namesIn(extension);
  const alternative = names.flatMap(({ type, value }) => {
    if (type === RFC822_NAME) return [String(value)];
    return type === OTHER_NAME ? utf8MailboxOf(value) : [];
  });
  const legacy = certificate.subject.typesAndValues
    .filter(({ type }) => type === ID_EMAIL_ADDRESS)
    .map(({ value }) => String(value.valueBlock.value));
  return [...alternative, ...legacy];
}

function namesIn({ parsedValue }: Extension): readonly { readonly type: number; readonly value: unknown }[] {
  const { altNames } = parsedValue as { readonly altNames?: unknown };
  const names = altNames instanceof GeneralNames ? altNames : parsedValue;
  if (names instanceof GeneralNames) return names.names;
  if (Array.isArray(altNames)) return altNames as { readonly type: number; readonly value: unknown }[];
  throw new Error('the subjectAltName cannot be read');
}

/** otherName is SEQUENCE { type-id, [0] value } (RFC 9598, section 3). */
function utf8MailboxOf(value: unknown): readonly string[] {
  const parts = (value as { readonly valueBlock?: { readonly value?: readonly unknown[] } }).valueBlock
    ?.value;
  const [id, wrapped] = parts ?? [];
  if (String((id as { valueBlock?: unknown } | undefined)?.valueBlock) !== ID_SMTP_UTF8_MAILBOX) return [];
  const [text] = (wrapped as { readonly valueBlock: { readonly value: readonly unknown[] } }).valueBlock
    .value;
  return [String((text as { readonly valueBlock: { readonly value: unknown } }).valueBlock.value)];
}

function keyOf(key: KeyObject): X509Facts['key'] {
  const details = key.asymmetricKeyDetails;
  const name = key.asymmetricKeyType ?? 'unknown';
  const curve = details?.namedCurve;
  return {
    name,
    ...(details?.modulusLength === undefined ? {} : { bits: details.modulusLength }),
    ...(curve === undefined ? {} : { curve: CURVES.get(curve) ?? curve }),
  };
}

function weaknessOf(key: KeyObject): string | null {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return key.asymmetricKeyType?.startsWith('rsa') === true && bits < MIN_RSA_BITS
    ? `RSA with ${bits} bits`
    : null;
}

function noEncryption(key: KeyObject, usage: number | undefined): string | null {
  const { name, curve } = keyOf(key);
  if (name === 'rsa') {
    return usage === undefined || (usage & KEY_ENCIPHERMENT) !== 0
      ? null
      : 'its key usage does not include keyEncipherment';
  }
  if (name !== 'ec') return `a key of type ${name} cannot be encrypted to here`;
  if (![...CURVES.values()].includes(curve ?? ''))
    return `the curve ${curve ?? 'of its key'} is not supported`;
  return usage === undefined || (usage & KEY_AGREEMENT) !== 0
    ? null
    : 'its key usage does not include keyAgreement';
}

function weakSignatureOf({ signatureAlgorithm }: Certificate): string | null {
  const { algorithmId, algorithmParams } = signatureAlgorithm;
  if (algorithmId !== ID_RSASSA_PSS) return WEAK_SIGNATURES.get(algorithmId) ?? null;
  // RFC 8017, appendix A.2.3: without parameters the hash is SHA-1.
  const hash =
    algorithmParams === undefined
      ? ID_SHA1
      : new RSASSAPSSParams({ schema: algorithmParams }).hashAlgorithm.algorithmId;
  return WEAK_HASHES.get(hash) ?? null;
}

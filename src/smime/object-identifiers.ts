// The object identifiers of S/MIME that are written or compared here, each with its source.

/** RFC 5652, section 4. */
export const ID_DATA = '1.2.840.113549.1.7.1';
/** RFC 5652, section 5. */
export const ID_SIGNED_DATA = '1.2.840.113549.1.7.2';
/** RFC 5652, section 6. */
export const ID_ENVELOPED_DATA = '1.2.840.113549.1.7.3';
/** RFC 5083, section 2.1. */
export const ID_AUTH_ENVELOPED_DATA = '1.2.840.113549.1.9.16.1.23';

/** RFC 3565, section 4.1. */
export const ID_AES256_CBC = '2.16.840.1.101.3.4.1.42';
/** RFC 3565, section 4.2. */
export const ID_AES256_WRAP = '2.16.840.1.101.3.4.1.45';
/** RFC 5084, section 3.2. */
export const ID_AES256_GCM = '2.16.840.1.101.3.4.1.46';

/** RFC 8017, appendix C: keys for signatures and PKCS #1 v1.5, RSAES-OAEP, its mask generation. */
export const ID_RSA_ENCRYPTION = '1.2.840.113549.1.1.1';
export const ID_RSAES_OAEP = '1.2.840.113549.1.1.7';
export const ID_MGF1 = '1.2.840.113549.1.1.8';
export const ID_SHA256 = '2.16.840.1.101.3.4.2.1';

/** RFC 5753, section 7.1.4: dhSinglePass-stdDH-sha256kdf-scheme. */
export const ID_ECDH_SHA256_KDF = '1.3.132.1.11.1';

/** RFC 5280, section 4.2.1. */
export const ID_SUBJECT_KEY_IDENTIFIER = '2.5.29.14';
export const ID_KEY_USAGE = '2.5.29.15';
export const ID_SUBJECT_ALT_NAME = '2.5.29.17';
export const ID_BASIC_CONSTRAINTS = '2.5.29.19';
export const ID_NAME_CONSTRAINTS = '2.5.29.30';
export const ID_EXT_KEY_USAGE = '2.5.29.37';
/** RFC 5280, section 4.2.1.12. */
export const ID_ANY_EXT_KEY_USAGE = '2.5.29.37.0';
export const ID_EMAIL_PROTECTION = '1.3.6.1.5.5.7.3.4';
/** RFC 5280, appendix A.1: the emailAddress attribute of old subjects. */
export const ID_EMAIL_ADDRESS = '1.2.840.113549.1.9.1';
/** RFC 9598, section 3: an address with a local part that is not ASCII. */
export const ID_SMTP_UTF8_MAILBOX = '1.3.6.1.5.5.7.8.9';

/** RFC 4055, section 3.1. */
export const ID_RSASSA_PSS = '1.2.840.113549.1.1.10';
export const ID_SHA1 = '1.3.14.3.2.26';

/** Broken hashes (RFC 8017, appendix B.1), where a signature algorithm leaves the hash to its parameters. */
export const WEAK_HASHES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.2.2', 'MD2'],
  ['1.2.840.113549.2.4', 'MD4'],
  ['1.2.840.113549.2.5', 'MD5'],
  [ID_SHA1, 'SHA-1'],
]);

/** Signature algorithms over broken hashes (RFC 3279, section 2.2), and the hash. */
export const WEAK_SIGNATURES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.2', 'MD2'],
  ['1.2.840.113549.1.1.3', 'MD4'],
  ['1.2.840.113549.1.1.4', 'MD5'],
  ['1.2.840.113549.1.1.5', 'SHA-1'],
  ['1.3.14.3.2.29', 'SHA-1'],
  ['1.2.840.10045.4.1', 'SHA-1'],
  ['1.2.840.10040.4.3', 'SHA-1'],
]);

/** Extensions that may be critical: what they say is obeyed, or does not concern encryption (RFC 5280, section 4.2.1). */
export const UNDERSTOOD_EXTENSIONS: ReadonlySet<string> = new Set([
  ID_SUBJECT_KEY_IDENTIFIER,
  ID_KEY_USAGE,
  ID_SUBJECT_ALT_NAME,
  ID_BASIC_CONSTRAINTS,
  ID_EXT_KEY_USAGE,
  ID_NAME_CONSTRAINTS,
  // cRLDistributionPoints, certificatePolicies, policyMappings, policyConstraints, inhibitAnyPolicy
  '2.5.29.31',
  '2.5.29.32',
  '2.5.29.33',
  '2.5.29.36',
  '2.5.29.54',
]);

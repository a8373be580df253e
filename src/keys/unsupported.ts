// Key packets that cannot be used here, in words: what OpenPGP.js only calls unsupported. Pure.

/** RFC 9980: version, creation, algorithm; composite with an elliptic curve where a name says so. */
const POST_QUANTUM: ReadonlyMap<number, string> = new Map([
  [30, 'ML-DSA-65+Ed25519'],
  [31, 'ML-DSA-87+Ed448'],
  [32, 'SLH-DSA-SHAKE-128s'],
  [33, 'SLH-DSA-SHAKE-128f'],
  [34, 'SLH-DSA-SHAKE-256s'],
  [35, 'ML-KEM-768+X25519'],
  [36, 'ML-KEM-1024+X448'],
]);

/** LibrePGP's number for Kyber with an elliptic curve, as GnuPG 2.5 makes it. */
const LIBREPGP_KYBER = 8;
/** RFC 9580, section 9.1. */
const KNOWN_ALGORITHMS: ReadonlySet<number> = new Set([1, 2, 3, 16, 17, 18, 19, 22, 25, 26, 27, 28]);
/** Bodies of the versions 4, 5 and 6 have their algorithm behind the time of creation (RFC 9580, section 5.5.2). */
const ALGORITHM_AT = 5;

/**
 * What is not supported about a key packet.
 * @param body of a public key or public subkey packet
 * @returns null where there is nothing to name beside its version, or where it is supported
 */
export function unsupportedInWords(body: Uint8Array): string | null {
  const version = body[0] ?? 0;
  if (version < 4 || version > 6) return null;
  const algorithm = body[ALGORITHM_AT] ?? 0;
  if (algorithm === LIBREPGP_KYBER) return `LibrePGP's Kyber, version ${version}`;
  const postQuantum = POST_QUANTUM.get(algorithm);
  if (postQuantum !== undefined) return `post-quantum: ${postQuantum}, version ${version}`;
  if (version === 5) return 'version 5, which is only LibrePGP';
  return KNOWN_ALGORITHMS.has(algorithm) ? null : `algorithm ${algorithm}`;
}

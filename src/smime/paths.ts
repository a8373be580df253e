// The paths from a certificate up to trusted authorities (RFC 4158), by names and signatures; which of them holds is decided in
// chain.ts. pkijs looks for paths, too, but follows certificates that have signed each other for ever, and tries only one path.
import type { Certificate } from 'pkijs';

/** Authorities between a certificate and the trusted one: a longer path costs more time than it is worth. */
const MAX_BETWEEN = 12;
/** Authorities that have all signed each other have more paths between them than anybody could try. */
const MAX_UNFINISHED = 200;

/**
 * Finds the paths from a certificate to a trusted authority, the shortest ones first. Each certificate is issued by the next
 * one in it, by name and by signature, and none is there twice.
 * @param between authorities that are not trusted by themselves
 * @param roots trusted authorities
 * @returns the paths, the certificate first and the trusted authority last. Never rejects
 */
export async function* pathsToRoots(
  certificate: Certificate,
  between: readonly Certificate[],
  roots: readonly Certificate[],
): AsyncGenerator<readonly [Certificate, ...Certificate[]]> {
  const known = new Map<Certificate, readonly Certificate[]>();
  const unfinished: (readonly [Certificate, ...Certificate[]])[] = [[certificate]];
  for (const path of unfinished) {
    const last = path.at(-1) ?? certificate;
    const issuers = known.get(last) ?? (await issuersOf(last, [...roots, ...between]));
    known.set(last, issuers);
    for (const root of issuers.filter((each) => roots.includes(each))) yield [...path, root];
    if (path.length > MAX_BETWEEN) continue;
    for (const issuer of issuers) {
      const seen = roots.includes(issuer) || path.includes(issuer);
      if (!seen && unfinished.length < MAX_UNFINISHED) unfinished.push([...path, issuer]);
    }
  }
}

async function issuersOf(
  certificate: Certificate,
  authorities: readonly Certificate[],
): Promise<readonly Certificate[]> {
  const issuers: Certificate[] = [];
  for (const authority of authorities) {
    // A signature that cannot be checked, such as one of an unknown kind, is none.
    const signed =
      certificate.issuer.isEqual(authority.subject) &&
      (await certificate.verify(authority).catch(() => false));
    if (signed) issuers.push(authority);
  }
  return issuers;
}

// Whether a certificate comes from an authority that is trusted: path validation by pkijs (RFC 5280, section 6: signatures,
// validity, basicConstraints, names, policies), and what it leaves out: path length, whose mail addresses an authority may
// certify, and on the way purposes, weak keys, critical extensions and weak hashes.
import { BasicConstraints, Certificate, CertificateChainValidationEngine } from 'pkijs';
import { readX509, type X509Facts } from './certificate.ts';
import { addressNotAllowed } from './name-constraints.ts';
import { ID_BASIC_CONSTRAINTS } from './object-identifiers.ts';
import { pathsToRoots } from './paths.ts';

export type ChainResult = { readonly trusted: true } | { readonly trusted: false; readonly because: string };

/**
 * Validates the path from a certificate to a trust anchor. Revocation lists and OCSP are not asked.
 * @param der the certificate
 * @param chain what came beside it, in any order
 * @param anchors trusted authorities; a certificate that is itself among them is trusted
 * @param now Unix milliseconds
 */
export async function validateChain(
  der: Buffer,
  chain: readonly Buffer[],
  anchors: readonly Buffer[],
  now: number,
): Promise<ChainResult> {
  if (anchors.some((anchor) => anchor.equals(der))) return { trusted: true };
  const no = (because: string): ChainResult => ({ trusted: false, because });
  const leaf = Certificate.fromBER(der);
  const authorities = chain.map((each) => Certificate.fromBER(each)).filter(isAuthority);
  const roots = anchorsFor([leaf, ...authorities], anchors);
  if (roots.length === 0) return no('no trusted authority has issued it or its chain');
  const between = authorities.filter((each) => !roots.some((root) => sameCertificate(root, each)));
  let first: ChainResult | undefined;
  for await (const path of pathsToRoots(leaf, between, roots)) {
    const result = await validatePath(path, now);
    if (result.trusted) return result;
    first ??= result;
  }
  return first ?? no('its signature, or one on the way, is of none of the authorities that it names');
}

/** @param path each certificate signed by the next one, the anchor last */
async function validatePath(path: readonly Certificate[], now: number): Promise<ChainResult> {
  const engine = new CertificateChainValidationEngine({
    // The certificate itself is the last one.
    certs: path.slice(0, -1).reverse(),
    trustedCerts: path.slice(-1),
    checkDate: new Date(now),
    findIssuer: async (certificate) => {
      const above = path.indexOf(certificate) + 1;
      return path.slice(above, above + 1);
    },
  });
  const { result, resultMessage } = await engine.verify();
  return result ? judgePath(path) : { trusted: false, because: lowerFirst(resultMessage) };
}

/**
 * The anchors that some certificate names as its issuer, by the bytes of the name: parsing every authority of a machine
 * would take a second.
 */
function anchorsFor(certificates: readonly Certificate[], anchors: readonly Buffer[]): Certificate[] {
  const issuers = certificates.map(({ issuer }) => Buffer.from(issuer.toSchema().toBER()));
  return anchors
    .filter((anchor) => issuers.some((issuer) => anchor.includes(issuer)))
    .map((anchor) => Certificate.fromBER(anchor));
}

function judgePath(path: readonly Certificate[]): ChainResult {
  const no = (because: string): ChainResult => ({ trusted: false, because });
  const facts = path.map((each) => readX509(new Uint8Array(each.toSchema().toBER())));
  const addresses = facts[0]?.addresses ?? [];
  const anchor = facts.length - 1;
  for (const [index, certificate] of path.entries()) {
    const authority = facts[index];
    if (index === 0 || authority === undefined) continue;
    const most = pathLengthOf(certificate);
    const between = facts.slice(1, index).filter(({ subject, issuer }) => subject !== issuer).length;
    if (most !== null && between > most) return no(`${authority.subject} may not have an authority below it`);
    const outside = addressNotAllowed(certificate, addresses);
    if (outside !== null) return no(`${authority.subject} may not issue certificates for ${outside}`);
    const flaw = index === anchor ? null : flawOf(authority);
    if (flaw !== null) return no(flaw);
  }
  return { trusted: true };
}

/** What is asked of an authority that is not trusted by itself. */
function flawOf({
  subject,
  emailProtection,
  weakKey,
  unknownCritical,
  weakSignature,
}: X509Facts): string | null {
  if (!emailProtection) return `${subject} may not issue certificates for mail`;
  if (weakKey !== null) return `${subject} uses ${weakKey}, which is too weak`;
  if (unknownCritical !== null) {
    return `${subject} has the critical extension ${unknownCritical}, which is not understood here`;
  }
  return weakSignature === null ? null : `the signature of ${subject} rests on ${weakSignature}`;
}

function pathLengthOf(certificate: Certificate): number | null {
  const constraints = certificate.extensions?.find(
    ({ extnID }) => extnID === ID_BASIC_CONSTRAINTS,
  )?.parsedValue;
  if (!(constraints instanceof BasicConstraints)) return null;
  const { pathLenConstraint } = constraints;
  return typeof pathLenConstraint === 'number' ? pathLenConstraint : null;
}

function isAuthority(certificate: Certificate): boolean {
  const constraints = certificate.extensions?.find(
    ({ extnID }) => extnID === ID_BASIC_CONSTRAINTS,
  )?.parsedValue;
  return constraints instanceof BasicConstraints && constraints.cA;
}

function sameCertificate(a: Certificate, b: Certificate): boolean {
  return Buffer.compare(a.tbsView, b.tbsView) === 0;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

// Whether a certificate comes from an authority that is trusted: path validation by pkijs (RFC 5280, section 6: signatures,
// validity, basicConstraints, names, policies), and what it leaves out: path length, purposes and weak hashes on the way.
import { BasicConstraints, Certificate, CertificateChainValidationEngine } from 'pkijs';
import { readX509 } from './certificate.ts';
import { ID_BASIC_CONSTRAINTS } from './object-identifiers.ts';

/** A path longer than this, or a heap of cross-signed authorities, costs more time than it is worth. */
const MAX_AUTHORITIES = 12;

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
  if (chain.length > MAX_AUTHORITIES) return no(`more than ${MAX_AUTHORITIES} certificates came beside it`);
  const leaf = Certificate.fromBER(der);
  const authorities = chain.map((each) => Certificate.fromBER(each)).filter(isAuthority);
  const roots = anchorsFor([leaf, ...authorities], anchors);
  if (roots.length === 0) return no('no trusted authority has issued it or its chain');
  const engine = new CertificateChainValidationEngine({
    // The certificate itself is the last one.
    certs: [...authorities.filter((each) => !roots.some((root) => sameCertificate(root, each))), leaf],
    trustedCerts: roots,
    checkDate: new Date(now),
  });
  const { result, resultMessage, certificatePath } = await engine.verify();
  if (!result || certificatePath === undefined) return no(lowerFirst(resultMessage));
  return judgePath(certificatePath);
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
  const anchor = facts.length - 1;
  for (const [index, authority] of facts.entries()) {
    if (index === 0) continue;
    const most = pathLengthOf(path[index]);
    const between = facts.slice(1, index).filter(({ subject, issuer }) => subject !== issuer).length;
    if (most !== null && between > most) return no(`${authority.subject} may not have an authority below it`);
    if (index === anchor) continue;
    if (!authority.emailProtection) return no(`${authority.subject} may not issue certificates for mail`);
    if (authority.weakSignature !== null) {
      return no(`the signature of ${authority.subject} rests on ${authority.weakSignature}`);
    }
  }
  return { trusted: true };
}

function pathLengthOf(certificate: Certificate | undefined): number | null {
  const constraints = certificate?.extensions?.find(
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

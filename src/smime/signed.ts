// A signed S/MIME message (RFC 8551, section 3.5): whether the signature is one over what stands there, by the key of a certificate in
// it. Who may vouch for that certificate is another question (chain.ts).
import { Certificate, ContentInfo, SignedData } from 'pkijs';
import { ID_SIGNED_DATA, WEAK_HASHES } from './object-identifiers.ts';
import { readX509Upload } from './upload.ts';

export type SignedResult =
  | {
      readonly ok: true;
      /** The certificate whose key has signed, in DER as it stands in the message. */
      readonly signer: Buffer;
      /** Every other certificate beside it. */
      readonly others: readonly Buffer[];
    }
  | { readonly ok: false; readonly because: string };

/**
 * Verifies a signature. Never rejects.
 * @param cms the ContentInfo in DER or BER
 * @param content what is signed, with CRLF line ends, where it stands beside the signature (multipart/signed); null: in it
 */
export async function verifySigned(cms: Buffer, content: Buffer | null): Promise<SignedResult> {
  const no = (because: string): SignedResult => ({ ok: false, because });
  try {
    const { contentType, content: inner } = ContentInfo.fromBER(cms);
    if (contentType !== ID_SIGNED_DATA) return no('it is no signed message');
    const signed = new SignedData({ schema: inner });
    const [signer, ...more] = signed.signerInfos;
    if (signer === undefined || more.length > 0) return no('it has not exactly one signature');
    const weak = WEAK_HASHES.get(signer.digestAlgorithm.algorithmId);
    if (weak !== undefined) return no(`its signature rests on ${weak}`);
    const inside = signed.encapContentInfo.eContent !== undefined;
    if (inside !== (content === null)) return no('what is signed stands in the wrong place');
    const { signatureVerified, signerCertificate } = await signed.verify({
      signer: 0,
      checkChain: false,
      extendedMode: true,
      ...(content === null ? {} : { data: Uint8Array.from(content).buffer }),
    });
    if (signatureVerified !== true || !signerCertificate) return no('its signature is wrong');
    return withItsBytes(cms, signerCertificate);
  } catch (error) {
    return no(error instanceof Error ? error.message : String(error));
  }
}

function withItsBytes(cms: Buffer, signer: Certificate): SignedResult {
  const upload = readX509Upload(cms);
  if (!upload.ok) return { ok: false, because: 'its certificates cannot be read' };
  const isSigner = (der: Buffer): boolean =>
    Buffer.compare(Certificate.fromBER(der).tbsView, signer.tbsView) === 0;
  const found = upload.certificates.find(isSigner);
  if (found === undefined) return { ok: false, because: 'the certificate of its signer is not in it' };
  return { ok: true, signer: found, others: upload.certificates.filter((each) => each !== found) };
}

// Whom an encrypted CMS message names: for `explain`, which says whether a recipient can read it. The filter itself asks no
// more than message/cms.ts.
import { type BaseBlock, fromBER, OctetString, Sequence, Set as SetOf } from 'asn1js';
import {
  Certificate,
  ContentInfo,
  IssuerAndSerialNumber,
  KeyAgreeRecipientInfo,
  KeyTransRecipientInfo,
  RecipientInfo,
  RecipientKeyIdentifier,
} from 'pkijs';
import { keyIdentifierOf } from './recipient.ts';

/** One recipient of a message, by issuer and serial number, or by the subject key identifier. Hexadecimal, upper case. */
export type NamedRecipient =
  | { readonly issuer: string; readonly serialNumber: string }
  | { readonly keyIdentifier: string };

/**
 * Reads the recipients of an EnvelopedData or AuthEnvelopedData.
 * @returns those with certificates, in order; null where the structure cannot be read. Never throws
 */
export function readNamedRecipients(der: Buffer): readonly NamedRecipient[] | null {
  try {
    const { offset, result } = fromBER(der, { copyInput: false });
    if (offset === -1) return null;
    const { content } = new ContentInfo({ schema: result });
    if (!(content instanceof Sequence)) return null;
    const infos = content.valueBlock.value.find((block: BaseBlock) => block instanceof SetOf);
    if (!(infos instanceof SetOf)) return null;
    return infos.valueBlock.value.flatMap((schema: BaseBlock) => namesIn(new RecipientInfo({ schema })));
  } catch {
    return null;
  }
}

function namesIn({ value }: RecipientInfo): readonly NamedRecipient[] {
  if (value instanceof KeyTransRecipientInfo) return nameOf(value.rid);
  if (!(value instanceof KeyAgreeRecipientInfo)) return [];
  return value.recipientEncryptedKeys.encryptedKeys.flatMap(({ rid }) => nameOf(rid.value));
}

function nameOf(rid: unknown): readonly NamedRecipient[] {
  if (rid instanceof IssuerAndSerialNumber) return [issuerAndSerial(rid)];
  const identifier = rid instanceof RecipientKeyIdentifier ? rid.subjectKeyIdentifier : rid;
  return identifier instanceof OctetString
    ? [{ keyIdentifier: hex(identifier.valueBlock.valueHexView) }]
    : [];
}

function issuerAndSerial({
  issuer,
  serialNumber,
}: Pick<Certificate, 'issuer' | 'serialNumber'>): NamedRecipient {
  return {
    issuer: hex(new Uint8Array(issuer.toSchema().toBER())),
    serialNumber: hex(serialNumber.valueBlock.valueHexView),
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}

/** Whether one of the names is that of one of the certificates, in DER; what cannot be read is nobody. */
export function namesOneOf(names: readonly NamedRecipient[], certificates: readonly Uint8Array[]): boolean {
  return certificates.some((der) => {
    const own = namesOfCertificate(der).map(inWords);
    return names.some((name) => own.includes(inWords(name)));
  });
}

function namesOfCertificate(der: Uint8Array): readonly NamedRecipient[] {
  try {
    const certificate = Certificate.fromBER(der);
    const identifier = keyIdentifierOf(certificate);
    return [
      issuerAndSerial(certificate),
      ...(identifier === null ? [] : [{ keyIdentifier: hex(identifier) }]),
    ];
  } catch {
    return [];
  }
}

function inWords(name: NamedRecipient): string {
  return 'keyIdentifier' in name ? `key ${name.keyIdentifier}` : `${name.issuer} ${name.serialNumber}`;
}

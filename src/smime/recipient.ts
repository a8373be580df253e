// How one recipient of a CMS message gets its key: by RSA (RFC 5652, section 6.2.1), or by an ephemeral elliptic curve key
// (RFC 5753, section 3.1).
import {
  constants,
  createCipheriv,
  createHash,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  X509Certificate,
} from 'node:crypto';
import { type BaseBlock, fromBER, Null, OctetString } from 'asn1js';
import {
  AlgorithmIdentifier,
  Certificate,
  ECCCMSSharedInfo,
  IssuerAndSerialNumber,
  KeyAgreeRecipientIdentifier,
  KeyAgreeRecipientInfo,
  KeyTransRecipientInfo,
  OriginatorIdentifierOrKey,
  OriginatorPublicKey,
  RecipientEncryptedKey,
  RecipientEncryptedKeys,
  RecipientInfo,
  RecipientKeyIdentifier,
  RSAESOAEPParams,
} from 'pkijs';
import type { CmsJob } from '../openpgp/types.ts';
import {
  ID_AES256_WRAP,
  ID_ECDH_SHA256_KDF,
  ID_MGF1,
  ID_RSA_ENCRYPTION,
  ID_RSAES_OAEP,
  ID_SHA256,
  ID_SUBJECT_KEY_IDENTIFIER,
} from './object-identifiers.ts';

/** A certificate, parsed once. */
export interface CmsRecipient {
  readonly certificate: Certificate;
  readonly publicKey: KeyObject;
  /** Upper-case hexadecimal SHA-256 of the DER. */
  readonly fingerprint: string;
}

/** OpenSSL's names of the curves that RFC 5753 and every S/MIME client know. */
export const CURVES: ReadonlyMap<string, string> = new Map([
  ['prime256v1', 'P-256'],
  ['secp384r1', 'P-384'],
  ['secp521r1', 'P-521'],
]);

/** RFC 3394, section 2.2.3.1. */
const WRAP_IV = Buffer.alloc(8, 0xa6);
const WRAP_KEY_BYTES = 32;

/** Parses a certificate. @throws Error where it is none */
export function readCmsRecipient(der: Uint8Array): CmsRecipient {
  return {
    certificate: Certificate.fromBER(der),
    publicKey: new X509Certificate(der).publicKey,
    fingerprint: createHash('sha256').update(der).digest('hex').toUpperCase(),
  };
}

/**
 * Encrypts a message's key to one recipient.
 * @throws Error where the certificate's key cannot be encrypted to
 */
export function wrapFor(recipient: CmsRecipient, contentKey: Buffer, job: CmsJob): RecipientInfo {
  const { publicKey } = recipient;
  const kind = publicKey.asymmetricKeyType;
  if (kind === 'rsa') return transport(recipient, contentKey, job);
  if (kind === 'ec' && CURVES.has(publicKey.asymmetricKeyDetails?.namedCurve ?? '')) {
    return agree(recipient, contentKey, job);
  }
  throw new Error(`the key of certificate ${recipient.fingerprint} cannot be encrypted to`);
}

/** RSAES-OAEP with SHA-256 (RFC 8017; RFC 8551, section 2.3), or PKCS #1 v1.5 where the reader is said to know nothing else. */
function transport(recipient: CmsRecipient, contentKey: Buffer, job: CmsJob): RecipientInfo {
  const { publicKey: key } = recipient;
  const oaep = job.rsa === 'oaep';
  const encrypted = oaep
    ? publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, contentKey)
    : publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, contentKey);
  const keyIdentifier = job.identifiers === 'key' ? keyIdentifierOf(recipient.certificate) : null;
  return new RecipientInfo({
    variant: 1,
    value: new KeyTransRecipientInfo({
      version: keyIdentifier === null ? 0 : 2,
      rid:
        keyIdentifier === null
          ? issuerAndSerial(recipient.certificate)
          : new OctetString({ valueHex: keyIdentifier }),
      keyEncryptionAlgorithm: oaep
        ? oaepAlgorithm()
        : new AlgorithmIdentifier({ algorithmId: ID_RSA_ENCRYPTION, algorithmParams: new Null() }),
      encryptedKey: new OctetString({ valueHex: encrypted }),
    }),
  });
}

function oaepAlgorithm(): AlgorithmIdentifier {
  const hashAlgorithm = new AlgorithmIdentifier({ algorithmId: ID_SHA256, algorithmParams: new Null() });
  return new AlgorithmIdentifier({
    algorithmId: ID_RSAES_OAEP,
    algorithmParams: new RSAESOAEPParams({
      hashAlgorithm,
      maskGenAlgorithm: new AlgorithmIdentifier({
        algorithmId: ID_MGF1,
        algorithmParams: hashAlgorithm.toSchema(),
      }),
    }).toSchema(),
  });
}

/** ECDH with a key pair for this message and this recipient alone, X9.63 KDF over SHA-256, AES-256 key wrap. */
function agree(recipient: CmsRecipient, contentKey: Buffer, job: CmsJob): RecipientInfo {
  const namedCurve = recipient.publicKey.asymmetricKeyDetails?.namedCurve ?? '';
  const ephemeral = generateKeyPairSync('ec', { namedCurve });
  const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: recipient.publicKey });
  const wrapAlgorithm = new AlgorithmIdentifier({ algorithmId: ID_AES256_WRAP });
  const wrapKey = deriveWrapKey(shared, wrapAlgorithm);
  const cipher = createCipheriv('id-aes256-wrap', wrapKey, WRAP_IV);
  const wrapped = Buffer.concat([cipher.update(contentKey), cipher.final()]);
  const keyIdentifier = job.identifiers === 'key' ? keyIdentifierOf(recipient.certificate) : null;
  const spki = ephemeral.publicKey.export({ type: 'spki', format: 'der' });
  return new RecipientInfo({
    variant: 2,
    value: new KeyAgreeRecipientInfo({
      version: 3,
      originator: new OriginatorIdentifierOrKey({ variant: 3, value: OriginatorPublicKey.fromBER(spki) }),
      keyEncryptionAlgorithm: new AlgorithmIdentifier({
        algorithmId: ID_ECDH_SHA256_KDF,
        algorithmParams: wrapAlgorithm.toSchema(),
      }),
      recipientEncryptedKeys: new RecipientEncryptedKeys({
        encryptedKeys: [
          new RecipientEncryptedKey({
            rid:
              keyIdentifier === null
                ? new KeyAgreeRecipientIdentifier({
                    variant: 1,
                    value: issuerAndSerial(recipient.certificate),
                  })
                : new KeyAgreeRecipientIdentifier({
                    variant: 2,
                    value: new RecipientKeyIdentifier({
                      subjectKeyIdentifier: new OctetString({ valueHex: keyIdentifier }),
                    }),
                  }),
            encryptedKey: new OctetString({ valueHex: wrapped }),
          }),
        ],
      }),
    }),
  });
}

/** ANSI-X9.63-KDF (SEC 1, section 3.6.1) over ECC-CMS-SharedInfo (RFC 5753, section 7.2): one SHA-256 block is the key. */
function deriveWrapKey(shared: Buffer, wrapAlgorithm: AlgorithmIdentifier): Buffer {
  const bits = Buffer.alloc(4);
  bits.writeUInt32BE(WRAP_KEY_BYTES * 8);
  const info = new ECCCMSSharedInfo({
    keyInfo: wrapAlgorithm,
    suppPubInfo: new OctetString({ valueHex: bits }),
  });
  return createHash('sha256')
    .update(shared)
    .update(Buffer.from([0, 0, 0, 1]))
    .update(Buffer.from(info.toSchema().toBER()))
    .digest();
}

function issuerAndSerial({ issuer, serialNumber }: Certificate): IssuerAndSerialNumber {
  return new IssuerAndSerialNumber({ issuer, serialNumber });
}

/** The subject key identifier (RFC 5280, section 4.2.1.2), or null where the certificate has none. */
export function keyIdentifierOf(certificate: Certificate): Uint8Array | null {
  const extension = certificate.extensions?.find(({ extnID }) => extnID === ID_SUBJECT_KEY_IDENTIFIER);
  if (extension === undefined) return null;
  const { result } = fromBER(extension.extnValue.valueBlock.valueHexView) as { result: BaseBlock };
  return result instanceof OctetString ? new Uint8Array(result.valueBlock.valueHexView) : null;
}

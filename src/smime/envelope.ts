// The CMS structure around one message: AuthEnvelopedData (RFC 5083) with AES-256-GCM, or EnvelopedData (RFC 5652) with
// AES-256-CBC for clients that know nothing newer. pkijs and asn1js write every byte of ASN.1; node:crypto encrypts.
import { createCipheriv, randomBytes } from 'node:crypto';
import { Integer, OctetString, Sequence, Set as SetOf } from 'asn1js';
import {
  AlgorithmIdentifier,
  ContentInfo,
  EncryptedContentInfo,
  EnvelopedData,
  type RecipientInfo,
} from 'pkijs';
import type { CmsJob } from '../openpgp/types.ts';
import {
  ID_AES256_CBC,
  ID_AES256_GCM,
  ID_AUTH_ENVELOPED_DATA,
  ID_DATA,
  ID_ENVELOPED_DATA,
} from './object-identifiers.ts';

const KEY_BYTES = 32;
/** RFC 5084, section 3.2: 12 octets is the recommended nonce; each key is used once. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const BLOCK_BYTES = 16;

/** A message that was encrypted with a key of its own, and what its structure says of that. */
interface EncryptedContent {
  readonly info: EncryptedContentInfo;
  /** The authentication tag; null for CBC, which has none. */
  readonly tag: Buffer | null;
}

/** Gives the content-encryption key to every recipient. */
export type WrapKey = (contentKey: Buffer) => readonly RecipientInfo[];

/**
 * Encrypts a message and writes the ContentInfo around it, in DER.
 * @param plaintext the whole MIME entity
 * @param wrapKey encrypts the fresh key of this message to each recipient
 */
export function writeEnvelope(plaintext: Uint8Array, cipher: CmsJob['cipher'], wrapKey: WrapKey): Uint8Array {
  const contentKey = randomBytes(KEY_BYTES);
  const recipients = wrapKey(contentKey);
  const { info, tag } =
    cipher === 'gcm' ? encryptGcm(plaintext, contentKey) : encryptCbc(plaintext, contentKey);
  contentKey.fill(0);
  const content =
    tag === null
      ? new ContentInfo({
          contentType: ID_ENVELOPED_DATA,
          content: new EnvelopedData({
            version: envelopedVersion(recipients),
            recipientInfos: [...recipients],
            encryptedContentInfo: info,
          }).toSchema(),
        })
      : new ContentInfo({
          contentType: ID_AUTH_ENVELOPED_DATA,
          content: authEnvelopedData(recipients, info, tag),
        });
  return new Uint8Array(content.toSchema().toBER());
}

/**
 * AuthEnvelopedData without attributes, which pkijs does not know (RFC 5083, section 2.1): version 0, the recipients, the
 * encrypted content, and the tag. Nothing beside the content is authenticated, as section 2.2 says where authAttrs is absent.
 */
function authEnvelopedData(
  recipients: readonly RecipientInfo[],
  info: EncryptedContentInfo,
  tag: Buffer,
): Sequence {
  return new Sequence({
    value: [
      new Integer({ value: 0 }),
      new SetOf({ value: recipients.map((recipient) => recipient.toSchema()) }),
      info.toSchema(),
      new OctetString({ valueHex: tag }),
    ],
  });
}

/** RFC 5652, section 6.1: 0 where every recipient has version 0 (issuer and serial number, RSA), else 2. */
function envelopedVersion(recipients: readonly RecipientInfo[]): number {
  return recipients.every(({ value }) => value !== undefined && 'version' in value && value.version === 0)
    ? 0
    : 2;
}

function encryptGcm(plaintext: Uint8Array, key: Buffer): EncryptedContent {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  // GCMParameters (RFC 5084, section 3.2); the length of the tag must be there, its default is 12.
  const parameters = new Sequence({
    value: [new OctetString({ valueHex: nonce }), new Integer({ value: TAG_BYTES })],
  });
  return { info: contentInfo(ID_AES256_GCM, parameters, ciphertext), tag: cipher.getAuthTag() };
}

function encryptCbc(plaintext: Uint8Array, key: Buffer): EncryptedContent {
  const iv = randomBytes(BLOCK_BYTES);
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { info: contentInfo(ID_AES256_CBC, new OctetString({ valueHex: iv }), ciphertext), tag: null };
}

function contentInfo(
  algorithmId: string,
  algorithmParams: Sequence | OctetString,
  ciphertext: Buffer,
): EncryptedContentInfo {
  return new EncryptedContentInfo({
    // One string, as DER wants it, and as our own detection and every reader take it.
    disableSplit: true,
    contentType: ID_DATA,
    contentEncryptionAlgorithm: new AlgorithmIdentifier({ algorithmId, algorithmParams }),
    encryptedContent: new OctetString({ valueHex: ciphertext }),
  });
}

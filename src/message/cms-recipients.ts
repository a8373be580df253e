// The recipients of a message that is CMS as a whole, for `explain`.
import { type NamedRecipient, readNamedRecipients } from '../smime/named-recipients.ts';
import { encryptedCmsKind } from './cms.ts';
import { readEntity } from './entity.ts';
import { splitMessage } from './header.ts';
import { decodeTransferEncoding } from './transfer-encoding.ts';

/** @returns null where the message is no encrypted CMS, or its recipients cannot be read */
export function cmsRecipients(message: Buffer): readonly NamedRecipient[] | null {
  const parts = splitMessage(message);
  const der = decodeTransferEncoding(parts.body, readEntity(parts).encoding);
  return der === null || encryptedCmsKind(der) === null ? null : readNamedRecipients(der);
}

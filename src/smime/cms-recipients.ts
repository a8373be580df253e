// The recipients of a message that is CMS as a whole, for `explain`.

import { encryptedCmsKind } from '../message/cms.ts';
import { readEntity } from '../message/entity.ts';
import { splitMessage } from '../message/header.ts';
import { decodeTransferEncoding } from '../message/transfer-encoding.ts';
import { type NamedRecipient, readNamedRecipients } from './named-recipients.ts';

/** @returns null where the message is no encrypted CMS, or its recipients cannot be read */
export function cmsRecipients(message: Buffer): readonly NamedRecipient[] | null {
  const parts = splitMessage(message);
  const der = decodeTransferEncoding(parts.body, readEntity(parts).encoding);
  return der === null || encryptedCmsKind(der) === null ? null : readNamedRecipients(der);
}

// "Already encrypted?": decided by structure alone, never by searching for words. In doubt the answer is no, and
// the message is sealed once more: a reader can undo that, and nobody can undo a leak.

import { detectInMultipart } from './detect-multipart.ts';
import type { Detection } from './detection.ts';
import { mediaType, readEntity } from './entity.ts';
import { splitMessage } from './header.ts';
import { judgeLeaf } from './leaf.ts';

/**
 * Decides whether a message is encrypted already. Pure, and linear in the message's length; ordinary mail costs
 * microseconds, since the beginning of its first part settles it.
 */
export function detectEncrypted(message: Buffer): Detection {
  const parts = splitMessage(message);
  const entity = readEntity(parts);
  const { contentType } = entity;
  if (contentType === null) return no('the Content-Type cannot be read, or can be read in two ways');
  if (contentType.type === 'multipart') return detectInMultipart(entity, parts.body);
  const leaf = judgeLeaf(entity, parts.body);
  if (!leaf.encrypted) return leaf;
  // A file that is an OpenPGP message belongs into a multipart; alone, mail programs show a file and no mail.
  if (leaf.how === 'attachment')
    return no(`${mediaType(contentType)} alone, an encrypted file and no encrypted mail`);
  return { encrypted: true, how: leaf.how, because: leaf.because, keyIds: [...new Set(leaf.keyIds)] };
}

function no(because: string): Detection {
  return { encrypted: false, because };
}

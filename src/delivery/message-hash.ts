// What a message and its recipients are remembered by: hashes, so that no table holds an address or a queue ID.
import { createHash } from 'node:crypto';
import { formatNextHop, type NextHop } from '../config/units.ts';
import type { RawPath } from '../smtp/types.ts';
import { contentHash } from './content-hash.ts';

/** What makes two deliveries the same message. */
export interface MessageIdentity {
  /** XFORWARD IDENT: Postfix's queue ID; '' where it is absent (Postfix's own bounces). */
  readonly queueId: string;
  /** Used where the queue ID is absent. */
  readonly messageId: string;
  readonly sender: RawPath;
  readonly content: Uint8Array;
  /** The next hop of a listener that has one of its own: what one next hop has accepted, the other one may still lack. */
  readonly nextHop?: NextHop | undefined;
}

/**
 * SHA-256 in hexadecimal of what identifies a message: queue ID and content; else Message-ID, sender and content. Where its
 * listener has a next hop of its own, that too.
 */
export async function messageHash(identity: MessageIdentity): Promise<string> {
  const content = await contentHash(identity.content);
  const parts =
    identity.queueId === ''
      ? ['absent', identity.messageId, identity.sender, content]
      : ['queue', identity.queueId, content];
  if (identity.nextHop !== undefined) parts.push(formatNextHop(identity.nextHop));
  return createHash('sha256').update(parts.join('\0'), 'latin1').digest('hex');
}

/** SHA-256 in hexadecimal of a raw recipient path. */
export function recipientHash(path: RawPath): string {
  return createHash('sha256').update(path, 'latin1').digest('hex');
}

/** The recipient hash under which it is remembered that this refused recipient was reported. No path can contain NUL. */
export function bounceHash(path: RawPath): string {
  return recipientHash(`\0bounce ${path}`);
}

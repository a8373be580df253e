// What `explain --message` shows of a message: its structure, and nothing of its content.
import { detectEncrypted } from './detect.ts';
import type { Detection } from './detection.ts';
import { mediaType, readEntity } from './entity.ts';
import { fieldsNamed, splitMessage } from './header.ts';
import { countReceived } from './received.ts';

export interface MessageView {
  readonly detection: Detection;
  /** Bytes. */
  readonly size: number;
  /** Number of header fields. */
  readonly fields: number;
  readonly received: number;
  readonly hasSubject: boolean;
  readonly hasMessageId: boolean;
  /** `type/subtype` of the message; null where it cannot be read, or can be read in two ways. */
  readonly mediaType: string | null;
}

/** Looks at a message for an administrator: no value of a field and no part of the body is in the answer. */
export function explainMessage(message: Buffer): MessageView {
  const parts = splitMessage(message);
  const { contentType } = readEntity(parts);
  return {
    detection: detectEncrypted(message),
    size: message.length,
    fields: parts.fields.length,
    received: countReceived(message),
    hasSubject: fieldsNamed(parts, 'subject').length > 0,
    hasMessageId: fieldsNamed(parts, 'message-id').length > 0,
    mediaType: contentType === null ? null : mediaType(contentType),
  };
}

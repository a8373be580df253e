// A message taken apart for sealing: what of its header goes inside, and what stands outside. Of all copies of a message that want the
// same it is done once: a header of thousands of fields for a thousand recipients would else hold up all other mail.
import { type LineEnding, lineEndingOf, type MessageParts, splitMessage } from '../message/header.ts';
import { SEALPOST_PREFIX } from '../message/sealpost-fields.ts';
import { endedWith, protectHeader } from './header-protection.ts';
import type { SealOptions } from './seal-options.ts';

/**
 * What follows so many fields of a message goes inside as body. Mail has some fifty, and a few hundred after a long way; to divide ten
 * thousand and write them anew takes a twentieth of a second.
 */
export const MOST_DIVIDED = 2500;

/** One message, divided between inside and outside. */
export interface DividedMessage {
  readonly eol: LineEnding;
  /** Header section of what gets encrypted, with its empty line. */
  readonly inner: Buffer;
  /** The message's own bytes. */
  readonly body: Buffer;
  /** The mbox line and the original fields that stand outside. */
  readonly outer: Buffer;
}

/** What a reader's settings say of the header. */
type HeaderOptions = Pick<SealOptions, 'subject' | 'headerPolicy' | 'headerOutside'>;

/** Divides one message as the options say. The same options give the same value. */
export type Divide = (options: HeaderOptions) => DividedMessage;

/**
 * Prepares a message to be divided for all of its copies.
 * @param message without Sealpost-* fields of others
 * @param split takes it apart, where somebody else needs its parts as well
 */
export function dividerOf(message: Buffer, split: () => MessageParts = splitOnce(message)): Divide {
  const known = new Map<string, DividedMessage>();
  let parts: MessageParts | undefined;
  return ({ subject, headerPolicy: policy = 'no_confidentiality', headerOutside: outside = [] }) => {
    const wish = JSON.stringify([subject, policy, outside]);
    const before = known.get(wish);
    if (before !== undefined) return before;
    parts ??= withoutOurs(split());
    const eol = lineEndingOf(message);
    const { inner, outer } = protectHeader(parts, { subject, policy, outside, eol });
    const { preamble, body } = parts;
    const divided = {
      eol,
      inner: Buffer.concat([...inner, Buffer.from(eol, 'latin1')]),
      body,
      outer: Buffer.concat([...(preamble.length > 0 ? [endedWith(preamble, eol)] : []), ...outer]),
    };
    known.set(wish, divided);
    return divided;
  };
}

function withoutOurs(parts: MessageParts): MessageParts {
  return { ...parts, fields: parts.fields.filter(({ name }) => !name.startsWith(SEALPOST_PREFIX)) };
}

/** Takes a message apart when it is first asked, and once: its header up to {@link MOST_DIVIDED} fields. */
export function splitOnce(message: Buffer): () => MessageParts {
  let parts: MessageParts | undefined;
  return () => {
    parts ??= splitMessage(message, MOST_DIVIDED);
    return parts;
  };
}

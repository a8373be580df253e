// The value of a header field as a person reads it: unfolded, UTF-8 decoded, and encoded words decoded (RFC 2047). For rules
// only; what is sealed or passed on is never decoded. Pure, and linear in the field's length.
import { fieldValue, type HeaderField } from './header.ts';

/** RFC 2047, section 2; a language tag (RFC 2231) may follow the charset. No group overlaps with what follows it. */
const ENCODED_WORD = /=\?([^?*\s]+)(?:\*[^?\s]*)?\?([BbQq])\?([^?\s]*)\?=/g;
/** White space between two encoded words is no part of the text (RFC 2047, section 6.2). */
const BETWEEN_WORDS = /\?=[ \t]+(?==\?[^?\s]+\?[BbQq]\?)/g;

/**
 * The spellings under which a value may be known: as it stands, and decoded where that makes a difference. Runs of white
 * space, folding included, are one space.
 */
export function headerTexts(field: HeaderField): readonly string[] {
  const raw = fieldValue(field).replace(/\s+/g, ' ');
  const text = utf8OrLatin1(Buffer.from(raw, 'latin1'));
  const decoded = decodeWords(text);
  return decoded === text ? [text] : [text, decoded];
}

function decodeWords(text: string): string {
  return text
    .replace(BETWEEN_WORDS, '?=')
    .replace(ENCODED_WORD, (word, charset: string, encoding: string, content: string) => {
      const bytes =
        encoding.toUpperCase() === 'B' ? Buffer.from(content, 'base64') : fromQuotedPrintable(content);
      try {
        return new TextDecoder(charset).decode(bytes);
      } catch {
        // A charset that nobody knows: the word stays as it is.
        return word;
      }
    });
}

function fromQuotedPrintable(content: string): Buffer {
  const text = content
    .replaceAll('_', ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return Buffer.from(text, 'latin1');
}

function utf8OrLatin1(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

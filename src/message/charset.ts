// What a character set's name says of the bytes of a text.
import { TextDecoder } from 'node:util';

/** In these, ASCII is ASCII. UTF-16, UTF-7 and EBCDIC are no such character sets. */
const ASCII_SUPERSET =
  /^(?:us-ascii|utf-?8|iso-?8859-\d+|iso-2022-(?:jp|kr)|latin-?\d|windows-\d+|cp\d+|koi8-[ru]|euc-(?:jp|kr|cn|tw)|gb2312|gbk|gb18030|big5|shift_jis|tis-620|macintosh)$/i;

/** Whether bytes below 128 are ASCII in this character set, so that armor may bear its name. */
export function holdsAscii(label: string): boolean {
  return ASCII_SUPERSET.test(label);
}

/** Of windows-1252, which ISO-8859-1 and us-ascii are read as, bytes 80 to 9F: TextDecoder of Node.js 20 gives control characters. */
const WINDOWS_1252 =
  '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f' +
  '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';

/**
 * Decodes bytes as mail programs do (the Encoding Standard's labels).
 * @throws RangeError where nobody knows the charset, TypeError where the bytes are not in it and `fatal` is set
 */
export function decodeText(bytes: Uint8Array, label: string, fatal = false): string {
  const decoder = decoderOf(label, fatal);
  const text = decoder.decode(bytes);
  if (decoder.encoding !== 'windows-1252') return text;
  return text.replace(/[\x80-\x9f]/g, (control) => WINDOWS_1252.charAt(control.charCodeAt(0) - 0x80));
}

/** Decoders that are kept: to make one takes longer than to decode a line with it. */
const MOST_DECODERS = 100;
const decoders = new Map<string, TextDecoder>();

function decoderOf(label: string, fatal: boolean): TextDecoder {
  const wanted = `${fatal ? 'fatal' : ''} ${label}`;
  const known = decoders.get(wanted);
  if (known !== undefined) return known;
  const made = new TextDecoder(label, { fatal });
  // A stranger chooses the label, in upper and lower case.
  if (decoders.size >= MOST_DECODERS) decoders.clear();
  if (label.length <= 40) decoders.set(wanted, made);
  return made;
}

// A text that is one armored OpenPGP message and nothing else (RFC 9580, section 6.2). Read strictly: a line that is no base64
// would be plaintext that the reader of the decrypted message never sees, and that everybody else does.
import { decodeBase64, trimBytes } from './transfer-encoding.ts';

const BEGIN = '-----BEGIN PGP MESSAGE-----';
const END = Buffer.from('-----END PGP MESSAGE-----', 'latin1');

/**
 * Armor headers are few and short ("Comment: Using GnuPG with ..."). They are allowed, since programs write them; but whatever
 * does not fit in here is no remark of a program, and might be a letter.
 */
const MAX_HEADERS = 512;

const ARMOR_HEADERS =
  /^-----BEGIN PGP MESSAGE-----[ \t]*\r?\n(?:(?:Version|Comment|MessageID|Hash|Charset):[^\r\n]*\r?\n)*[ \t]*\r?\n/;
const CHECKSUM = /\n=[A-Za-z0-9+/]{4}[ \t\r\n]*$/;

/** Whether a text begins with the first line of an armored message. Looks at the beginning only. */
export function beginsArmoredMessage(text: Buffer): boolean {
  return trimBytes(text.subarray(0, MAX_HEADERS)).toString('latin1', 0, BEGIN.length) === BEGIN;
}

/** The packets of a text that is one armored message between white space; null when it is anything else. */
export function readArmoredMessage(text: Buffer): Buffer | null {
  if (!beginsArmoredMessage(text)) return null;
  const armor = trimBytes(text);
  const head = ARMOR_HEADERS.exec(armor.toString('latin1', 0, MAX_HEADERS))?.[0];
  const end = armor.length - END.length;
  if (head === undefined || end < head.length || !armor.subarray(end).equals(END)) return null;
  // The END line is a line of its own.
  if (armor[end - 1] !== 0x0a) return null;
  const checksumFrom = Math.max(head.length - 1, end - 64);
  const tail = armor.toString('latin1', checksumFrom, end);
  const checksum = CHECKSUM.exec(tail);
  return decodeBase64(
    armor.subarray(head.length, checksum === null ? end : checksumFrom + checksum.index + 1),
  );
}

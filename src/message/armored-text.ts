// A text that is one armored OpenPGP block and nothing else (RFC 9580, section 6.2). Read strictly: a line that is no base64
// would be plaintext that the reader of the decrypted message never sees, and that everybody else does.
import { decodeBase64 } from './transfer-encoding.ts';
import { trimBytes } from './white-space.ts';

/** What a block's first and last line call it. */
type BlockName = 'PGP MESSAGE' | 'PGP PUBLIC KEY BLOCK';

/**
 * Armor headers are few and short ("Comment: Using GnuPG with ..."). They are allowed, since programs write them; but whatever
 * does not fit in here is no remark of a program, and might be a letter.
 */
const MAX_HEADERS = 512;

/**
 * RFC 9580, section 6.2.2, wants unknown headers passed over. Of one that nobody is known to write a few words are taken, as a
 * version or a number has them: a sentence might be a letter. No line fits in two ways, or trying both for each of fifty lines
 * would never end.
 */
const KNOWN = '(?:Version|Comment|MessageID|Hash|Charset|Note):';
const UNKNOWN = String.raw`(?!${KNOWN})[A-Za-z][\w-]{0,39}:(?:[ \t]{1,4}[!-~]{1,80}){0,3}[ \t]*`;
const ARMOR_HEADERS = new RegExp(
  String.raw`^-----BEGIN PGP [A-Z ]{1,20}-----[ \t]*\r?\n(?:(?:${KNOWN}[^\r\n]*|${UNKNOWN})\r?\n)*[ \t]*\r?\n`,
);
const CHECKSUM = /\n=[A-Za-z0-9+/]{4}[ \t\r\n]*$/;

/** U+FEFF in UTF-8, which some editors put in front of a text: nobody sees it. */
const BYTE_ORDER_MARK = Buffer.from('efbbbf', 'hex');

/** Whether a text begins with the first line of an armored message. Looks at the beginning only. */
export function beginsArmoredMessage(text: Buffer): boolean {
  return beginsBlock(text, 'PGP MESSAGE');
}

/** The same of a block of that name. */
export function beginsBlock(text: Buffer, name: BlockName): boolean {
  const begin = `-----BEGIN ${name}-----`;
  return visibleText(text.subarray(0, MAX_HEADERS)).toString('latin1', 0, begin.length) === begin;
}

/** A text without the white space around it, and without a byte order mark in front: nothing where a reader sees nothing. */
export function visibleText(text: Buffer): Buffer {
  return trimBytes(text.subarray(0, 3).equals(BYTE_ORDER_MARK) ? text.subarray(3) : text);
}

/** The packets of a text that is one armored message between white space; null when it is anything else. */
export function readArmoredMessage(text: Buffer): Buffer | null {
  return readBlock(text, 'PGP MESSAGE');
}

/** The same of a block of that name. */
export function readBlock(text: Buffer, name: BlockName): Buffer | null {
  if (!beginsBlock(text, name)) return null;
  const armor = visibleText(text);
  const last = Buffer.from(`-----END ${name}-----`, 'latin1');
  const head = ARMOR_HEADERS.exec(armor.toString('latin1', 0, MAX_HEADERS))?.[0];
  const end = armor.length - last.length;
  if (head === undefined || end < head.length || !armor.subarray(end).equals(last)) return null;
  // The END line is a line of its own.
  if (armor[end - 1] !== 0x0a) return null;
  const checksumFrom = Math.max(head.length - 1, end - 64);
  const tail = armor.toString('latin1', checksumFrom, end);
  const checksum = CHECKSUM.exec(tail);
  return decodeBase64(
    armor.subarray(head.length, checksum === null ? end : checksumFrom + checksum.index + 1),
  );
}

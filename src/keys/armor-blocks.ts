// The armored blocks of an upload (RFC 9580, section 6.2), as far as mail clients, web forms and editors left something of them:
// read by hand, because OpenPGP.js refuses most of it.
import { crc24 } from '../openpgp/armor.ts';
import { type TextBlock, textBlocks } from '../openpgp/text-blocks.ts';

export interface ArmorBlock {
  /** Such as `PUBLIC KEY BLOCK`. */
  readonly type: string;
  /** What the base64 says, or null where it is none. */
  readonly bytes: Buffer | null;
}

const PREFIX = 'PGP ';
const SIGNED = 'SIGNED MESSAGE';

/**
 * Every armored block, tolerant of CRLF, white space, `> ` and `- ` before the lines, headers of any name, a missing empty line
 * after them, blanks in place of line ends, and a checksum that is missing or has lost its `=`. The checksum is not checked
 * (section 6.1): damage shows in packets and signatures. Of a clear-signed text only what it quotes counts, where it quotes keys.
 */
export function armorBlocks(text: string): readonly ArmorBlock[] {
  const blocks = textBlocks(text, (label) => label.startsWith(PREFIX));
  const found: ArmorBlock[] = [];
  let signed: number | null = null;
  for (const block of blocks) {
    const type = block.label.slice(PREFIX.length);
    if (type === SIGNED) {
      if (signed !== null) found.push({ type: SIGNED, bytes: null });
      signed = found.length;
    } else if (signed !== null && type === 'SIGNATURE') {
      if (found.length === signed) found.push({ type: SIGNED, bytes: null });
      signed = null;
    } else {
      const armor = armorBlock(type, block);
      if (armor !== null) found.push(armor);
    }
  }
  if (signed !== null && found.length === signed) found.push({ type: SIGNED, bytes: null });
  return found;
}

/** null: no block, but prose that mentions one. */
function armorBlock(type: string, { body, aloneInLine }: TextBlock): ArmorBlock | null {
  const bytes = body === null ? null : decodeBody(body);
  const isProse = !aloneInLine && ((bytes?.[0] ?? 0) & 0x80) === 0;
  return isProse && !/PRIVATE KEY|SECRET KEY/.test(type) ? null : { type, bytes };
}

const HEADER = /^[A-Za-z][A-Za-z0-9-]*:(?: |$)/;
/** White space that copying brings along, and that JavaScript or bytes do not take for it: read as Latin-1. */
const INVISIBLE = /\xc2\xa0|\xa0|\xe2\x80[\x8b\x8c\x8d\x8e]|\xef\xbb\xbf/g;

function decodeBody(body: string): Buffer | null {
  const lines = body.replace(INVISIBLE, ' ').split(/\r\n|\r|\n/);
  const texts = lines.length === 1 ? [withoutHeaders(lines[0] ?? '')] : lines.map(ownText);
  const base64 = texts
    .filter((line) => !HEADER.test(line))
    .join('')
    .replace(/\s+/g, '');
  const [, data = '', equals = ''] = /^([A-Za-z0-9+/]+)(={0,3})(?:[A-Za-z0-9+/]{4})?$/.exec(base64) ?? [];
  if (data === '') return null;
  return equals === '' ? withoutChecksum(data) : Buffer.from(data, 'base64');
}

/** A line without what quoting and dash-escaping (section 7.2) put before it. */
function ownText(line: string): string {
  return line
    .trim()
    .replace(/^(?:> ?)+/, '')
    .replace(/^- ?/, '')
    .trim();
}

/** The shortest first line of base64 that a program writes, less a few characters; no header has such a word. */
const DATA_WORD = 48;

/** Of a block in one line: the base64, which begins with the first long word; headers and their end cannot be told else. */
function withoutHeaders(line: string): string {
  const words = line.split(/\s+/);
  const first = words.findIndex(
    (word) => word.length >= DATA_WORD && /^[A-Za-z0-9+/=]+$/.test(word) && /[G-Zg-z+/]/.test(word),
  );
  const from = Math.max(first, 0);
  // The end's line is escaped as well.
  return words
    .slice(from)
    .filter((word) => word !== '-')
    .join(' ');
}

/** Four characters at the end may be a checksum without its `=`: they are where they are right. */
function withoutChecksum(data: string): Buffer {
  const rest = Buffer.from(data.slice(0, -4), 'base64');
  const sum = crc24(rest);
  const right = Buffer.from([sum >>> 16, (sum >>> 8) & 0xff, sum & 0xff]).toString('base64');
  return data.length > 4 && data.endsWith(right) ? rest : Buffer.from(data, 'base64');
}

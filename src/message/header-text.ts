// The value of a header field as a person reads it: unfolded, UTF-8 decoded, and encoded words decoded (RFC 2047), as leniently as
// mail programs do it. For comparing only; what is sealed or passed on is never decoded. Pure, and linear in the field's length.
import { decodeText } from './charset.ts';
import { fieldValue, type HeaderField } from './header.ts';

/**
 * An encoded word (RFC 2047, section 2) with the white space before the next one, which is no part of the text (section 6.2). A
 * language tag (RFC 2231) may follow the charset. Mail programs also read blanks and question marks inside, which the RFC
 * forbids. No word reaches beyond where the next one could begin, so that nothing is searched twice.
 */
const ENCODED_WORD =
  /=\?([^?*\s]+)(?:\*[^?\s]*)?\?([BbQq])\?((?:[^?]|(?<!=)\?(?!=))*)\?=(?:\s+(?==\?[^?\s]+\?[BbQq]\?))?/g;

/** Encoded words that are decoded, each of which costs a hundred times its bytes: a line of the screen has three or four. */
export const MOST_WORDS = 500;

/** How many words are left to be decoded, of one field or of many. */
export interface WordRoom {
  words: number;
}

/** One encoded word of a text. */
interface Word {
  /** Where it stands, the white space before the next word included. */
  readonly from: number;
  readonly end: number;
  /** Lower case. */
  readonly charset: string;
  readonly bytes: Buffer;
}

/**
 * The spellings under which a value may be known: as it stands, and decoded where that makes a difference; where a word holds
 * blanks, both with them and without, since mail programs differ. Runs of white space, folding included, are one space.
 * @param room what was decoded is taken off it; where nothing is left, the other words stay as they are
 */
export function headerTexts(field: HeaderField, room: WordRoom = { words: MOST_WORDS }): readonly string[] {
  const text = collapse(utf8OrLatin1(Buffer.from(fieldValue(field), 'latin1')));
  if (!text.includes('=?')) return [text];
  let blanks = false;
  const before = room.words;
  const asItIs = decodeWords(text, room, (content) => {
    blanks ||= content.includes(' ');
    return content;
  });
  // The same words once more.
  const again = { words: before - room.words };
  const decoded = blanks ? [text, asItIs, decodeWords(text, again, withoutBlanks)] : [text, asItIs];
  return [...new Set(decoded.map(collapse))];
}

function collapse(text: string): string {
  return text.replace(/\s+/g, ' ');
}

function withoutBlanks(content: string): string {
  return content.replaceAll(' ', '');
}

/** @param read what is left of a word's text before it is decoded */
function decodeWords(text: string, room: WordRoom, read: (content: string) => string): string {
  const pieces: string[] = [];
  let at = 0;
  for (const run of runsOf(text, room, read)) {
    const [first, last] = [run[0], run.at(-1)];
    if (first === undefined || last === undefined) continue;
    pieces.push(text.slice(at, first.from), decodeRun(run) ?? text.slice(first.from, last.end));
    at = last.end;
  }
  return pieces.join('') + text.slice(at);
}

/** Adjacent words of one charset: senders split characters between them, and mail programs join the bytes. */
function runsOf(
  text: string,
  room: WordRoom,
  read: (content: string) => string,
): readonly (readonly Word[])[] {
  const runs: Word[][] = [];
  if (room.words <= 0) return runs;
  for (const found of text.matchAll(ENCODED_WORD)) {
    if (room.words <= 0) break;
    room.words -= 1;
    const [whole, charset = '', encoding = '', content = ''] = found;
    const bytes =
      encoding.toUpperCase() === 'B' ? Buffer.from(content, 'base64') : fromQuotedPrintable(read(content));
    const word = {
      from: found.index,
      end: found.index + whole.length,
      charset: charset.toLowerCase(),
      bytes,
    };
    const before = runs.at(-1)?.at(-1);
    if (before?.end === word.from && before.charset === word.charset) runs.at(-1)?.push(word);
    else runs.push([word]);
  }
  return runs;
}

/** null: a charset that nobody knows; the words stay as they are. */
function decodeRun(run: readonly Word[]): string | null {
  try {
    return decodeText(Buffer.concat(run.map(({ bytes }) => bytes)), run[0]?.charset ?? '');
  } catch {
    return null;
  }
}

function fromQuotedPrintable(content: string): Buffer {
  if (!/[_=]/.test(content)) return Buffer.from(content, 'latin1');
  const text = content
    .replaceAll('_', ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return Buffer.from(text, 'latin1');
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true });

function utf8OrLatin1(bytes: Buffer): string {
  try {
    return UTF_8.decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

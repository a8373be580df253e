// Raw paths and ESMTP parameters: cut out of MAIL and RCPT without being understood, and put back byte for byte
// (RFC 5321, section 4.1.2; RFC 1869).
import type { EsmtpParameter, RawPath } from './types.ts';

/** What stands behind `FROM:` or `TO:`. */
export interface PathArgument {
  readonly path: RawPath;
  readonly parameters: readonly EsmtpParameter[];
}

/**
 * Cuts `<path> KEYWORD=value ...`. Nothing within the brackets is judged or changed: quoted local parts (with `>` in
 * them), `dot..dot`, source routes, A-labels and UTF-8 stay as they are. Control characters are refused, since no
 * command line could carry them on.
 * @param argument one character per byte
 * @returns the path without brackets, or one sentence about what is wrong
 */
export function parsePathArgument(argument: string): PathArgument | string {
  const text = trimBlanks(argument);
  if (!text.startsWith('<')) return 'a path in angle brackets was expected';
  const end = closingBracket(text);
  if (end === -1) return 'the path has no closing bracket';
  const path = text.slice(1, end);
  if (!isSendablePath(path)) return 'the path contains control characters';
  const rest = text.slice(end + 1);
  if (rest !== '' && !/^[ \t]/.test(rest)) return 'a space was expected behind the path';
  const parameters: EsmtpParameter[] = [];
  for (const word of rest.split(/[ \t]+/)) {
    if (word === '') continue;
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20\x7f]+))?$/.exec(word);
    if (match === null) return 'a parameter is malformed';
    const keyword = (match[1] ?? '').toUpperCase();
    if (parameters.some((known) => known.keyword === keyword)) return `${keyword} was given twice`;
    parameters.push({ keyword, value: match[2] });
  }
  return { path, parameters };
}

/** The index of the `>` that ends the path: the first one outside quotes. */
function closingBracket(text: string): number {
  let quoted = false;
  for (let index = 1; index < text.length; index += 1) {
    const character = text[index];
    if (quoted && character === '\\') index += 1;
    else if (character === '"') quoted = !quoted;
    else if (character === '>' && !quoted) return index;
  }
  return -1;
}

/** Whether a path can be written in a command: one byte per character, no control characters, brackets only in quotes. */
export function isSendablePath(path: RawPath): boolean {
  return !/[\x00-\x1f\x7f]|[^\x00-\xff]/.test(path) && closingBracket(`<${path}>`) === path.length + 1;
}

/**
 * Takes spaces and tabs off both ends. Not String.trim: in a string of bytes U+00A0 and U+0085 are parts of UTF-8
 * characters.
 */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start])) start += 1;
  while (end > start && isBlank(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

/** `KEYWORD` or `KEYWORD=value`, as the client wrote it but for the case of the keyword. */
export function formatParameter(parameter: EsmtpParameter): string {
  return parameter.value === undefined ? parameter.keyword : `${parameter.keyword}=${parameter.value}`;
}

export function findParameter(
  parameters: readonly EsmtpParameter[],
  keyword: string,
): EsmtpParameter | undefined {
  return parameters.find((parameter) => parameter.keyword === keyword);
}

/** Whether a raw path or value stays within ASCII. */
export function isAscii(text: string): boolean {
  return !/[^\x00-\x7f]/.test(text);
}

/** The path of an address as it is stored or configured: one character per byte of its UTF-8. */
export function pathOfAddress(address: string): RawPath {
  return Buffer.from(address, 'utf8').toString('latin1');
}

// A parameter of a Content-* field as mail programs read it: quoted or not, in one piece or in those of RFC 2231.
import { behindQuoted } from './comment.ts';
import { rawParameters } from './content-type.ts';

/** Programs write a few; what has more is no name. */
const MOST_PIECES = 100;

/**
 * What the parameter of this name may say, best reading first; none where it is missing, or stands there twice.
 * @param value of the field, unfolded, one character per byte
 * @param name in lower case
 */
export function parameterReadings(value: string, name: string): readonly string[] {
  const found = rawParameters(value).filter((each) => each.name.split('*', 1)[0] === name);
  const plain = found.filter((each) => each.name === name);
  if (plain.length > 1) return [];
  const readings = [...plain.map((each) => unquoted(each.value)), ...inPieces(found, name)];
  return [...new Set(readings)];
}

interface Piece {
  readonly number: number;
  readonly text: string;
}

/** RFC 2231, sections 3 and 4: `name*0="a"; name*1*=%62`, or `name*=utf-8''ab`. */
function inPieces(
  parameters: readonly { readonly name: string; readonly value: string }[],
  name: string,
): readonly string[] {
  const pieces = new Map<number, Piece>();
  for (const each of parameters.slice(0, MOST_PIECES)) {
    const form = /^(?:\*(\d{1,2}))?(\*?)$/.exec(each.name.slice(name.length));
    if (form === null || each.name === name) continue;
    const number = Number(form[1] ?? 0);
    const text = unquoted(each.value);
    if (!pieces.has(number))
      pieces.set(number, { number, text: form[2] === '*' ? decoded(text, number) : text });
  }
  const inOrder = [...pieces.values()].sort((one, other) => one.number - other.number);
  // A piece that is missing ends the value.
  const whole = inOrder.filter(({ number }, index) => number === index);
  return whole.length === 0 ? [] : [whole.map(({ text }) => text).join('')];
}

/** Without the character set and the language in front of the first piece, and with its octets. */
function decoded(text: string, number: number): string {
  const bare = number === 0 ? text.replace(/^[^']{0,60}'[^']{0,60}'/, '') : text;
  return bare.replace(/%([0-9A-Fa-f]{2})/g, (_, octet: string) =>
    String.fromCharCode(Number.parseInt(octet, 16)),
  );
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value;
  const end = behindQuoted(value, 0);
  const inside = value.slice(1, end === null ? undefined : end - 1);
  return inside.replace(/\\(.)/gs, '$1');
}

// The elements of the array "rows" of a large JSON document, one after the other: CouchDB writes each on a line of its own, other
// programs indent them. Only whole elements are parsed.
import { SourceRefused } from './rows.ts';

/** The largest element. Characters: an identity with an armored key of 256 KiB. */
const LARGEST = 1024 * 1024;

/**
 * Cuts out the objects of "rows".
 * @param pieces UTF-8
 * @throws SourceRefused on what is no such document
 */
export async function* jsonRows(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder('utf-8');
  const state = {
    head: '',
    inRows: false,
    isOver: false,
    element: '',
    depth: 0,
    inString: false,
    isEscaped: false,
  };
  for await (const piece of pieces) {
    let text = decoder.decode(piece, { stream: true });
    if (!state.inRows) {
      state.head += text;
      const match = /"rows"\s*:\s*\[/.exec(state.head);
      if (match === null) {
        if (state.head.length > LARGEST) throw new SourceRefused(NO_ROWS);
        continue;
      }
      state.inRows = true;
      text = state.head.slice(match.index + match[0].length);
      state.head = '';
    }
    // Where the element begins in this piece; -1: none is open.
    let start = state.depth > 0 ? 0 : -1;
    for (let at = 0; at < text.length && !state.isOver; at++) {
      const character = text.charCodeAt(at);
      if (state.depth === 0 && character === OPEN) start = at;
      if (!step(state, character) || start === -1) continue;
      yield parseElement(state.element + text.slice(start, at + 1));
      state.element = '';
      start = -1;
    }
    if (start !== -1) state.element += text.slice(start);
    if (state.element.length > LARGEST)
      throw new SourceRefused(`one of the rows is larger than ${LARGEST} characters`);
  }
  if (!state.inRows) throw new SourceRefused(NO_ROWS);
  if (!state.isOver) throw new SourceRefused('the document is cut off: it has no end');
}

const NO_ROWS = 'it is no answer of _all_docs: there is no array "rows"';

interface Scan {
  depth: number;
  inString: boolean;
  isEscaped: boolean;
  isOver: boolean;
}

const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = ['"', '\\', '{', '}', '[', ']'].map((each) =>
  each.charCodeAt(0),
);

/** Takes one character. @returns whether an element ends with it */
function step(scan: Scan, character: number): boolean {
  if (scan.inString) {
    if (scan.isEscaped) scan.isEscaped = false;
    else if (character === BACKSLASH) scan.isEscaped = true;
    else if (character === QUOTE) scan.inString = false;
    return false;
  }
  if (character === QUOTE) scan.inString = true;
  else if (character === OPEN || character === OPEN_LIST) scan.depth += 1;
  else if (character === CLOSE_LIST && scan.depth === 0) scan.isOver = true;
  else if (character === CLOSE || character === CLOSE_LIST) {
    scan.depth -= 1;
    return scan.depth === 0;
  }
  return false;
}

function parseElement(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SourceRefused(
      `one of the rows is no JSON: ${error instanceof Error ? error.message.slice(0, 100) : String(error)}`,
    );
  }
}

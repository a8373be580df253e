// Lines of a file or of a program's output, bounded: a longer one ends the reading.
import { SourceRefused } from './rows.ts';

/** The longest line that any of the formats has: an armored key of 256 KiB in JSON. Characters. */
export const LONGEST_LINE = 1024 * 1024;

/**
 * Splits text at line feeds, as it comes; a carriage return before one is taken away.
 * @param pieces UTF-8
 * @throws SourceRefused on a line that is too long
 */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: false });
  let rest = '';
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE)
      throw new SourceRefused(`a line is longer than ${LONGEST_LINE} characters`);
    for (const line of lines) yield line.replace(/\r$/, '');
  }
  rest += decoder.decode();
  if (rest !== '') yield rest.replace(/\r$/, '');
}

// Nobody outside can claim that we sealed something: Sealpost-* fields of incoming mail go before anything else.
import { isMboxLine, walkHeader } from './header.ts';

/** What the names of our own fields begin with, in lower case. */
export const SEALPOST_PREFIX = 'sealpost-';

const CR = 0x0d;
const LF = 0x0a;

/**
 * Takes the Sealpost-* fields out of a message's header section.
 * @returns the very same buffer where there are none, else a copy that differs in nothing else
 */
export function stripSealpostFields(message: Buffer): Buffer {
  return stripFields(message, (from, nameEnd) => {
    const prefixEnd = from + SEALPOST_PREFIX.length;
    return (
      nameEnd > prefixEnd && message.toString('latin1', from, prefixEnd).toLowerCase() === SEALPOST_PREFIX
    );
  });
}

/**
 * Takes the fields that `unwanted` names out of a message's header section.
 * @param unwanted gets the offsets of a field's name: its begin and its end
 * @returns as {@link stripSealpostFields}
 */
export function stripFields(message: Buffer, unwanted: (from: number, nameEnd: number) => boolean): Buffer {
  const kept: Buffer[] = [];
  let keptUntil = 0;
  const keep = (from: number, end: number): void => {
    const last = kept.at(-1)?.at(-1);
    // A bare CR and the LF of an empty line must not become one line ending: the empty line would be gone.
    if (last === CR && message[from] === LF) kept.push(Buffer.from([LF]));
    // Nor must a text that begins with "From " come to stand at the top, where it would pass for an mbox line.
    if (keptUntil > 0 && kept.length === 0 && isMboxLine(message.subarray(from)))
      kept.push(Buffer.from([LF]));
    if (end > from) kept.push(message.subarray(from, end));
  };
  walkHeader(message, (from, nameEnd, end) => {
    if (unwanted(from, nameEnd)) {
      keep(keptUntil, from);
      keptUntil = end;
    }
    return true;
  });
  if (keptUntil === 0) return message;
  keep(keptUntil, message.length);
  return Buffer.concat(kept);
}

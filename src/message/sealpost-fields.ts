// Nobody outside can claim that we sealed something: Sealpost-* fields of incoming mail go before anything else (filters.md).
import { walkHeader } from './header.ts';

/** What the names of our own fields begin with, in lower case. */
export const SEALPOST_PREFIX = 'sealpost-';

/**
 * Takes the Sealpost-* fields out of a message's header section.
 * @returns the very same buffer where there are none, else a copy that differs in nothing else
 */
export function stripSealpostFields(message: Buffer): Buffer {
  const kept: Buffer[] = [];
  let keptUntil = 0;
  walkHeader(message, (from, nameEnd, end) => {
    const prefixEnd = from + SEALPOST_PREFIX.length;
    if (
      nameEnd > prefixEnd &&
      message.toString('latin1', from, prefixEnd).toLowerCase() === SEALPOST_PREFIX
    ) {
      kept.push(message.subarray(keptUntil, from));
      keptUntil = end;
    }
    return true;
  });
  return keptUntil === 0 ? message : Buffer.concat([...kept, message.subarray(keptUntil)]);
}

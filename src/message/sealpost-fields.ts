// Nobody outside can claim that we sealed something: Sealpost-* fields of incoming mail go before anything else.
import { copyInSteps } from '../pacing/in-steps.ts';
import { isMboxLine, type Visit, walkHeader, walkHeaderInSteps } from './header.ts';

/** What the names of our own fields begin with, in lower case. */
export const SEALPOST_PREFIX = 'sealpost-';

const CR = 0x0d;
const LF = 0x0a;

/** Whether the name of a field that begins there is to go. */
type Unwanted = (from: number, nameEnd: number) => boolean;

/**
 * Takes the Sealpost-* fields out of a message's header section.
 * @returns the very same buffer where there are none, else a copy that differs in nothing else
 */
export function stripSealpostFields(message: Buffer): Buffer {
  return stripFields(message, isOurs(message));
}

/** {@link stripSealpostFields}, of a header as large as a message in steps: other work gets its turn between them. */
export async function stripSealpostFieldsInSteps(message: Buffer): Promise<Buffer> {
  const strip = beginStrip(message, isOurs(message));
  await walkHeaderInSteps(message, strip.visit);
  const rest = strip.rest();
  if (rest === null) return message;
  const kept = strip.kept();
  const clean = Buffer.allocUnsafeSlow(kept.length + rest.length);
  await copyInSteps([kept, rest], clean);
  return clean;
}

/**
 * Takes the fields that `unwanted` names out of a message's header section.
 * @param unwanted gets the offsets of a field's name: its begin and its end
 * @returns as {@link stripSealpostFields}
 */
export function stripFields(message: Buffer, unwanted: Unwanted): Buffer {
  const strip = beginStrip(message, unwanted);
  walkHeader(message, strip.visit);
  const rest = strip.rest();
  return rest === null ? message : Buffer.concat([strip.kept(), rest]);
}

function isOurs(message: Buffer): Unwanted {
  return (from, nameEnd) => {
    const prefixEnd = from + SEALPOST_PREFIX.length;
    return (
      nameEnd > prefixEnd && message.toString('latin1', from, prefixEnd).toLowerCase() === SEALPOST_PREFIX
    );
  };
}

/** What is left of a message, written while its header is walked through. */
interface Strip {
  readonly visit: Visit;
  /** What follows the last field that was taken out; null where none was. */
  rest(): Buffer | null;
  /** Of what is left, without that rest. */
  readonly kept: () => Buffer;
}

function beginStrip(message: Buffer, unwanted: Unwanted): Strip {
  /** Made when the first field goes; one buffer, since pieces may be as many as fields. */
  let out: Buffer | null = null;
  let length = 0;
  let keptUntil = 0;

  function keep(from: number, end: number): void {
    out ??= Buffer.allocUnsafeSlow(message.length);
    // A bare CR and the LF of an empty line must not become one line ending: the empty line would be gone.
    const joined = length > 0 && out[length - 1] === CR && message[from] === LF;
    // Nor must a text that begins with "From " come to stand at the top, where it would pass for an mbox line.
    const atTop = keptUntil > 0 && length === 0 && isMboxLine(message.subarray(from));
    if (joined || atTop) out[length++] = LF;
    length += message.copy(out, length, from, end);
  }

  return {
    visit(from, nameEnd, end) {
      if (unwanted(from, nameEnd)) {
        keep(keptUntil, from);
        keptUntil = end;
      }
      return true;
    },
    rest() {
      if (keptUntil === 0) return null;
      keep(keptUntil, keptUntil);
      return message.subarray(keptUntil);
    },
    kept: () => out?.subarray(0, length) ?? message,
  };
}

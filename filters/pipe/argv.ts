// The arguments as bytes. Node.js decodes them as UTF-8, and an address in another charset would lose its bytes.
import { readFileSync } from 'node:fs';

/**
 * The arguments behind the program, one character per byte.
 * @throws when Node.js could not decode them and the kernel does not tell them either
 */
export function rawArguments(): readonly string[] {
  const decoded = process.argv.slice(2);
  if (!decoded.some((argument) => argument.includes('\ufffd'))) {
    return decoded.map((argument) => Buffer.from(argument, 'utf8').toString('latin1'));
  }
  // proc(5): every argument is followed by a NUL; ours are the last ones.
  const all = readFileSync('/proc/self/cmdline', 'latin1').split('\0').slice(0, -1);
  return decoded.length === 0 ? [] : all.slice(-decoded.length);
}

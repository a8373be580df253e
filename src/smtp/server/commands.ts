// A command line cut into verb and argument, and the arguments of MAIL, RCPT and XFORWARD (RFC 5321, section 4.1.1;
// XFORWARD_README). Pure: text in, values out.
import { type PathArgument, parsePathArgument, trimBlanks } from '../paths.ts';

export interface Command {
  /** Upper case; '' for an empty line. */
  readonly verb: string;
  /** Everything behind the verb, without the white space around it. */
  readonly argument: string;
}

/** Cuts a command line; one character per byte, without its line end. */
export function parseCommand(line: string): Command {
  const match = /^([^ \t:]*)[ \t]*(.*)$/s.exec(line);
  return { verb: (match?.[1] ?? '').toUpperCase(), argument: trimBlanks(match?.[2] ?? '') };
}

/**
 * Reads `FROM:<path> ...` or `TO:<path> ...`. White space behind the colon is tolerated.
 * @returns the raw path and its parameters, or one sentence about what is wrong
 */
export function parseAddressed(argument: string, keyword: 'FROM' | 'TO'): PathArgument | string {
  const colon = argument.indexOf(':');
  if (colon === -1 || trimBlanks(argument.slice(0, colon)).toUpperCase() !== keyword)
    return `${keyword}:<path> was expected`;
  return parsePathArgument(argument.slice(colon + 1));
}

/** The attributes we announce, in the order in which Postfix sends them. */
export const XFORWARD_ATTRIBUTES = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'IDENT', 'SOURCE'] as const;

/**
 * Reads `NAME=value ...`; the xtext stays undecoded.
 * @returns the attributes by upper-case name, or one sentence about what is wrong
 */
export function parseXforward(argument: string): Readonly<Record<string, string>> | string {
  const attributes: Record<string, string> = {};
  for (const word of argument.split(/[ \t]+/)) {
    const match = /^([A-Za-z]+)=([\x21-\x7e\x80-\xff]*)$/.exec(word);
    if (match === null) return 'NAME=value was expected';
    const name = (match[1] ?? '').toUpperCase();
    if (!XFORWARD_ATTRIBUTES.some((known) => known === name)) return `unknown attribute ${name.slice(0, 40)}`;
    attributes[name] = match[2] ?? '';
  }
  return attributes;
}

// The kinds of value that sealpost.toml knows: sizes, durations, addresses, names. Each fails with "expected ...", a text
// that load.ts prints behind what it found.
import { domainToASCII } from 'node:url';
import * as z from 'zod';
import { readDatabaseUrl, type SessionAttributes } from './database-url.ts';
import { ipVersion } from './ip-version.ts';
import {
  type Endpoint,
  type NextHop,
  type Parsed,
  parseDuration,
  parseEndpoint,
  parseNextHop,
  parseSize,
} from './units.ts';

/** setTimeout(3) of Node.js takes 2^31-1 ms; a longer one would fire at once. */
const LONGEST_TIMER_MS = 24 * 86_400_000;

/** A value that one of the unit parsers reads; the parser's own sentence becomes the error. */
function parsedBy<T, I extends string | number>(input: z.ZodType<I, I>, parse: (text: string) => Parsed<T>) {
  return input.transform((value, context): T => {
    const parsed = parse(String(value));
    if (parsed.ok) return parsed.value;
    context.addIssue({ code: 'custom', message: `expected ${parsed.expected}`, input: value });
    return z.NEVER;
  });
}

/** Reads as `parse` does, and refuses values of which `accept` says no. One schema less for each key than refine(). */
function only<T>(
  parse: (text: string) => Parsed<T>,
  accept: (value: T) => boolean,
  expected: string,
): (text: string) => Parsed<T> {
  return (text) => {
    const parsed = parse(text);
    return parsed.ok && !accept(parsed.value) ? { ok: false, expected } : parsed;
  };
}

/** A string, and the parser's general sentence (its answer to a blank) for everything that is no string. */
function textFor(parse: (text: string) => Parsed<unknown>) {
  const parsed = parse(' ');
  return z.string(parsed.ok ? undefined : { error: `expected ${parsed.expected}` });
}

/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number) {
  return z.int().check(z.gte(least), z.lte(most));
}

/** Bytes: `"50MB"` or a plain number; never zero, since "0" would not mean "unlimited". */
export function size() {
  const input = z.union([z.string(), z.number()], {
    error: 'expected a size such as "50MB", "256MiB" or "10240"',
  });
  return parsedBy(
    input,
    only(parseSize, (bytes) => bytes > 0, 'a size above zero, such as "50MB"'),
  );
}

/** Milliseconds for a timer: above zero, and below what a timer can hold. `below` is a limit of Postfix. */
export function timer(below?: { readonly text: string; readonly because: string }) {
  const limit = below ? parseDuration(below.text) : undefined;
  const most = limit?.ok ? limit.value - 1 : LONGEST_TIMER_MS;
  const expected = below
    ? `a duration above zero and below ${below.text}, ${below.because}`
    : 'a duration above zero and at most "24d"';
  return parsedBy(
    textFor(parseDuration),
    only(parseDuration, (ms) => ms > 0 && ms <= most, expected),
  );
}

/** Milliseconds that are compared with dates and never wait in a timer, such as a lifetime. */
export function lifetime() {
  return parsedBy(
    textFor(parseDuration),
    only(parseDuration, (ms) => ms > 0, 'a duration above zero'),
  );
}

/** The same, or an empty string: null, for ever. */
export function optionalLifetime() {
  return parsedBy(
    textFor(parseOptionalDuration),
    only(parseOptionalDuration, (ms) => ms === null || ms > 0, 'a duration above zero, or ""'),
  );
}

function parseOptionalDuration(text: string): Parsed<number | null> {
  if (text === '') return { ok: true, value: null };
  const parsed = parseDuration(text);
  return parsed.ok ? parsed : { ok: false, expected: `${parsed.expected}, or "" for ever` };
}

/** Milliseconds for a timer; zero means "do not wait at all". */
export function graceTime() {
  return parsedBy(
    textFor(parseDuration),
    only(parseDuration, (ms) => ms <= LONGEST_TIMER_MS, 'a duration of at most "24d"'),
  );
}

/** Milliseconds for which something is kept; zero, which needs no unit: it is not kept at all. */
export function keepTime() {
  return parsedBy(textFor(parseKeepTime), parseKeepTime);
}

function parseKeepTime(text: string): Parsed<number> {
  if (text.trim() === '0') return { ok: true, value: 0 };
  const parsed = parseDuration(text);
  return parsed.ok ? parsed : { ok: false, expected: `${parsed.expected}, or "0"` };
}

/** `host:port` or `unix:/path`. */
export function endpoint() {
  return parsedBy(textFor(parseEndpoint), parseEndpoint);
}

/** The same, or an empty string: null, switched off. */
export function optionalEndpoint() {
  return parsedBy(textFor(parseOptionalEndpoint), parseOptionalEndpoint);
}

function parseOptionalEndpoint(text: string): Parsed<Endpoint | null> {
  if (text === '') return { ok: true, value: null };
  const parsed = parseEndpoint(text);
  return parsed.ok ? parsed : { ok: false, expected: `${parsed.expected}, or "" to switch it off` };
}

/** `smtp:host:port`, `lmtp:host:port` or `lmtp:unix:/path`. */
export function nextHop() {
  return parsedBy<NextHop, string>(textFor(parseNextHop), parseNextHop);
}

/** One string or a list of them; the output is always a list, and an empty string is an empty list. */
export function listOf<T>(what: string, parse: (text: string) => Parsed<T>) {
  return z
    .union([z.string(), z.array(z.string())], { error: `expected ${what}, or a list of them` })
    .transform((input, context): readonly T[] => {
      const values: T[] = [];
      const texts = typeof input === 'string' ? (input === '' ? [] : [input]) : input;
      for (const [index, text] of texts.entries()) {
        const parsed = parse(text);
        const path = typeof input === 'string' ? [] : [index];
        if (parsed.ok) values.push(parsed.value);
        else context.addIssue({ code: 'custom', message: `expected ${parsed.expected}`, input: text, path });
      }
      return values;
    });
}

/** A folder or file as text; only its emptiness can be judged here. */
export function parseFilePath(text: string): Parsed<string> {
  return text.includes('\0') || text.trim() === ''
    ? { ok: false, expected: 'a path' }
    : { ok: true, value: text };
}

/** An address or network (CIDR) that may send XFORWARD. */
export function network() {
  return z
    .string()
    .refine(isNetwork, 'expected an address or network such as "127.0.0.0/8", "192.0.2.7" or "::1"');
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const version = ipVersion(address);
  if (version === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

/** A name for EHLO and header fields (RFC 5321, 4.1.1.1): no white space, no control character. */
export function isHostName(text: string): boolean {
  return (
    /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/i.test(text) &&
    text.length <= 253
  );
}

/** Our own name. */
export function hostName() {
  return z.string().refine(isHostName, 'expected a host name such as "mx1.example.org"');
}

/** Names by which browsers and other clients of HTTP ask. */
export function hostNames() {
  return z.array(hostName()).default([]);
}

/** A mail domain, or an empty string. */
export function optionalDomain() {
  return z
    .string()
    .refine(
      (text) => text === '' || isHostName(domainToASCII(text)),
      'expected a domain such as "example.org", or ""',
    );
}

/**
 * A PostgreSQL URL; `primary` also admits "embedded:", and no role that takes no writes. The password is never part of a
 * message.
 */
export function databaseUrl(primary: boolean) {
  const expected = primary
    ? 'expected "embedded:" or "postgres://user@host/name"'
    : 'expected "postgres://user@host/name"';
  return z.string({ error: expected }).superRefine((text, context) => {
    if (primary && text === 'embedded:') return;
    const issue = (message: string) => context.addIssue({ code: 'custom', message, input: text });
    if (!/^postgres(ql)?:\/\//.test(text)) return issue(expected);
    const read = readDatabaseUrl(text);
    if ('expected' in read)
      return issue(read.expected === null ? `${expected}, with ${ESCAPES}` : `expected ${read.expected}`);
    if (primary && !WRITABLE_ROLES.has(read.role)) issue(`expected ${WRITABLE}`);
  });
}

const ESCAPES = '"/", "#", "?", "@" and "%" in the password written as %2F, %23, %3F, %40 and %25';
const WRITABLE =
  'target_session_attrs to be "read-write", "primary" or "any" (each means the server that takes writes): sealpost writes there';
const WRITABLE_ROLES: ReadonlySet<SessionAttributes | undefined> = new Set([
  undefined,
  'any',
  'read-write',
  'primary',
]);

/** The mode of a unix socket, where it is one. */
export function socketMode(
  description = 'mode of a unix socket; default: every local user may ask, as on a TCP port',
) {
  return z
    .string({ error: 'expected an octal mode in quotes, such as "0660"' })
    .regex(/^0?[0-7]{3}$/, 'expected an octal mode in quotes, such as "0660"')
    .optional()
    .register(z.globalRegistry, { description, example: '0660' });
}

/** The group of a unix socket, where it is one. */
export function socketGroup() {
  return z
    .string()
    .min(1)
    .optional()
    .register(z.globalRegistry, { description: 'group of a unix socket', example: 'postfix' });
}

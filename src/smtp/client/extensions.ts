// What of a client's envelope can be said to this next hop: its EHLO reply read, parameters chosen, and the refusals for
// mail that needs what the next hop lacks. Pure.
import { endsWithCrlf, messageSize } from '../dot-stuff.ts';
import { needsEightBit, needsUtf8, tooLargeForNextHop, UNSENDABLE_PATH } from '../our-replies.ts';
import { findParameter, formatParameter, isAscii, isSendablePath } from '../paths.ts';
import type { Envelope, EsmtpParameter, Reply, Xforward } from '../types.ts';

/** What a next hop announced. */
export interface Extensions {
  readonly pipelining: boolean;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
  readonly dsn: boolean;
  /** undefined: not announced; 0: announced without a limit (RFC 1870, section 4). */
  readonly size: number | undefined;
  /** Attribute names; empty when XFORWARD is not announced. */
  readonly xforward: readonly string[];
}

export const NO_EXTENSIONS: Extensions = {
  pipelining: false,
  eightBitMime: false,
  smtpUtf8: false,
  dsn: false,
  size: undefined,
  xforward: [],
};

/** Reads the text of a 250 reply to EHLO or LHLO; its first line is the server's name. */
export function parseExtensions(text: string): Extensions {
  const announced = new Map<string, readonly string[]>();
  for (const line of text.split('\n').slice(1)) {
    const [keyword = '', ...words] = line.trim().toUpperCase().split(/\s+/);
    announced.set(keyword, words);
  }
  const size = announced.get('SIZE');
  const limit = Number(size?.[0] ?? 0);
  return {
    pipelining: announced.has('PIPELINING'),
    eightBitMime: announced.has('8BITMIME'),
    smtpUtf8: announced.has('SMTPUTF8'),
    dsn: announced.has('DSN'),
    size: size === undefined ? undefined : Number.isSafeInteger(limit) && limit > 0 ? limit : 0,
    xforward: announced.get('XFORWARD') ?? [],
  };
}

/** The commands of one transaction, without line ends, or why there are none. */
export interface TransactionCommands {
  readonly xforward: readonly string[];
  readonly mail: string;
  /** Recipients that are tried: their index in the envelope, and the command. */
  readonly rcpts: readonly { readonly index: number; readonly command: string }[];
  /** Recipients that are answered without asking the next hop. */
  readonly refused: readonly { readonly index: number; readonly reply: Reply }[];
}

/**
 * Chooses what is said to the next hop. SIZE is the real size of this copy. DSN parameters are dropped where the next
 * hop does not know them (as Postfix does); BODY and SMTPUTF8 are dropped where the message does not need them, and are
 * a refusal where it does.
 * @param name the next hop as a person writes it, for the refusals
 */
export function planTransaction(
  envelope: Envelope,
  xforward: Xforward,
  message: readonly Uint8Array[],
  extensions: Extensions,
  name: string,
): TransactionCommands {
  const size = messageSize(message) + (endsWithCrlf(message) ? 0 : 2);
  const everybody = refusalForAll(envelope, message, size, extensions, name);
  if (everybody !== null) {
    return {
      xforward: [],
      mail: '',
      rcpts: [],
      refused: envelope.recipients.map((_, index) => ({ index, reply: everybody })),
    };
  }
  const utf8 = extensions.smtpUtf8 && findParameter(envelope.parameters, 'SMTPUTF8') !== undefined;
  const mail = [`MAIL FROM:<${envelope.sender}>`];
  if (extensions.size !== undefined) mail.push(`SIZE=${size}`);
  for (const parameter of envelope.parameters) {
    if (keepMailParameter(parameter, extensions, utf8)) mail.push(formatParameter(parameter));
  }
  const rcpts: { index: number; command: string }[] = [];
  const refused: { index: number; reply: Reply }[] = [];
  const asked = findParameter(envelope.parameters, 'SMTPUTF8') !== undefined;
  envelope.recipients.forEach(({ path, parameters }, index) => {
    if (path === '' || !isSendablePath(path)) refused.push({ index, reply: UNSENDABLE_PATH });
    else if (asked && !utf8 && !isAscii(path)) refused.push({ index, reply: needsUtf8(name) });
    else {
      const kept = parameters.filter(
        ({ keyword, value }) =>
          extensions.dsn && (keyword === 'NOTIFY' || keyword === 'ORCPT') && (utf8 || isAscii(value ?? '')),
      );
      rcpts.push({ index, command: [`RCPT TO:<${path}>`, ...kept.map(formatParameter)].join(' ') });
    }
  });
  return { xforward: xforwardCommands(xforward, extensions.xforward), mail: mail.join(' '), rcpts, refused };
}

function keepMailParameter(
  { keyword, value }: EsmtpParameter,
  extensions: Extensions,
  utf8: boolean,
): boolean {
  if (keyword === 'BODY') return extensions.eightBitMime;
  if (keyword === 'SMTPUTF8') return utf8;
  return extensions.dsn && (keyword === 'RET' || keyword === 'ENVID') && isAscii(value ?? '');
}

/** The refusal that concerns the whole message, or null. */
function refusalForAll(
  envelope: Envelope,
  message: readonly Uint8Array[],
  size: number,
  extensions: Extensions,
  name: string,
): Reply | null {
  if (envelope.sender !== '' && !isSendablePath(envelope.sender)) return UNSENDABLE_PATH;
  if (extensions.size !== undefined && extensions.size > 0 && size > extensions.size) {
    return tooLargeForNextHop(name, size, extensions.size);
  }
  if (
    !extensions.smtpUtf8 &&
    findParameter(envelope.parameters, 'SMTPUTF8') !== undefined &&
    (!isAscii(envelope.sender) || headerIsEightBit(message))
  ) {
    return needsUtf8(name);
  }
  const body = findParameter(envelope.parameters, 'BODY')?.value?.toUpperCase();
  if (
    !extensions.eightBitMime &&
    body === '8BITMIME' &&
    message.some((part) => hasEightBit(part, 0, part.length))
  ) {
    return needsEightBit(name);
  }
  return null;
}

/** Bytes above ASCII before the first empty line (the message's own header; RFC 6532). */
function headerIsEightBit(message: readonly Uint8Array[]): boolean {
  for (const part of message) {
    const bytes = Buffer.from(part.buffer, part.byteOffset, part.length);
    // A header that is cut between parts is looked at a little too far, never too short.
    const end = bytes.indexOf('\r\n\r\n');
    if (hasEightBit(bytes, 0, end === -1 ? bytes.length : end)) return true;
    if (end !== -1) return false;
  }
  return false;
}

function hasEightBit(bytes: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index += 1) if ((bytes[index] ?? 0) > 127) return true;
  return false;
}

/** XFORWARD commands with the attributes that the next hop lists, each command within 512 bytes (XFORWARD_README). */
function xforwardCommands(xforward: Xforward, listed: readonly string[]): readonly string[] {
  const commands: string[] = [];
  for (const name of listed) {
    const value = xforward[name];
    if (value === undefined || !/^[\x21-\x7e\x80-\xff]*$/.test(value)) continue;
    const attribute = ` ${name}=${value}`;
    const last = commands.at(-1);
    if (last !== undefined && last.length + attribute.length <= 510)
      commands[commands.length - 1] = last + attribute;
    else commands.push(`XFORWARD${attribute}`);
  }
  return commands;
}

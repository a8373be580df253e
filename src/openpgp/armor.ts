// ASCII armor (RFC 9580, section 6): written here because OpenPGP.js takes seconds where Buffer's base64 takes milliseconds,
// and because GnuPG 2.2 needs the CRC24 that newer writers leave out.
import { base64LinesLength, LINE_BYTES, writeBase64Lines } from './base64-lines.ts';
import type { ArmorHeader } from './types.ts';

const BEGIN = '-----BEGIN PGP MESSAGE-----\r\n';
const TAIL = Buffer.from('-----END PGP MESSAGE-----\r\n', 'latin1');

/** The checksum's line and the last one. */
const END_BYTES = '=XXXX\r\n'.length + TAIL.length;

const CRC24_INIT = 0xb704ce;
const CRC24_POLY = 0x1864cfb;

/** Bytes that {@link crc24} takes at a time ("slicing"): each has a table, so that the look-ups do not wait for one another. */
const SLICE = 12;
/** SLICE tables of 256, one behind the other: what a byte adds to the sum when so many bytes follow it in the slice. */
const CRC24_TABLES = crc24Tables();

function crc24Tables(): Int32Array {
  const tables = new Int32Array(SLICE * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte << 16;
    for (let following = 0; following < SLICE; following += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        crc <<= 1;
        if (crc & 0x1000000) crc ^= CRC24_POLY;
      }
      tables[following * 256 + byte] = crc;
    }
  }
  return tables;
}

/**
 * The checksum of RFC 9580, section 6.1.1: 24 bits, in the low bits of the number.
 * @param before the checksum of the bytes that come before these
 */
export function crc24(bytes: Uint8Array, before: number = CRC24_INIT): number {
  const look = (following: number, byte: number): number => CRC24_TABLES[(following << 8) | byte] ?? 0;
  const sliced = bytes.length - (bytes.length % SLICE);
  let crc = before;
  let at = 0;
  for (; at < sliced; at += SLICE) {
    crc ^= ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    crc =
      look(11, crc >>> 16) ^
      look(10, (crc >>> 8) & 0xff) ^
      look(9, crc & 0xff) ^
      look(8, bytes[at + 3] ?? 0) ^
      look(7, bytes[at + 4] ?? 0) ^
      look(6, bytes[at + 5] ?? 0) ^
      look(5, bytes[at + 6] ?? 0) ^
      look(4, bytes[at + 7] ?? 0) ^
      look(3, bytes[at + 8] ?? 0) ^
      look(2, bytes[at + 9] ?? 0) ^
      look(1, bytes[at + 10] ?? 0) ^
      look(0, bytes[at + 11] ?? 0);
  }
  for (; at < bytes.length; at += 1) {
    crc = ((crc << 8) & 0xffffff) ^ look(0, (crc >>> 16) ^ (bytes[at] ?? 0));
  }
  return crc;
}

/** Bytes that the armor of so many bytes takes at the most, without armor headers. */
export function armoredSize(packets: number): number {
  return BEGIN.length + 2 + base64LinesLength(packets) + END_BYTES;
}

/** Where the packets of a message go, piece by piece. */
export interface PacketWriter {
  write(bytes: Uint8Array): void;
  /** The whole, in a buffer of its own, or in memory that threads share, so that it can go from one to another. */
  finish(): Buffer;
}

/** An armor that is being written. */
interface Armor {
  out: Buffer;
  /** How much of `out` is written. */
  at: number;
  crc: number;
  /** The beginning of a line, and how much there is of it. */
  readonly line: Buffer;
  inLine: number;
}

/**
 * Armors an OpenPGP message while it is being made: 76 columns, CRLF, always with its CRC24, ending with CRLF. What it gives is
 * 7-bit text.
 * @param expected bytes of packets that will come; it may be more, at the price of a copy
 * @param headers armor headers, in this order
 * @param into memory to be used as far as it suffices, instead of a buffer of its own
 */
export function createArmorWriter(
  expected: number,
  headers: readonly ArmorHeader[] = [],
  into: SharedArrayBuffer | undefined = undefined,
): PacketWriter {
  const head = `${BEGIN}${headers.map(headerLine).join('')}\r\n`;
  const length = head.length + base64LinesLength(expected) + END_BYTES;
  const out =
    into !== undefined && into.byteLength >= length ? Buffer.from(into) : Buffer.allocUnsafeSlow(length);
  const at = out.write(head, 'latin1');
  const armor: Armor = { out, at, crc: CRC24_INIT, line: Buffer.alloc(LINE_BYTES), inLine: 0 };
  return { write: (bytes) => add(armor, bytes), finish: () => finish(armor) };
}

function add(armor: Armor, bytes: Uint8Array): void {
  const { line, inLine } = armor;
  armor.crc = crc24(bytes, armor.crc);
  const packets = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let from = 0;
  if (inLine > 0) {
    from = packets.copy(line, inLine, 0, LINE_BYTES - inLine);
    armor.inLine += from;
    if (armor.inLine < LINE_BYTES) return;
    append(armor, line);
  }
  const lines = Math.floor((packets.length - from) / LINE_BYTES) * LINE_BYTES;
  append(armor, packets.subarray(from, from + lines));
  armor.inLine = packets.copy(line, 0, from + lines);
}

/** Writes whole lines, or the last one. */
function append(armor: Armor, bytes: Buffer): void {
  const { out, at } = armor;
  const needed = at + base64LinesLength(bytes.length) + END_BYTES;
  if (needed > out.length) {
    armor.out = Buffer.allocUnsafeSlow(needed * 2);
    out.copy(armor.out, 0, 0, at);
  }
  armor.at = writeBase64Lines(bytes, armor.out, at);
}

function finish(armor: Armor): Buffer {
  append(armor, armor.line.subarray(0, armor.inLine));
  const { out, crc } = armor;
  const checksum = Buffer.from([crc >>> 16, (crc >>> 8) & 0xff, crc & 0xff]).toString('base64');
  armor.at += out.write(`=${checksum}\r\n`, armor.at, 'latin1');
  armor.at += TAIL.copy(out, armor.at);
  return out.subarray(0, armor.at);
}

function headerLine({ name, value }: ArmorHeader): string {
  return `${name}: ${value.replace(/[^\x20-\x7e]/g, '')}\r\n`;
}

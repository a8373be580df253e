// ASCII armor (RFC 9580, section 6): written here because OpenPGP.js takes seconds where Buffer's base64 takes milliseconds,
// and because GnuPG 2.2 needs the CRC24 that newer writers leave out.
import { base64LinesLength, writeBase64Lines } from './base64-lines.ts';
import type { ArmorHeader } from './types.ts';

const BEGIN = '-----BEGIN PGP MESSAGE-----\r\n';
const TAIL = Buffer.from('-----END PGP MESSAGE-----\r\n', 'latin1');

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

/** The checksum of RFC 9580, section 6.1.1: 24 bits, in the low bits of the number. */
export function crc24(bytes: Uint8Array): number {
  const look = (following: number, byte: number): number => CRC24_TABLES[(following << 8) | byte] ?? 0;
  const sliced = bytes.length - (bytes.length % SLICE);
  let crc = CRC24_INIT;
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

/**
 * Armors an OpenPGP message: 76 columns, CRLF, always with its CRC24, ending with CRLF.
 * @param packets binary OpenPGP packets
 * @param headers armor headers, in this order
 * @returns 7-bit text in a buffer of its own, so that it can be transferred between threads
 */
export function armorMessage(packets: Uint8Array, headers: readonly ArmorHeader[] = []): Buffer {
  const head = `${BEGIN}${headers.map(headerLine).join('')}\r\n`;
  const bytes = Buffer.from(packets.buffer, packets.byteOffset, packets.byteLength);
  const body = base64LinesLength(bytes.length);
  const out = Buffer.allocUnsafeSlow(head.length + body + '=XXXX\r\n'.length + TAIL.length);
  let at = writeBase64Lines(bytes, out, out.write(head, 'latin1'));
  const crc = crc24(bytes);
  const checksum = Buffer.from([crc >>> 16, (crc >>> 8) & 0xff, crc & 0xff]).toString('base64');
  at += out.write(`=${checksum}\r\n`, at, 'latin1');
  TAIL.copy(out, at);
  return out;
}

function headerLine({ name, value }: ArmorHeader): string {
  return `${name}: ${value.replace(/[^\x20-\x7e]/g, '')}\r\n`;
}

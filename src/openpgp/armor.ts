// ASCII armor (RFC 9580, section 6): written here because OpenPGP.js takes seconds where Buffer's base64 takes milliseconds,
// and because GnuPG 2.2 needs the CRC24 that newer writers leave out.
import { base64LinesLength, writeBase64Lines } from './base64-lines.ts';
import type { ArmorHeader } from './types.ts';

const BEGIN = '-----BEGIN PGP MESSAGE-----\r\n';
const TAIL = Buffer.from('-----END PGP MESSAGE-----\r\n', 'latin1');

const CRC24_INIT = 0xb704ce;
const CRC24_POLY = 0x1864cfb;

const CRC24_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 16;
  for (let bit = 0; bit < 8; bit += 1) {
    crc <<= 1;
    if (crc & 0x1000000) crc ^= CRC24_POLY;
  }
  return crc;
});

/** The checksum of RFC 9580, section 6.1.1: 24 bits, in the low bits of the number. */
export function crc24(bytes: Uint8Array): number {
  let crc = CRC24_INIT;
  for (let at = 0; at < bytes.length; at += 1) {
    crc = ((crc << 8) ^ (CRC24_TABLE[((crc >>> 16) ^ (bytes[at] ?? 0)) & 0xff] ?? 0)) & 0xffffff;
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

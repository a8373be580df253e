// Armor: other programs must read it, above all GnuPG 2.2 (whose part is in test/e2e/sealing.test.ts).
import { unarmor } from 'openpgp';
import { describe, expect, it } from 'vitest';
import { crc24, createArmorWriter } from '../../../src/openpgp/armor.ts';
import { noise } from '../../fixtures/corpus.ts';
import { armorMessage } from '../../support/armor-message.ts';

/** The algorithm of RFC 9580, section 6.1.1, bit by bit. */
function crc24Bitwise(bytes: Uint8Array): number {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit += 1) {
      crc <<= 1;
      if (crc & 0x1000000) crc ^= 0x1864cfb;
    }
  }
  return crc;
}

const lengths = [
  ...Array.from({ length: 301 }, (_, length) => length),
  1023,
  4096,
  29_183,
  29_184,
  29_185,
  100_003,
];

describe('armor', () => {
  it('carries exactly the bytes for every length from 0 to 300 and around its own steps', async () => {
    for (const length of lengths) {
      const bytes = noise(length, length + 1);
      const { data } = await unarmor(armorMessage(bytes).toString('latin1'));
      expect(Buffer.from(data as Uint8Array).equals(bytes), `${length} bytes`).toBe(true);
    }
  });

  it('always has the right CRC24, without which GnuPG 2.2 fails on some lengths (lesson 17)', () => {
    for (const length of lengths) {
      const bytes = noise(length, length + 7);
      const sum = /\r\n=([A-Za-z0-9+/]{4})\r\n-----END/.exec(armorMessage(bytes).toString('latin1'))?.[1];
      expect(sum, `${length} bytes`).toBeDefined();
      expect(Buffer.from(sum ?? '', 'base64').readUIntBE(0, 3), `${length} bytes`).toBe(crc24Bitwise(bytes));
    }
  });

  it('knows the CRC24 of "123456789", the check value of the catalogue of CRCs', () => {
    expect(crc24(Buffer.from('123456789'))).toBe(0x21cf02);
  });

  it('has CRLF line endings, lines of 76 columns at most, and 7-bit text only', () => {
    const text = armorMessage(noise(10_000)).toString('latin1');
    expect(text).toMatch(/^-----BEGIN PGP MESSAGE-----\r\n\r\n/);
    expect(text).toMatch(/\r\n-----END PGP MESSAGE-----\r\n$/);
    expect(text.replace(/\r\n/g, '')).not.toMatch(/[\r\n]/);
    expect(Math.max(...text.split('\r\n').map((line) => line.length))).toBe(76);
    expect(text).toMatch(/^[\r\n\x20-\x7e]*$/);
  });

  it('carries armor headers, whose values cannot end their line', async () => {
    const armored = armorMessage(noise(100), [
      { name: 'Charset', value: 'iso-8859-1' },
      { name: 'Comment', value: 'x\r\n\r\nsmuggled\x80' },
    ]).toString('latin1');
    expect(armored).toMatch(
      /^-----BEGIN PGP MESSAGE-----\r\nCharset: iso-8859-1\r\nComment: xsmuggled\r\n\r\n[A-Za-z0-9+/]{76}\r\n/,
    );
    expect(Buffer.from((await unarmor(armored)).data as Uint8Array).equals(noise(100))).toBe(true);
  });

  it('owns its memory, so that it can be moved to another thread', () => {
    const armored = armorMessage(noise(10));
    expect(armored.byteOffset).toBe(0);
    expect(armored.buffer.byteLength).toBe(armored.length);
  });

  it('is the same however the packets come in pieces, and whatever size was expected', () => {
    const cases: readonly (readonly [seed: number, sizes: readonly number[]])[] = [
      [1, [1, 56, 57, 58, 0, 114, 3]],
      [2, [30, 26, 1, 1, 29_183, 29_185]],
      [3, [100_003, 5, 52]],
    ];
    for (const [seed, sizes] of cases) {
      const packets = noise(
        sizes.reduce((sum, size) => sum + size, 0),
        seed,
      );
      const whole = armorMessage(packets);
      for (const expected of [0, 100, packets.length, packets.length + 5000]) {
        const writer = createArmorWriter(expected);
        let from = 0;
        for (const size of sizes) {
          writer.write(packets.subarray(from, from + size));
          from += size;
        }
        expect(writer.finish().equals(whole), `${sizes} expecting ${expected}`).toBe(true);
      }
    }
  });

  it('gives 25 MB back from its lines', { tags: ['slow'] }, () => {
    const bytes = noise(25_000_000);
    const text = armorMessage(bytes).toString('latin1');
    const lines = text.slice(text.indexOf('\r\n\r\n') + 4, text.indexOf('='));
    expect(Buffer.from(lines, 'base64').subarray(0, bytes.length).equals(bytes)).toBe(true);
  });
});

// What may be handed over as a key or a certificate, as large as is read of it, made to hold up the process that reads it.

export interface Upload {
  /** What it is made of, as the report names it. */
  readonly name: string;
  readonly upload: () => Buffer;
}

/** The most that is read of an upload. */
const BYTES = 256 * 1024;

const filled = (unit: string | Buffer): Buffer =>
  Buffer.alloc(Math.floor(BYTES / unit.length) * unit.length, unit);

const BEGIN = '-----BEGIN PGP PUBLIC KEY BLOCK-----';
const CERTIFICATE = '-----BEGIN CERTIFICATE-----';

/** A block of packets, as large as it may be. */
function armored(unit: Buffer): Buffer {
  const packets = Buffer.alloc(Math.floor((BYTES * 0.7) / unit.length) * unit.length, unit);
  const text = packets.toString('base64').replace(/.{76}/g, '$&\n');
  return Buffer.from(`${BEGIN}\n\n${text}\n-----END PGP PUBLIC KEY BLOCK-----\n`);
}

/** RFC 9580, section 4.2: a packet in the new format with a body of one length octet. */
const packet = (tag: number, body: readonly number[]): Buffer =>
  Buffer.from([0xc0 | tag, body.length, ...body]);

export const UPLOADS: readonly Upload[] = [
  { name: 'a key: beginnings of armor that never end', upload: () => filled(`${BEGIN}\n`) },
  { name: 'a key: blanks in place of newlines', upload: () => filled(`${BEGIN}  `) },
  { name: 'a key: dashes that are escaped', upload: () => filled(`- ${BEGIN}\n`) },
  {
    name: 'a key: UTF-16 without end',
    upload: () => Buffer.from(`\ufeff${BEGIN}\n`.repeat(3000), 'utf16le'),
  },
  {
    name: 'a key: armor fields without end',
    upload: () => Buffer.from(`${BEGIN}\n${filled('Comment: a\n')}`),
  },
  { name: 'a key: marker packets', upload: () => armored(packet(10, [0x50, 0x47, 0x50])) },
  { name: 'a key: user IDs without a key', upload: () => armored(packet(13, [0x61])) },
  { name: 'a key: public keys that are cut off', upload: () => armored(packet(6, [4, 0, 0, 0, 0, 22])) },
  {
    name: 'a key: signatures that are cut off',
    upload: () => armored(packet(2, [4, 0x13, 22, 8, 0, 0, 0, 0])),
  },
  { name: 'a certificate: beginnings of PEM that never end', upload: () => filled(`${CERTIFICATE}\n`) },
  {
    name: 'a certificate: small blocks that are none',
    upload: () => filled(`${CERTIFICATE}\nMAA=\n-----END CERTIFICATE-----\n`),
  },
  { name: 'a certificate: sequences inside each other', upload: () => filled(Buffer.from([0x30, 0x80])) },
  {
    name: 'a certificate: small values in a sequence',
    upload: () => Buffer.concat([Buffer.from([0x30, 0x83, 0x03, 0xff, 0xf0]), filled(Buffer.from([5, 0]))]),
  },
];

// One hostile letter, and what such letters are made of.
import type { SettingsOverride } from '../../src/config/settings.ts';

/** One hostile letter, and who gets it. */
export interface Bomb {
  /** What it is made of, as the report names it. */
  readonly name: string;
  /** Of every recipient; default: PGP/MIME, everything outside. */
  readonly settings?: SettingsOverride;
  /** A header rule that every recipient has, as `rule add` takes it. */
  readonly rule?: { readonly name: string; readonly pattern: string };
  /** How many recipients with a key; default 1. */
  readonly recipients?: number;
  /** MAIL FROM; default an ordinary one. */
  readonly sender?: string;
  /** The envelope recipients' local parts, for the parsers of addresses; default `user`. */
  readonly local?: (index: number) => string;
  /** @param bytes how large it may become */
  readonly letter: (bytes: number) => Buffer;
}

export const FROM = 'From: <carol@example.net>\r\nTo: <alice@example.org>\r\nSubject: a letter\r\n';
export const SHY: SettingsOverride = { header_policy: 'shy' };
export const INLINE: SettingsOverride = { style: 'inline' };
/** As often as it fits. */
export function filled(bytes: number, unit: string | Buffer): Buffer {
  return Buffer.alloc(Math.floor(bytes / unit.length) * unit.length, unit);
}

export function simple(header: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${FROM}${header}\r\n`, 'latin1'), body]);
}

export function inHeader(field: string, value: Buffer | string): Buffer {
  return Buffer.concat([
    Buffer.from(`${FROM}${field}: `, 'latin1'),
    typeof value === 'string' ? Buffer.from(value, 'latin1') : value,
    Buffer.from('\r\n\r\nHello.\r\n', 'latin1'),
  ]);
}

/** No field that is read for what it says is longer (header_size_limit of Postfix). */
export const FIELD = 99_000;

export const times = (count: number, text: (index: number) => string): string =>
  Array.from({ length: Math.max(1, Math.floor(count)) }, (_, index) => text(index)).join('');

export const marks = Buffer.from('\u0301\u0323', 'utf8');

/** Bytes that no armor checksum and no MIME structure says anything about. */
export function armored(packets: Buffer): Buffer {
  const text = packets.toString('base64').replace(/.{76}/g, '$&\r\n');
  return Buffer.from(`-----BEGIN PGP MESSAGE-----\r\n\r\n${text}\r\n-----END PGP MESSAGE-----\r\n`, 'latin1');
}

export function pgpMime(encrypted: Buffer, encoding = '7bit'): Buffer {
  return Buffer.concat([
    Buffer.from(
      `${FROM}MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n\r\n` +
        '--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b\r\n' +
        `Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`,
      'latin1',
    ),
    encrypted,
    Buffer.from('\r\n--b--\r\n', 'latin1'),
  ]);
}

export function nested(depth: number): string {
  const open = times(
    depth,
    (index) =>
      `${index === 0 ? '' : `--b${index - 1}\r\n`}Content-Type: multipart/mixed; boundary=b${index}\r\n\r\n`,
  );
  return `${FROM}MIME-Version: 1.0\r\n${open}`;
}

export function manyParts(bytes: number, part: string, type = 'multipart/mixed'): Buffer {
  const head = `${FROM}MIME-Version: 1.0\r\nContent-Type: ${type}; boundary=b\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), filled(bytes, `--b\r\n${part}`), Buffer.from('--b--\r\n')]);
}

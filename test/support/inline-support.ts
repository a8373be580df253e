// Helpers for messages sealed in the inline style: an encryption that can be read back without keys, and what opens it again.

import { decodeText } from '../../src/message/charset.ts';
import { fieldsNamed } from '../../src/message/header.ts';
import type { Piece } from '../../src/message/mime-tree.ts';
import type { Encrypt, EncryptionJob } from '../../src/openpgp/types.ts';
import { plaintextOf } from '../../src/sealing/inline-part.ts';
import type { SealOptions } from '../../src/sealing/seal-options.ts';

export const OPTIONS: SealOptions = {
  subject: 'keep',
  hideKeyIds: false,
  keys: [{ fingerprint: 'A'.repeat(40), certificate: new Uint8Array(), at: 0 }],
  status: { host: 'mx1.example.org', queueId: 'Q1', date: new Date('2024-02-05T10:00:00Z') },
};

export const STATUS_LINE = `Sealpost-Status: sealed; key=${'A'.repeat(40)}; by=mx1.example.org; id=Q1; date=2024-02-05T10:00:00Z`;

/** Numbers the jobs and keeps them: the armor of the first one says `AAAA0`, and so on. */
export function recordingEncrypt(): { readonly encrypt: Encrypt; readonly jobs: EncryptionJob[] } {
  const jobs: EncryptionJob[] = [];
  const encrypt: Encrypt = (job) => {
    const number = jobs.push(job) - 1;
    const headers = (job.armorHeaders ?? []).map(({ name, value }) => `${name}: ${value}\r\n`).join('');
    return Promise.resolve(
      Buffer.from(
        `-----BEGIN PGP MESSAGE-----\r\n${headers}\r\nAAAA${number}\r\n-----END PGP MESSAGE-----\r\n`,
      ),
    );
  };
  return { encrypt, jobs };
}

/** Every armored message in a text, in order. */
export function armorsIn(sealed: Buffer): readonly Buffer[] {
  const found = sealed
    .toString('latin1')
    .match(/^-----BEGIN PGP MESSAGE-----\r?\n[\s\S]*?^-----END PGP MESSAGE-----\r?$/gm);
  return (found ?? []).map((armor) => Buffer.from(`${armor.trimEnd()}\r\n`, 'latin1'));
}

/** The pieces of a sealed message with each file that stands beside a note in the place of both, as the part stood before. */
export function foldNotes(pieces: readonly Piece[]): readonly Piece[] {
  const folded: Piece[] = [];
  for (let index = 0; index < pieces.length; index += 1) {
    const piece = pieces[index];
    if (piece === undefined) break;
    const file = pieces[index + 4];
    const isPair = piece.kind === 'container' && isNote(piece) && file?.kind === 'leaf';
    folded.push(isPair ? file : piece);
    // The multipart, a delimiter, the note, a delimiter, the file, the last delimiter.
    if (isPair) index += 5;
  }
  return folded;
}

function isNote({ head }: Extract<Piece, { kind: 'container' }>): boolean {
  return fieldsNamed(head, 'content-type').some(({ raw }) => raw.includes('boundary="sealpost-note-'));
}

export function lines(...texts: readonly string[]): Buffer {
  return Buffer.from(texts.map((text) => `${text}\r\n`).join(''), 'latin1');
}

/** Whether what was opened says what the part said: in its bytes, or, as a text, in UTF-8 and with the line ends of a text. */
export function saysTheSame(leaf: Extract<Piece, { kind: 'leaf' }>, opened: Buffer): boolean {
  const { plaintext } = plaintextOf(leaf);
  if (opened.equals(plaintext)) return true;
  const { contentType } = leaf.entity;
  if (contentType?.type !== 'text') return false;
  const label = contentType.parameters.get('charset')?.toLowerCase() ?? 'utf-8';
  const bigEndian = label === 'utf-16' && plaintext[0] === 0xfe;
  const text = decodeText(plaintext, bigEndian ? 'utf-16be' : label);
  const inLines = (written: string): string => written.replace(/\r\n/g, '\n');
  return inLines(opened.toString('utf8')) === inLines(text);
}

/** A text as GnuPG writes it out on Unix. */
export function inUnixLines(text: Buffer): Buffer {
  return Buffer.from(text.toString('latin1').replace(/\r\n/g, '\n'), 'latin1');
}

// What a letter to the key address holds: keys that are attached, or stand in its text. The MIME is read by mailparser, within bounds.
import { type AttachmentStream, MailParser, type MessageText } from 'mailparser';
import { MAX_UPLOAD } from '../../keys/refusals.ts';
import { textBlocks } from '../../openpgp/text-blocks.ts';
import { isX509Upload } from '../../smime/upload.ts';

/** A key, or a revocation, as the letter holds it. */
export interface KeyPiece {
  readonly how: 'attached' | 'in the text';
  readonly bytes: Buffer;
}

/** No letter that brings a key is larger: what is larger is not read. Bytes. */
export const MAX_LETTER = 2 * 1024 * 1024;
/** Keys of one letter that are looked at. */
export const MOST_PIECES = 3;
const MOST_PARTS = 50;
const MOST_HEAD_BYTES = 128 * 1024;
/** Of the text, in characters: a key of 256 KiB in armor, and some words. */
const MOST_TEXT = 512 * 1024;
/** Given to the parser at a time; it gives way to other work in between. */
const STEP_BYTES = 32 * 1024;

/** RFC 3156, section 7; RFC 8551; and what programs call the same files. */
const KEY_TYPES: ReadonlySet<string> = new Set([
  'application/pgp-keys',
  'application/pgp',
  'application/pkix-cert',
  'application/x-x509-user-cert',
  'application/x-x509-email-cert',
  'application/x-pem-file',
]);
/** Names of the same files, where the type says nothing. */
const KEY_NAMES = /\.(?:asc|gpg|pgp|key|pub|rev|cer|crt|pem|der)$/i;
/** A signature, or an encrypted message, is called .asc as well. */
const NO_KEY_TYPES: ReadonlySet<string> = new Set([
  'application/pgp-signature',
  'application/pgp-encrypted',
  'application/pkcs7-signature',
  'application/x-pkcs7-signature',
]);

/**
 * Reads the keys of a letter: those that are attached, and where there are none, those in its text; each once, at most
 * {@link MOST_PIECES}. What they are worth is not judged here.
 * @returns null where the letter is larger than {@link MAX_LETTER}, or no parser reads it
 */
export async function readPieces(message: Buffer): Promise<readonly KeyPiece[] | null> {
  if (message.length > MAX_LETTER) return null;
  const found: Found = { attached: [], text: '' };
  try {
    await parse(message, found);
  } catch {
    return null;
  }
  const attached = found.attached.filter(looksLikeKey).map((bytes) => ({ how: 'attached', bytes }) as const);
  return unique(attached.length > 0 ? attached : inText(found.text));
}

interface Found {
  readonly attached: Buffer[];
  text: string;
}

function parse(message: Buffer, found: Found): Promise<void> {
  const limits = { maxHeadSize: MOST_HEAD_BYTES, maxChildNodes: MOST_PARTS };
  const parser = new MailParser({
    ...limits,
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipTextLinks: true,
    skipImageLinks: true,
  });
  return new Promise((resolve, reject) => {
    const ended = (error?: unknown): void => {
      if (error === undefined) resolve();
      else reject(error instanceof Error ? error : new Error(String(error)));
      parser.destroy();
    };
    parser.on('error', ended);
    parser.on('end', () => ended());
    parser.on('data', (data: AttachmentStream | MessageText) => {
      if (data.type === 'text') found.text = (data.text ?? '').slice(0, MOST_TEXT);
      else take(data, found);
    });
    void feed(parser, message);
  });
}

/** Hands the message over piece by piece: whatever it is, nobody waits for all of it. */
async function feed(parser: MailParser, message: Buffer): Promise<void> {
  for (let at = 0; at < message.length && !parser.destroyed; at += STEP_BYTES) {
    parser.write(message.subarray(at, at + STEP_BYTES));
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (!parser.destroyed) parser.end();
}

function take(part: AttachmentStream, { attached }: Found): void {
  const wanted = attached.length < 2 * MOST_PIECES && mayBeKey(part);
  const chunks: Buffer[] = [];
  let size = 0;
  part.content.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (wanted && size <= 2 * MAX_UPLOAD) chunks.push(chunk);
  });
  part.content.on('end', () => {
    // One byte too many is enough to be refused by its size.
    if (wanted && size <= 2 * MAX_UPLOAD) attached.push(Buffer.concat(chunks));
    part.release();
  });
}

function mayBeKey({ contentType, filename }: Pick<AttachmentStream, 'contentType' | 'filename'>): boolean {
  const type = contentType.toLowerCase();
  if (NO_KEY_TYPES.has(type)) return false;
  return KEY_TYPES.has(type) || KEY_NAMES.test((filename ?? '').slice(-20));
}

/** A file that is called .asc may hold a signature, a message, or a text. */
function looksLikeKey(bytes: Buffer): boolean {
  const first = bytes[0] ?? 0;
  // A public key packet, in either format (RFC 9580, section 4.2); or a signature: a revocation alone.
  if ([0x98, 0x99, 0x9a, 0xc6, 0x88, 0x89, 0xc2].includes(first)) return true;
  if (isX509Upload(bytes)) return true;
  return (
    textBlocks(bytes.toString('latin1'), (label) => /^PGP (?:PUBLIC|PRIVATE) KEY BLOCK$/.test(label), 1)
      .length > 0
  );
}

/** The key blocks of a text, as it stands there: quoted, or between other words. */
function inText(text: string): readonly KeyPiece[] {
  return textBlocks(text, (label) => label === 'PGP PUBLIC KEY BLOCK', MOST_PIECES)
    .filter(({ body }) => body !== null)
    .map(({ from, to }) => ({ how: 'in the text', bytes: Buffer.from(text.slice(from, to), 'utf8') }));
}

function unique(pieces: readonly KeyPiece[]): readonly KeyPiece[] {
  return [...new Map(pieces.map((piece) => [piece.bytes.toString('latin1'), piece])).values()].slice(
    0,
    MOST_PIECES,
  );
}

// Which parts of a letter are keys: those that are attached, or stand in its text. Pure.
import { textBlocks } from '../../openpgp/text-blocks.ts';
import { isX509Upload } from '../../smime/upload.ts';
import type { LetterFile, LetterParts } from './read-parts.ts';

/** Keys of one letter that are looked at. */
export const MOST_KEYS = 3;

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
/** Public key packets in either format (RFC 9580, section 4.2), and signature packets: a revocation alone. */
const KEY_BYTES: ReadonlySet<number> = new Set([0x98, 0x99, 0x9a, 0xc6, 0x88, 0x89, 0xc2]);

/**
 * The keys of a letter: those that are attached, and where there are none, those in its text; each once, at most {@link MOST_KEYS}.
 * What they are worth is not judged here; a secret key is one that is to be refused.
 */
export function keyPieces({ files, text }: LetterParts): readonly Buffer[] {
  const attached = files.filter((file) => mayBeKey(file) && looksLikeKey(file)).map(({ bytes }) => bytes);
  const found = attached.length > 0 ? attached : inText(text);
  return [...new Map(found.map((bytes) => [bytes.toString('latin1'), bytes])).values()].slice(0, MOST_KEYS);
}

function mayBeKey({ type, name }: LetterFile): boolean {
  return !NO_KEY_TYPES.has(type) && (KEY_TYPES.has(type) || KEY_NAMES.test(name.slice(-20)));
}

/** A file that is called .asc may hold a signature, a message, or a text. */
function looksLikeKey({ bytes }: LetterFile): boolean {
  if (KEY_BYTES.has(bytes[0] ?? 0) || isX509Upload(bytes)) return true;
  const isKey = (label: string): boolean => /^PGP (?:PUBLIC|PRIVATE) KEY BLOCK$/.test(label);
  return textBlocks(bytes.toString('latin1'), isKey, 1).length > 0;
}

/** The key blocks of a text, as they stand there: between other words. */
function inText(text: string): readonly Buffer[] {
  return textBlocks(text, (label) => label === 'PGP PUBLIC KEY BLOCK', MOST_KEYS)
    .filter(({ body }) => body !== null)
    .map(({ from, to }) => Buffer.from(text.slice(from, to), 'utf8'));
}

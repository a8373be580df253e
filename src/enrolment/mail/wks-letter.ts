// What comes by the Web Key Service (draft-koch-openpgp-webkey-service-21, section 4): letters that are encrypted to the submission key
// of a domain, and the client's answer to our confirmation request.
import { decrypt, config as defaults, readMessage } from 'openpgp';
import { MAX_UPLOAD } from '../../keys/refusals.ts';
import { mediaType, readEntity } from '../../message/entity.ts';
import type { MessageParts } from '../../message/header.ts';
import { textBlocks } from '../../openpgp/text-blocks.ts';
import type { SubmissionKey } from '../../publishing/submission-key.ts';
import { type LetterParts, readParts } from './read-parts.ts';

/** The media type of requests and responses (section 4.4). */
const WKS_TYPE = 'application/vnd.gnupg.wks';
/** A response has five short lines. Bytes. */
const MOST_RESPONSE = 4096;
/** Of a decrypted letter: a key, in armor, within MIME. */
const MOST_PLAINTEXT = 3 * MAX_UPLOAD;

export interface WksResponse {
  readonly address: string;
  readonly nonce: string;
}

/** What the header says of the letter as a whole. */
export function wksShape(header: MessageParts): 'response' | 'encrypted' | 'other' {
  const { contentType } = readEntity(header);
  const type = contentType === null ? '' : mediaType(contentType);
  return type === WKS_TYPE ? 'response' : type === 'multipart/encrypted' ? 'encrypted' : 'other';
}

/** The client's answer in a letter, or in what was decrypted of it; null: there is none. */
export function responseIn({ files }: LetterParts): WksResponse | null {
  const file = files.find(({ type }) => type === WKS_TYPE);
  if (file === undefined || file.bytes.length > MOST_RESPONSE) return null;
  const values = new Map<string, string>();
  for (const line of file.bytes.toString('utf8').split(/\r?\n/)) {
    const [, name, value] = /^([a-z-]{1,30}):[ \t]*(\S{1,400})[ \t]*$/i.exec(line) ?? [];
    if (name !== undefined && value !== undefined) values.set(name.toLowerCase(), value);
  }
  const [address, nonce] = [values.get('address'), values.get('nonce')];
  if (values.get('type') !== 'confirmation-response' || !address || !nonce) return null;
  return { address, nonce };
}

/**
 * Decrypts a letter (RFC 3156, section 4) with a domain's submission key, and takes apart what is inside.
 * @returns null where it is not encrypted to that key, is too large or damaged
 */
export async function openLetter(
  letter: LetterParts,
  { secret }: SubmissionKey,
): Promise<LetterParts | null> {
  const armored = letter.files.map(({ bytes }) => messageIn(bytes)).find((block) => block !== null);
  if (!armored) return null;
  try {
    const message = await readMessage({ armoredMessage: armored });
    const { data } = await decrypt({
      message,
      decryptionKeys: secret,
      format: 'binary',
      config: { ...defaults, maxDecompressedMessageSize: MOST_PLAINTEXT },
    });
    return readParts(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  } catch {
    return null;
  }
}

function messageIn(bytes: Buffer): string | null {
  const text = bytes.toString('latin1');
  const [block] = textBlocks(text, (label) => label === 'PGP MESSAGE', 1);
  return block === undefined || block.body === null ? null : text.slice(block.from, block.to);
}

// Takes a sealed message apart as a recipient's mail program would (RFC 3156), decrypts it, and compares the bytes inside
// with the message that was sent.
import type { Decrypt } from './keys.ts';

export interface HeaderField {
  readonly name: string;
  /** Everything after the colon, folded as it came, without the last line ending. */
  readonly value: string;
}

export interface SplitMessage {
  readonly fields: readonly HeaderField[];
  readonly body: Buffer;
}

export interface Unsealed {
  /** Header fields outside. */
  readonly outer: readonly HeaderField[];
  /** Header fields inside, Content-* and protected ones. */
  readonly inner: readonly HeaderField[];
  /** The body's bytes inside. */
  readonly body: Buffer;
  /** The armored message as delivered. */
  readonly armored: Buffer;
}

/** Splits at the first empty line; one character per byte in names and values. */
export function splitMessage(message: Buffer): SplitMessage {
  const atStart = message.subarray(0, 2).toString('latin1') === '\r\n';
  const end = atStart ? 0 : message.indexOf('\r\n\r\n');
  const head = end < 0 ? message.toString('latin1') : message.toString('latin1', 0, end);
  const body = end < 0 ? Buffer.alloc(0) : message.subarray(atStart ? 2 : end + 4);
  const fields = head
    .split(/\r\n(?![ \t])/)
    .filter((line) => line.includes(':'))
    .map((line) => ({ name: line.slice(0, line.indexOf(':')), value: line.slice(line.indexOf(':') + 1) }));
  return { fields, body };
}

/** The unfolded values of all fields of that name. */
export function fieldValues(fields: readonly HeaderField[], name: string): string[] {
  return fields
    .filter((field) => field.name.toLowerCase() === name.toLowerCase())
    .map((field) => field.value.replace(/\r\n/g, '').trim());
}

/** Whether it says that it is PGP/MIME; {@link armoredPart} tells whether it truly is. */
export function looksSealed(message: Buffer): boolean {
  const type = fieldValues(splitMessage(message).fields, 'Content-Type')[0] ?? '';
  return /^multipart\/encrypted\s*;/i.test(type) && /application\/pgp-encrypted/i.test(type);
}

/**
 * The armored message in the second part of a PGP/MIME message.
 * @throws an Error that names what is not as RFC 3156 section 4 wants it
 */
export function armoredPart(message: Buffer): Buffer {
  const { fields, body } = splitMessage(message);
  const [type = '', ...more] = fieldValues(fields, 'Content-Type');
  if (more.length > 0) throw new Error(`${more.length + 1} Content-Type fields`);
  if (!looksSealed(message)) throw new Error(`not multipart/encrypted: Content-Type is "${type}"`);
  if (fieldValues(fields, 'MIME-Version').join() !== '1.0')
    throw new Error('not exactly one MIME-Version: 1.0');
  const boundary = /boundary="([^"]+)"|boundary=([^\s;]+)/i.exec(type)?.slice(1).find(Boolean);
  if (boundary === undefined) throw new Error(`no boundary in "${type}"`);
  const text = `\r\n${body.toString('latin1')}`;
  const pieces = text.split(`\r\n--${boundary}`);
  if (pieces.length !== 4 || !pieces[3]?.startsWith('--'))
    throw new Error(`${pieces.length - 2} parts, expected 2`);
  const [control, payload] = [pieces[1] ?? '', pieces[2] ?? ''].map((piece) =>
    splitMessage(Buffer.from(piece.slice(piece.indexOf('\r\n') + 2), 'latin1')),
  );
  if (!control || !payload) throw new Error('a part is missing');
  if (!/^application\/pgp-encrypted/i.test(fieldValues(control.fields, 'Content-Type')[0] ?? '')) {
    throw new Error('the first part is not application/pgp-encrypted');
  }
  if (control.body.toString('latin1').trim() !== 'Version: 1')
    throw new Error('the first part is not "Version: 1"');
  if (!/^application\/octet-stream/i.test(fieldValues(payload.fields, 'Content-Type')[0] ?? '')) {
    throw new Error('the second part is not application/octet-stream');
  }
  const armor = payload.body.toString('latin1').trim();
  if (
    !/^-----BEGIN PGP MESSAGE-----\r\n[\s\S]*\r\n=[A-Za-z0-9+/]{4}\r\n-----END PGP MESSAGE-----$/.test(armor)
  ) {
    throw new Error(`the second part is not one armored message with its CRC24: ${armor.slice(0, 60)}...`);
  }
  return payload.body;
}

/** Decrypts a sealed message. @throws an Error when it is not sealed, or not for this key */
export async function unseal(delivered: Buffer, decrypt: Decrypt): Promise<Unsealed> {
  const armored = armoredPart(delivered);
  const inside = splitMessage(await decrypt(armored));
  return { outer: splitMessage(delivered).fields, inner: inside.fields, body: inside.body, armored };
}

/**
 * Decrypts a sealed message and checks that the body inside is byte-identical to the original's.
 * @param original the message as Postfix passed it: CRLF line endings
 */
export async function unsealAndCompare(
  original: Buffer,
  delivered: Buffer,
  decrypt: Decrypt,
): Promise<Unsealed> {
  const unsealed = await unseal(delivered, decrypt);
  const difference = firstDifference(splitMessage(original).body, unsealed.body);
  if (difference !== null) throw new Error(`the body inside is not the original's: ${difference}`);
  return unsealed;
}

/** Where two byte strings part, with their surroundings; null when they are the same. */
export function firstDifference(expected: Buffer, found: Buffer): string | null {
  if (expected.equals(found)) return null;
  let at = 0;
  while (at < expected.length && expected[at] === found[at]) at += 1;
  const around = (bytes: Buffer) => JSON.stringify(bytes.toString('latin1', Math.max(0, at - 20), at + 20));
  return `at byte ${at} of ${expected.length} (found ${found.length} bytes): ${around(expected)} became ${around(found)}`;
}

// Seals a message in the inline style, for mail programs that know nothing of PGP/MIME: each text becomes one armored block, each
// attachment a file `name.pgp`, and the tree around them keeps its shape. What is no body stays readable: header fields, also those
// of parts and of messages inside, file names among them.

import { quoteExactly } from '../message/content-type.ts';
import { type HeaderField, inLineEnding, type LineEnding, lineEndingOf } from '../message/header.ts';
import { encryptedKeyIds } from '../message/leaf.ts';
import { type Piece, readTree } from '../message/mime-tree.ts';
import { SEALPOST_PREFIX } from '../message/sealpost-fields.ts';
import { trimBytes } from '../message/white-space.ts';
import type { Encrypt, EncryptionJob } from '../openpgp/types.ts';
import { createBreather } from '../pacing/breather.ts';
import { mapLimited } from '../pacing/map-limited.ts';
import { endedWith } from './header-protection.ts';
import { besideMessage, takeQuoting } from './inline-fields.ts';
import { besideNote, chooseFiles, NOTE } from './inline-files.ts';
import { charsetOf, GONE, type InlinePart, isSealedAlready, planPart } from './inline-part.ts';
import { isUtf8Text } from './inline-text.ts';
import { asOriginal, rewriteHeader } from './part-header.ts';
import type { SealOptions } from './seal-options.ts';
import { statusField } from './status-field.ts';

/** Each costs a public-key operation for each key. */
const MAX_PARTS = 500;
/** Above this size parts are encrypted one after the other. */
const LARGE_MESSAGE = 2 ** 20;
const CONCURRENT_PARTS = 4;
/** A smaller message may become larger than it came: it stays small. */
const SMALL_MESSAGE = 64 * 1024;
/** The part of a message by which its texts may grow where they are written in UTF-8. */
const TEXTS_GROW = 1 / 20;
/** Times its size that a message becomes at the most; armor takes 1.38 of it. */
const MOST_GROWTH = 1.5;

const IDENTITY: ReadonlySet<string | null> = new Set(['7bit', '8bit', 'binary']);

/** What mail programs write before the first part for their kind without MIME: it tells nothing of the message, and stays. */
const NOTICES: ReadonlySet<string> = new Set([
  'this is a multi-part message in mime format',
  'this is a multipart message in mime format',
  'this is a cryptographically signed message in mime format',
  'this is a mime-encapsulated message',
  'this is a mime formatted message',
  'this is an openpgp/mime signed message (rfc 4880 and 3156)',
  'this is an openpgp/mime encrypted message (rfc 4880 and 3156)',
]);

/** A piece as it will stand in the sealed message. */
interface Written {
  /** Fields, without the empty line; null where the piece is no entity. */
  readonly header: readonly Buffer[] | null;
  readonly body: Buffer;
}

/**
 * Seals a message part by part. Nothing of the original is parsed and written again: the pieces that change are changed as bytes.
 *
 * - `multipart/signed` becomes `multipart/mixed`: its signature covers bytes that are no longer there, and would be shown as broken.
 * - A calendar, and HTML without a text beside it, become files beside a short note: see inline-files.ts.
 * - Text before the first and behind the last part of a multipart, which mail programs do not show, is armored where it stands.
 * - Nothing inside could carry protected header fields: the header stays outside as it is, whatever `subject` and
 *   `headerPolicy` say. Fields that quote the body become an encrypted file beside the message: see inline-fields.ts.
 * @param message without Sealpost-* fields of others
 * @returns the sealed message; the very same buffer where every part was encrypted already; null where the message has more
 * parts than should be sealed one by one, or would become much larger by it. Rejects with the Error of `encrypt`
 */
export async function sealInline(
  message: Buffer,
  options: SealOptions,
  encrypt: Encrypt,
): Promise<Buffer | null> {
  const all = readTree(message, MAX_PARTS);
  if (all === null) return null;
  const eol = lineEndingOf(message);
  const open = all.map(needsSealing);
  if (!open.includes(true)) return message;
  const { pieces, fields } = takeQuoting(all, eol);
  const files = chooseFiles(pieces, open);
  const limit = message.length > LARGE_MESSAGE ? 1 : CONCURRENT_PARTS;
  const { keys, hideKeyIds } = options;
  const room = roomFor(message);
  const inTurn = breathingInTurn();
  const job = async (what: Pick<EncryptionJob, 'plaintext' | 'text' | 'armorHeaders'>): Promise<Buffer> => {
    const armored = inLineEnding(await encrypt({ ...what, keys, hideKeyIds, format: 'armor' }), eol);
    room.left -= armored.length;
    return armored;
  };
  const written = await mapLimited([...pieces.entries()], limit, async ([index, piece]): Promise<Written> => {
    await inTurn();
    if (open[index] !== true) return asItWas(piece, files.mixed.has(index), eol);
    // What comes to nothing is not encrypted, and is not there.
    if (room.left < 0) return { header: null, body: Buffer.alloc(0) };
    const { header, ...content } = planPiece(piece, files.parts.has(index), room, eol);
    const note = index === files.withNote ? [job(NOTE)] : [];
    const [body = Buffer.alloc(0), armoredNote] = await Promise.all([...note, job(content)].reverse());
    const nested = piece.kind === 'leaf' && piece.within !== null;
    if (armoredNote !== undefined) return besideNote({ header, body }, armoredNote, nested, eol);
    return { header: piece.kind === 'leaf' ? header : null, body };
  });
  const file = fields === null ? null : await job({ plaintext: fields });
  if (room.left < 0) return null;
  const sealed = assemble({ pieces, written, file }, options, eol);
  return sealed.length > mostOf(message) ? null : sealed;
}

/** Lets other work go first now and then; who waits goes on in the order in which they came. */
function breathingInTurn(): () => Promise<void> {
  const breathe = createBreather();
  let last = Promise.resolve();
  return () => {
    last = last.then(breathe);
    return last;
  };
}

/** Bytes that are left for a message to grow. */
interface Room {
  /** Of armor in all. */
  left: number;
  /** By which texts in UTF-8 are longer than they came. */
  texts: number;
}

function roomFor(message: Buffer): Room {
  const { length } = message;
  return { left: mostOf(message), texts: length < SMALL_MESSAGE ? SMALL_MESSAGE : length * TEXTS_GROW };
}

/** Bytes of the largest message that may become of this one. */
function mostOf({ length }: Buffer): number {
  return Math.max(length, SMALL_MESSAGE) * MOST_GROWTH;
}

function needsSealing(piece: Piece): boolean {
  switch (piece.kind) {
    case 'leaf':
      return !isSealedAlready(piece);
    case 'around':
      return !isNotice(piece.bytes) && encryptedKeyIds(piece.bytes, '7bit') === null;
    case 'container':
    case 'delimiter':
      return false;
  }
}

function isNotice(bytes: Buffer): boolean {
  if (bytes.length > 1000) return trimBytes(bytes).length === 0;
  const text = bytes.toString('latin1').trim().replace(/\s+/g, ' ').replace(/\.$/, '').toLowerCase();
  return text === '' || NOTICES.has(text);
}

function planPiece(piece: Piece, asFile: boolean, room: Room, eol: LineEnding): InlinePart {
  if (piece.kind === 'leaf') {
    const part = planPart(piece, eol, asFile, room.texts);
    room.texts -= Math.max(0, part.plaintext.length - piece.body.length);
    return part;
  }
  const plaintext = piece.kind === 'container' ? Buffer.alloc(0) : piece.bytes;
  return { header: [], plaintext, text: isUtf8Text(plaintext), armorHeaders: charsetOf(plaintext) };
}

function asItWas(piece: Piece, mixed: boolean, eol: LineEnding): Written {
  switch (piece.kind) {
    case 'container':
      return { header: containerHeader(piece, mixed, eol), body: Buffer.alloc(0) };
    case 'leaf':
      return { header: piece.head.fields.map(({ raw }) => raw), body: piece.body };
    case 'around':
    case 'delimiter':
      return { header: null, body: piece.bytes };
  }
}

function containerHeader(
  { head, entity, multipart }: Extract<Piece, { kind: 'container' }>,
  mixed: boolean,
  eol: LineEnding,
): readonly Buffer[] {
  const fields = head.fields.filter(({ name }) => !GONE.has(name));
  const changes = new Map<string, readonly (string | Buffer)[]>();
  if (multipart !== null && (mixed || multipart.subtype === 'signed')) {
    const type = `Content-Type: multipart/mixed;${eol} boundary=${quoteExactly(multipart.boundary)}`;
    changes.set('content-type', [type, ...asOriginal(fields, 'content-type')]);
  }
  // A program that undoes it would destroy what is inside.
  if (multipart !== null && !IDENTITY.has(entity.encoding))
    changes.set('content-transfer-encoding', asOriginal(fields, 'content-transfer-encoding'));
  return changes.size === 0 ? fields.map(({ raw }) => raw) : rewriteHeader(fields, changes, eol);
}

/** A message whose pieces are sealed. */
interface SealedPieces {
  readonly pieces: readonly Piece[];
  /** Each piece as it will stand there. */
  readonly written: readonly Written[];
  /** Armored: what is to stand beside the message. */
  readonly file: Buffer | null;
}

/** Puts the pieces together again: the status field behind the message's own header, an empty line before each sealed body. */
function assemble({ pieces, written, file }: SealedPieces, options: SealOptions, eol: LineEnding): Buffer {
  const lineEnd = Buffer.from(eol, 'latin1');
  const out: Buffer[] = [];
  const own = { header: written[0]?.header ?? [], fields: fieldsOf(pieces[0]) };
  const around = file === null ? null : besideMessage(own, file, eol);
  for (const [index, { header, body }] of written.entries()) {
    const piece = pieces[index];
    if (header !== null && piece !== undefined && 'head' in piece) {
      const { preamble, separator } = piece.head;
      if (index === 0) {
        if (preamble.length > 0) out.push(endedWith(preamble, eol));
        const outer = around?.header ?? header;
        out.push(...outer.filter((field) => !isOurs(field)).map((field) => endedWith(field, eol)));
        out.push(Buffer.from(`${statusField(options, eol)}${eol}`, 'latin1'));
        if (around !== null) out.push(around.before);
      } else out.push(preamble, ...header);
      // A field that was added must not be read as a text because no empty line ends its header.
      const changed = piece.kind === 'leaf' ? body !== piece.body : isRewritten(piece, header);
      out.push((index === 0 || changed) && separator.at(-1) !== 0x0a ? lineEnd : separator);
    }
    out.push(endsBefore(pieces[index + 1], piece, body) ? body.subarray(0, body.length - eol.length) : body);
  }
  if (around !== null) out.push(around.after);
  return Buffer.concat(out);
}

function fieldsOf(piece: Piece | undefined): readonly HeaderField[] {
  return piece !== undefined && 'head' in piece ? piece.head.fields : [];
}

function isRewritten(piece: Piece, header: readonly Buffer[]): boolean {
  return piece.kind === 'container' && header.some((field, index) => field !== piece.head.fields[index]?.raw);
}

/** Whether the last line ending of a sealed body is not its own: the next delimiter brings one along. */
function endsBefore(next: Piece | undefined, piece: Piece | undefined, body: Buffer): boolean {
  if (next?.kind !== 'delimiter' || (piece?.kind !== 'leaf' && piece?.kind !== 'around')) return false;
  const original = piece.kind === 'leaf' ? piece.body : piece.bytes;
  return body !== original && (next.bytes[0] === 0x0d || next.bytes[0] === 0x0a);
}

function isOurs(field: Buffer): boolean {
  return field.toString('latin1', 0, SEALPOST_PREFIX.length).toLowerCase() === SEALPOST_PREFIX;
}

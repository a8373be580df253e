// Texts that mail programs do not show where they stand once they are armored: a calendar (Thunderbird shows an empty message) and
// HTML that is all there is. They become files that can be opened, beside a short note.
import { randomBytes } from 'node:crypto';
import type { LineEnding } from '../message/header.ts';
import type { Piece } from '../message/mime-tree.ts';
import { withoutText } from '../message/without-text.ts';
import type { EncryptionJob } from '../openpgp/types.ts';
import { dispositionOf } from './attachment-name.ts';

type Leaf = Extract<Piece, { kind: 'leaf' }>;

/** Which pieces of a message become files, by their index. */
export interface Files {
  readonly parts: ReadonlySet<number>;
  /** The first of them, where the message has no text to read; null where it has one. */
  readonly withNote: number | null;
  /** Multiparts whose parts are alternatives no more: of those with a calendar, programs would show the last one only. */
  readonly mixed: ReadonlySet<number>;
}

/** Decides it, for a message whose pieces are these. @param open which pieces are to be sealed */
export function chooseFiles(pieces: readonly Piece[], open: readonly boolean[]): Files {
  const leaves = [...pieces.entries()].filter(
    (entry): entry is [number, Leaf] => entry[1].kind === 'leaf' && isText(entry[1]),
  );
  const inside = pieces.findIndex((piece) => piece.kind === 'container' && piece.multipart === null);
  // A text of a message inside is not the letter's own.
  const readable = leaves.some(
    ([index, leaf]) =>
      subtypeOf(leaf) === 'plain' &&
      (inside < 0 || index < inside) &&
      withoutText(leaf.entity, leaf.body) !== 'empty-text',
  );
  const chosen = leaves.filter(([index, leaf]) => {
    const subtype = subtypeOf(leaf);
    return open[index] === true && (subtype === 'calendar' || (subtype === 'html' && !readable));
  });
  const mixed = chosen.flatMap(([, leaf]) =>
    leaf.within !== null && subtypeOf(leaf) === 'calendar' ? [leaf.within] : [],
  );
  return {
    parts: new Set(chosen.map(([index]) => index)),
    withNote: readable ? null : (chosen[0]?.[0] ?? null),
    mixed: new Set(mixed.filter((index) => isAlternative(pieces[index]))),
  };
}

function isText({ entity, head }: Leaf): boolean {
  return entity.contentType?.type === 'text' && dispositionOf(head.fields) !== 'attachment';
}

function subtypeOf({ entity }: Leaf): string | undefined {
  return entity.contentType?.subtype;
}

function isAlternative(piece: Piece | undefined): boolean {
  return piece?.kind === 'container' && piece.multipart?.subtype === 'alternative';
}

/** The note, which is encrypted as well: what stands in the open would be a text of a message that is not encrypted. */
export const NOTE: Pick<EncryptionJob, 'plaintext' | 'text' | 'armorHeaders'> = {
  plaintext: Buffer.from('This message is in the encrypted file beside this note.\r\n', 'latin1'),
  text: true,
  armorHeaders: [{ name: 'Charset', value: 'us-ascii' }],
};

/** A part as it will stand in the sealed message. */
interface Sealed {
  readonly header: readonly Buffer[];
  readonly body: Buffer;
}

/**
 * A multipart of the note and the file, in the place of the part that the file is.
 * @param file one field in each buffer; its Content-* fields go with it, the others stay with the multipart: the whole message's, if it is the root
 * @param note armored, in the message's line ending
 * @param nested within another multipart
 */
export function besideNote(file: Sealed, note: Buffer, nested: boolean, eol: LineEnding): Sealed {
  const boundary = `sealpost-note-${randomBytes(18).toString('hex')}`;
  const content = file.header.filter(isContent);
  const line = (text: string) => Buffer.from(`${text}${eol}`, 'latin1');
  const type = line(`Content-Type: multipart/mixed;${eol} boundary="${boundary}"`);
  return {
    header: [...file.header.filter((field) => !isContent(field)), type],
    body: Buffer.concat([
      line(`--${boundary}`),
      line('Content-Type: text/plain; charset=us-ascii'),
      line(''),
      note,
      line(`--${boundary}`),
      ...content,
      line(''),
      file.body,
      line(`--${boundary}--`),
      // The line ending in front of the delimiter that follows is that delimiter's own.
      ...(nested ? [line('')] : []),
    ]),
  };
}

/** Whether a field says something of the body. */
export function isContent(field: Buffer): boolean {
  return /^(?:x-original-)?content-/i.test(field.toString('latin1', 0, 40));
}

// Header fields that quote the body, in the inline style. They may not stand outside, and nothing is lost: they become one more
// encrypted file beside the message.
import { randomBytes } from 'node:crypto';
import type { HeaderField, LineEnding } from '../message/header.ts';
import type { Piece } from '../message/mime-tree.ts';
import { endedWith } from './header-protection.ts';
import { isContent } from './inline-files.ts';
import { quotesBody } from './repeated-fields.ts';

/** What the file is called; `.pgp` says that it is encrypted, as with every attachment. */
const FILE_NAME = 'header-fields.txt.pgp';

/** A message without the fields that quote its body, and these fields as the text of a file. */
export interface Taken {
  readonly pieces: readonly Piece[];
  /** The fields with all their bytes, in their order, an empty line between those of different parts; null where there are none. */
  readonly fields: Buffer | null;
}

/** Takes the fields that quote the body out of the headers of a message, of its parts, and of messages inside. Pure. */
export function takeQuoting(pieces: readonly Piece[], eol: LineEnding): Taken {
  const blocks: Buffer[] = [];
  const left = pieces.map((piece) => {
    if (!('head' in piece)) return piece;
    const taken = piece.head.fields.filter(quotesBody);
    if (taken.length === 0) return piece;
    blocks.push(Buffer.concat(taken.map(({ raw }) => endedWith(raw, eol))));
    const fields = piece.head.fields.filter((field) => !quotesBody(field));
    return { ...piece, head: { ...piece.head, fields } };
  });
  if (blocks.length === 0) return { pieces, fields: null };
  return { pieces: left, fields: Buffer.concat(blocks.flatMap((block) => [block, Buffer.from(eol)])) };
}

/** What stands around a whole message that gets a file beside it. */
export interface Around {
  /** The message's own fields but for those that say something of the body. */
  readonly header: readonly Buffer[];
  /** What follows the message's header: the fields of the multipart, and the first part's, without the empty line. */
  readonly before: Buffer;
  /** What follows the message's body. */
  readonly after: Buffer;
}

/**
 * A multipart/mixed of the message as it is and of the file, for a message of whatever type. Its parts are decrypted in their
 * place as before.
 * @param header one field in each buffer
 * @param armored the file, in the message's line ending
 */
export function besideMessage(
  { header, fields }: { readonly header: readonly Buffer[]; readonly fields: readonly HeaderField[] },
  armored: Buffer,
  eol: LineEnding,
): Around {
  const boundary = `sealpost-fields-${randomBytes(18).toString('hex')}`;
  const lines = (...texts: readonly string[]) =>
    Buffer.from(texts.map((text) => `${text}${eol}`).join(''), 'latin1');
  const isMime = fields.some(({ name }) => name === 'mime-version');
  return {
    header: header.filter((field) => !isContent(field)),
    before: Buffer.concat([
      lines(
        ...(isMime ? [] : ['MIME-Version: 1.0']),
        'Content-Type: multipart/mixed;',
        ` boundary="${boundary}"`,
        '',
        `--${boundary}`,
      ),
      ...header.filter(isContent).map((field) => endedWith(field, eol)),
    ]),
    after: Buffer.concat([
      lines(
        // The line ending in front of a delimiter is the delimiter's own.
        '',
        `--${boundary}`,
        'Content-Type: application/octet-stream;',
        ` name="${FILE_NAME}"`,
        'Content-Transfer-Encoding: 7bit',
        'Content-Disposition: attachment;',
        ` filename="${FILE_NAME}"`,
        '',
      ),
      armored,
      lines(`--${boundary}--`),
    ]),
  };
}

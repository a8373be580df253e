// A message as a row of pieces that together are its bytes: header sections, bodies, delimiter lines, and the text around parts.
// The tree is walked in one pass and without recursion, multiparts and messages inside messages alike, and nothing is written anew:
// who changes one piece leaves every other byte alone.
import { parseContentType } from './content-type.ts';
import { detectInMultipart } from './detect-multipart.ts';
import { type Entity, mediaType, readEntity } from './entity.ts';
import { fieldsNamed, fieldValue, type MessageParts, splitMessage } from './header.ts';
import { type Delimiter, nextDelimiter } from './mime-scanner.ts';
import { parameterReadings } from './parameter.ts';

/** The header section of an entity: an mbox line, fields, and the empty line. */
export type Head = Omit<MessageParts, 'body'>;

export type Piece =
  /** The header of a multipart or of a message/rfc822, whose parts follow. */
  | {
      readonly kind: 'container';
      readonly head: Head;
      readonly entity: Entity;
      /** As mail programs read it; null: a message. */
      readonly multipart: Multipart | null;
    }
  /** An entity without parts that can be told apart: header and body. */
  | {
      readonly kind: 'leaf';
      readonly head: Head;
      readonly entity: Entity;
      /** In its transfer encoding. */
      readonly body: Buffer;
      /** An encrypted message of its own (RFC 3156), parts and all. */
      readonly encrypted: boolean;
      /** It calls itself a multipart, and its parts cannot be made out: then its transfer encoding means nothing. */
      readonly unopened: boolean;
      /** Which of the pieces is the multipart that it is a part of; null: none. */
      readonly within: number | null;
    }
  /** A delimiter line, the line ending before it included. */
  | { readonly kind: 'delimiter'; readonly bytes: Buffer }
  /** What stands before the first part of a multipart, or behind its last. */
  | { readonly kind: 'around'; readonly bytes: Buffer };

/** A multipart whose parts are there. */
export interface Multipart {
  /** In lower case. */
  readonly subtype: string;
  readonly boundary: string;
}

const PGP_MIME = 'multipart/encrypted';
const MESSAGE_TYPES: ReadonlySet<string> = new Set(['message/rfc822', 'message/global', 'message/news']);
const IDENTITY: ReadonlySet<string | null> = new Set(['7bit', '8bit', 'binary']);

/** Multiparts and messages inside each other; what lies deeper is one leaf. */
const MAX_DEPTH = 100;
/** So much is searched for the end of a part's header before all of the rest is. */
const HEAD_BYTES = 64 * 1024;
/** More than a delimiter line has. */
const LINE_BYTES = 2000;

const NO_HEAD: Head = { preamble: Buffer.alloc(0), fields: [], separator: Buffer.alloc(0) };

interface Level {
  readonly boundary: string;
  readonly digest: boolean;
  /** The piece that opened it. */
  readonly piece: number;
  /** Containers around its parts, itself included. */
  readonly depth: number;
}

/**
 * Takes a message apart.
 * @param limit of leaves and texts around parts
 * @returns the pieces in order, the first one with the message's own header; null when there are more than `limit`
 */
export function readTree(message: Buffer, limit: number): readonly Piece[] | null {
  const pieces: Piece[] = [];
  const levels: Level[] = [];
  const active = new Map<string, number>();
  let toSeal = 0;

  /** Reads the entity that begins at `from`, as far as it has no parts. @returns the delimiter that ends it, or comes first in it */
  function enter(from: number, inDigest: boolean): Delimiter | null {
    let at = from;
    let digest = inDigest;
    let depth = levels.at(-1)?.depth ?? 0;
    for (;;) {
      const { head, body: bodyAt } = readHead(message, at, active);
      const entity = readEntity({ ...head, body: message.subarray(0, 0) }, digest);
      const declared = declaredMultipart(head);
      if (depth < MAX_DEPTH && isMessage(entity)) {
        pieces.push({ kind: 'container', head, entity, multipart: null });
        at = bodyAt;
        digest = false;
        depth += 1;
        continue;
      }
      const first = depth < MAX_DEPTH && declared !== null ? open(declared, bodyAt, depth) : null;
      if (first !== null && declared !== null) {
        const multipart = { subtype: declared.subtype, boundary: first.boundary };
        pieces.push({ kind: 'container', head, entity, multipart });
        around(bodyAt, first.before);
        return first;
      }
      const end = nextDelimiter(message, bodyAt, message.length, active);
      const body = message.subarray(bodyAt, end?.before ?? message.length);
      const encrypted = isPgpMime(entity, body);
      const within = levels.at(-1)?.piece ?? null;
      pieces.push({ kind: 'leaf', head, entity, body, encrypted, unopened: declared !== null, within });
      toSeal += 1;
      return end;
    }
  }

  /** Opens a multipart whose first delimiter is there; its boundary is active then. */
  function open({ subtype, boundaries }: Declared, bodyAt: number, depth: number): Delimiter | null {
    for (const boundary of boundaries) {
      if (active.has(boundary)) continue;
      active.set(boundary, levels.length);
      const first = nextDelimiter(message, bodyAt, message.length, active);
      if (first !== null && !first.closing && first.boundary === boundary) {
        levels.push({ boundary, digest: subtype === 'digest', piece: pieces.length, depth: depth + 1 });
        return first;
      }
      active.delete(boundary);
    }
    return null;
  }

  /** Ends the multiparts inside the one that this delimiter is of, and that one too where it closes. */
  function leave(delimiter: Delimiter): void {
    const keep = (active.get(delimiter.boundary) ?? 0) + (delimiter.closing ? 0 : 1);
    while (levels.length > keep) active.delete(levels.pop()?.boundary ?? '');
  }

  function around(from: number, end: number): void {
    if (end <= from) return;
    pieces.push({ kind: 'around', bytes: message.subarray(from, end) });
    toSeal += 1;
  }

  let delimiter = enter(0, false);
  while (delimiter !== null && toSeal <= limit) {
    pieces.push({ kind: 'delimiter', bytes: message.subarray(delimiter.before, delimiter.after) });
    leave(delimiter);
    if (delimiter.closing) {
      const next: Delimiter | null = nextDelimiter(message, delimiter.after, message.length, active);
      around(delimiter.after, next?.before ?? message.length);
      delimiter = next;
    } else delimiter = enter(delimiter.after, levels.at(-1)?.digest ?? false);
  }
  return toSeal > limit ? null : pieces;
}

/** Reads the header of the entity that begins at `from` and ends, at the latest, at the next delimiter. */
function readHead(
  message: Buffer,
  from: number,
  active: ReadonlyMap<string, number>,
): { readonly head: Head; readonly body: number } {
  const until = Math.min(message.length, from + HEAD_BYTES);
  const near = headWithin(message.subarray(0, until + LINE_BYTES), from, until, active);
  // Without an empty line in it, what was read may have been cut in the middle of a field.
  const found =
    near.head.separator.length > 0 || near.end < until || until === message.length
      ? near
      : headWithin(message, from, message.length, active);
  // Of the message itself, an mbox line and a header without an end are what they look like.
  if (from === 0) return found;
  // In a part they may as well be text: what cannot be told apart from a text must not stand outside.
  if (found.head.preamble.length > 0) return { head: NO_HEAD, body: from };
  return found.head.separator.length > 0 ? found : upToText(found.head, from);
}

/** The Content-* fields that a part begins with, for a part whose header no empty line ends. */
function upToText(head: Head, from: number): { readonly head: Head; readonly body: number } {
  const other = head.fields.findIndex(({ name }) => !name.startsWith('content-'));
  const fields = other < 0 ? head.fields : head.fields.slice(0, other);
  return { head: { ...head, fields }, body: fields.reduce((at, { raw }) => at + raw.length, from) };
}

function headWithin(message: Buffer, from: number, until: number, active: ReadonlyMap<string, number>) {
  const end = nextDelimiter(message, from, until, active)?.before ?? until;
  const { body, ...head } = splitMessage(message.subarray(from, end));
  return { head, body: end - body.length, end };
}

function isMessage({ contentType, encoding }: Entity): boolean {
  // RFC 2046, section 5.2.1: where it is in a transfer encoding, its fields cannot be seen.
  return contentType !== null && IDENTITY.has(encoding) && MESSAGE_TYPES.has(mediaType(contentType));
}

/** A multipart as its header announces it. */
interface Declared {
  readonly subtype: string;
  /** What its boundary may be, best reading first. */
  readonly boundaries: readonly string[];
}

/**
 * Reads a multipart's type as mail programs do: what is wrong elsewhere in the field does not matter, a boundary may lack its
 * quotes, and a transfer encoding (RFC 2045, section 6.4, forbids one) is not undone. Null for what is no multipart; of two
 * fields each program takes another one.
 */
function declaredMultipart(head: Head): Declared | null {
  const [field, ...more] = fieldsNamed(head, 'content-type');
  if (field === undefined || more.length > 0) return null;
  const value = fieldValue(field);
  const contentType = parseContentType(value);
  // What is sealed as one stays one; what only says so has no parts that a mail program would show.
  if (contentType?.type !== 'multipart' || contentType.subtype === 'encrypted') return null;
  const readings = parameterReadings(value, 'boundary');
  // "boundary=b charset=utf-8": some take all of it, most stop at the space.
  const words = readings.map((each) => each.replace(/[ \t].*$/s, ''));
  const boundaries = [...readings, ...words].map(withoutPadding).filter((each) => each !== '');
  return { subtype: contentType.subtype, boundaries: [...new Set(boundaries)] };
}

/** A delimiter line cannot end in white space (RFC 2046, section 5.1.1). */
function withoutPadding(boundary: string): string {
  let end = boundary.length;
  while (end > 0 && ' \t'.includes(boundary.charAt(end - 1))) end -= 1;
  return boundary.slice(0, end);
}

function isPgpMime(entity: Entity, body: Buffer): boolean {
  if (entity.contentType === null || mediaType(entity.contentType) !== PGP_MIME) return false;
  return detectInMultipart(entity, body).encrypted;
}

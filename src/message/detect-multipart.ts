// The tree of a multipart message, walked in one pass and without recursion: it is encrypted only if every leaf is.
import { beginsArmoredMessage } from './armored-text.ts';
import type { ContentType } from './content-type.ts';
import type { Detection } from './detection.ts';
import { type Entity, mediaType, readEntity } from './entity.ts';
import { splitMessage } from './header.ts';
import { encryptedKeyIds, judgeLeaf, PGP_ENCRYPTED, rejectByHead } from './leaf.ts';
import { nextDelimiter } from './mime-scanner.ts';
import { trimBytes } from './white-space.ts';
import { isControlPart, withoutText } from './without-text.ts';

const PGP_MIME = 'multipart/encrypted';

const MAX_DEPTH = 100;
const MAX_PARTS = 10_000;
/** Of Content-* fields, with room for a long file name. */
const MAX_PART_HEADER = 4096;
/**
 * Room for "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)", in any language, not for a letter. Such a remark is
 * no part of the message (RFC 2046, section 5.1.1): its sender put it in the open as he did the Subject, and to seal the
 * message once more for its sake would make two shells, which few mail programs open.
 */
const MAX_PREAMBLE = 512;

/** One multipart that is open. */
interface Level {
  readonly boundary: string;
  readonly type: string;
  parts: number;
  /** What is being read of it, and where that begins. While a multipart inside is open, `part` is null. */
  inside: 'preamble' | 'part' | 'epilogue';
  from: number;
  part: Entity | null;
  /** Its first part is an empty text, as Exchange puts one in front of PGP/MIME. */
  beginsEmpty: boolean;
}

/** How far the message has been read. */
interface Walk {
  readonly body: Buffer;
  /** The multiparts that are open, the outermost first. */
  readonly levels: Level[];
  /** The index of each of them, by its boundary. */
  readonly active: Map<string, number>;
  readonly keyIds: Set<string>;
  /** Parts so far, of all multiparts. */
  parts: number;
  /** Encrypted ones among them. */
  encrypted: number;
  /** Why the first part without text is no encrypted one. */
  withoutText: Objection;
  /** Where the next delimiter is looked for. */
  at: number;
}

/** Why the message is not encrypted; null: nothing against it so far. */
type Objection = string | null;

/**
 * Judges a multipart message.
 * @param root with a readable content type `multipart/...`
 * @param body everything behind the message's header
 */
export function detectInMultipart(root: Entity, body: Buffer): Detection {
  const walk: Walk = {
    body,
    levels: [],
    active: new Map(),
    keyIds: new Set(),
    parts: 0,
    encrypted: 0,
    withoutText: null,
    at: 0,
  };
  let objection = open(walk, root, 0);
  while (objection === null && walk.levels.length > 0) objection = step(walk);
  // Nothing in it is encrypted, although nothing in it can be read.
  if (objection === null && walk.encrypted === 0) objection = walk.withoutText;
  if (objection !== null) return { encrypted: false, because: objection };
  const type = root.contentType === null ? 'multipart' : mediaType(root.contentType);
  const keyIds = [...walk.keyIds];
  return type === PGP_MIME
    ? {
        encrypted: true,
        how: 'pgp-mime',
        because: `${PGP_MIME} around one encrypted OpenPGP message`,
        keyIds,
      }
    : {
        encrypted: true,
        how: 'multipart',
        because: `${type} whose every part is encrypted${walk.withoutText === null ? '' : ', or holds no text'}`,
        keyIds,
      };
}

function open(walk: Walk, { contentType, encoding }: Entity, from: number): Objection {
  if (contentType === null) return 'the Content-Type of a part cannot be read, or can be read in two ways';
  const { levels, active } = walk;
  const type = mediaType(contentType);
  const objection = objectToMultipart(contentType, encoding);
  if (objection !== null) return objection;
  const boundary = contentType.parameters.get('boundary') ?? '';
  if (active.has(boundary)) return `${type} with the boundary of the multipart around it`;
  if (levels.length === MAX_DEPTH) return `more than ${MAX_DEPTH} multiparts inside each other`;
  active.set(boundary, levels.length);
  levels.push({ boundary, type, parts: 0, inside: 'preamble', from, part: null, beginsEmpty: false });
  walk.at = from;
  return null;
}

/** Reads up to the next delimiter, and what that delimiter says. */
function step(walk: Walk): Objection {
  const { body, levels, active } = walk;
  const top = levels.at(-1);
  const remark = top?.inside === 'preamble' && !beginsArmoredMessage(body.subarray(top.from));
  const until = remark ? top.from + MAX_PREAMBLE + 3 : body.length;
  const delimiter = nextDelimiter(body, walk.at, until, active);
  const objection = top === undefined ? null : closeRegion(walk, top, delimiter?.before ?? body.length);
  if (objection !== null) return objection;
  if (delimiter === null) return closeLevels(walk, 0);
  const index = active.get(delimiter.boundary) ?? 0;
  const unclosed = closeLevels(walk, index + 1);
  const level = levels[index];
  if (unclosed !== null || level === undefined) return unclosed;
  if (level.inside === 'epilogue') return `${level.type} with a delimiter behind its end`;
  walk.at = delimiter.after;
  level.from = delimiter.after;
  level.part = null;
  level.inside = delimiter.closing ? 'epilogue' : 'part';
  return delimiter.closing ? null : openPart(walk, level);
}

function openPart(walk: Walk, level: Level): Objection {
  const { body, at, active } = walk;
  level.parts += 1;
  walk.parts += 1;
  if (walk.parts > MAX_PARTS) return `more than ${MAX_PARTS} parts`;
  if (level.type === PGP_MIME && level.parts > 2) return `${PGP_MIME} with more than two parts`;
  const next = nextDelimiter(body, at, at + MAX_PART_HEADER, active);
  const end = next?.before ?? body.length;
  const head = body.subarray(at, Math.min(end, at + MAX_PART_HEADER));
  const split = splitMessage(head);
  // An mbox line stands only above a whole message: here it is a text that somebody can read.
  if (split.preamble.length > 0) return 'a part that begins with a text';
  if (split.separator.length === 0 && at + head.length < end) return 'a part whose header does not end';
  const entity = readEntity(split, level.type === 'multipart/digest');
  const from = at + head.length - split.body.length;
  if (entity.contentType?.type === 'multipart' && level.type !== PGP_MIME) return open(walk, entity, from);
  level.part = entity;
  level.from = from;
  return level.type === PGP_MIME ? null : rejectByHead(entity, body.subarray(from, end));
}

/** Judges what was read of a multipart: its preamble, a leaf, or its epilogue. */
function closeRegion(walk: Walk, level: Level, end: number): Objection {
  const region = walk.body.subarray(level.from, Math.max(level.from, end));
  if (level.inside === 'preamble') {
    return isRemark(region) || isEncrypted(walk, region)
      ? null
      : `${level.type} with a text before its first part`;
  }
  if (level.inside === 'epilogue') {
    return trimBytes(region).length === 0 || isEncrypted(walk, region)
      ? null
      : `${level.type} with a text behind its last part`;
  }
  if (level.part === null) return null;
  if (level.type === PGP_MIME) return closePgpMimePart(walk, level, level.part, region);
  const verdict = judgeLeaf(level.part, region);
  if (!verdict.encrypted) return passOver(walk, level, level.part, region) ? null : verdict.because;
  walk.encrypted += 1;
  for (const keyId of verdict.keyIds) walk.keyIds.add(keyId);
  return null;
}

/** Whether no program takes this preamble for parts: one that reads the boundary in another way than we do would show them. */
function isRemark(preamble: Buffer): boolean {
  return preamble.length <= MAX_PREAMBLE && !/(?:^|[\r\n])--/.test(preamble.toString('latin1'));
}

/**
 * Whether a part holds no text. A control part counts where Exchange leaves it: behind an empty text, in front of the
 * ciphertext.
 */
function passOver(walk: Walk, level: Level, part: Entity, region: Buffer): boolean {
  const found = withoutText(part, region);
  if (found === 'empty-text' && level.parts === 1) level.beginsEmpty = true;
  const misplaced = level.type !== 'multipart/mixed' || level.parts !== 2 || !level.beginsEmpty;
  if (found === null || (found === 'control' && misplaced)) return false;
  const verdict = judgeLeaf(part, Buffer.alloc(0));
  if (!verdict.encrypted) walk.withoutText ??= verdict.because;
  return true;
}

/** A text around the parts that the inline style has sealed. */
function isEncrypted(walk: Walk, region: Buffer): boolean {
  const found = encryptedKeyIds(region, '7bit');
  for (const keyId of found ?? []) walk.keyIds.add(keyId);
  return found !== null;
}

/** RFC 3156, section 4: a control part, then the message. */
function closePgpMimePart(walk: Walk, level: Level, part: Entity, region: Buffer): Objection {
  if (level.parts === 1) {
    return isControlPart(part, region)
      ? null
      : `${PGP_MIME} whose first part is not ${PGP_ENCRYPTED} with "Version: 1"`;
  }
  const isLeaf = part.contentType !== null && part.contentType.type !== 'multipart';
  const found = isLeaf ? encryptedKeyIds(region, part.encoding) : null;
  if (found === null) return `${PGP_MIME} whose second part is not an encrypted OpenPGP message`;
  walk.encrypted += 1;
  for (const keyId of found) walk.keyIds.add(keyId);
  return null;
}

/** Ends the multiparts from `index` on. A missing closing delimiter is forgiven: nothing can hide behind the end. */
function closeLevels({ levels, active }: Walk, index: number): Objection {
  while (levels.length > index) {
    const level = levels.pop();
    if (level === undefined) break;
    active.delete(level.boundary);
    if (level.parts === 0) return `${level.type} without parts`;
    if (level.type === PGP_MIME && level.parts !== 2) return `${PGP_MIME} with one part`;
  }
  return null;
}

function objectToMultipart(contentType: ContentType, encoding: string | null): Objection {
  const type = mediaType(contentType);
  const boundary = contentType.parameters.get('boundary') ?? '';
  if (boundary === '' || boundary.endsWith('--')) return `${type} without a usable boundary`;
  // RFC 2045, section 6.4. PGP/MIME that claims to be quoted-printable shows nothing else where somebody undoes that.
  const identity = ['7bit', '8bit', 'binary', ...(type === PGP_MIME ? ['quoted-printable'] : [])];
  if (!identity.includes(encoding ?? '')) return `${type} in a transfer encoding`;
  if (type === PGP_MIME && contentType.parameters.get('protocol')?.toLowerCase() !== PGP_ENCRYPTED) {
    return `${PGP_MIME} with another protocol than ${PGP_ENCRYPTED}`;
  }
  return null;
}

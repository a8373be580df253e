// A letter to the key address taken apart by mailparser, within bounds: the files that may matter, and the text.
import { type AttachmentStream, MailParser, type MessageText } from 'mailparser';
import { MAX_UPLOAD } from '../../keys/refusals.ts';
import { within } from '../../pacing/within.ts';

/** A part that is no text. */
export interface LetterFile {
  /** In lower case. */
  readonly type: string;
  /** '' where it has none. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface LetterParts {
  readonly files: readonly LetterFile[];
  readonly text: string;
}

/** No letter that brings a key is larger: what is larger is not read. Bytes. */
export const MAX_LETTER = 2 * 1024 * 1024;
/** Files that are kept; the others are passed over. */
const MOST_FILES = 10;
/** Of each. A key of 256 KiB, in armor. */
const MOST_FILE_BYTES = 2 * MAX_UPLOAD;
const MOST_PARTS = 50;
const MOST_HEAD_BYTES = 128 * 1024;
/** In characters: a key of 256 KiB in armor, and some words. */
const MOST_TEXT = 512 * 1024;
/** Milliseconds; an ordinary letter takes some. */
const MOST_MS = 10_000;
/** Given to the parser at a time; it gives way to other work in between. */
const STEP_BYTES = 32 * 1024;

/** @returns null where the letter is larger than {@link MAX_LETTER}, or no parser reads it */
export async function readParts(message: Buffer): Promise<LetterParts | null> {
  if (message.length > MAX_LETTER) return null;
  const found: Found = { files: [], text: '' };
  try {
    return await within(
      MOST_MS,
      parse(message, found).then(() => found),
      null,
    );
  } catch {
    return null;
  }
}

interface Found {
  readonly files: LetterFile[];
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

function take(part: AttachmentStream, { files }: Found): void {
  const wanted = files.length < MOST_FILES;
  const chunks: Buffer[] = [];
  let size = 0;
  part.content.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (wanted && size <= MOST_FILE_BYTES) chunks.push(chunk);
  });
  part.content.on('end', () => {
    if (wanted && size <= MOST_FILE_BYTES)
      files.push({
        type: part.contentType.toLowerCase(),
        name: part.filename ?? '',
        bytes: Buffer.concat(chunks),
      });
    part.release();
  });
}

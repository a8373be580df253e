// The messages that our own clients send: each one is another. The bodies are lines of base64, as attachments are: gpg, which
// compresses by default, finds as little in them as in real mail.
import { randomBytes } from 'node:crypto';

export interface Letter {
  /** With the empty line behind it. */
  readonly header: Buffer;
  /** The same buffer for all letters of a size. */
  readonly body: Buffer;
}

const LINE = 76;
const bodies = new Map<number, Buffer>();
let letters = 0;

/** A message with a body of about `bytes` bytes and a Message-ID of its own; CRLF line ends, no line begins with a dot. */
export function letter(recipient: string, bytes: number): Letter {
  letters += 1;
  const header = [
    'From: <carol@example.net>',
    `To: <${recipient}>`,
    'Subject: bench',
    `Message-ID: <${process.pid}.${letters}@bench.example.net>`,
    '',
    '',
  ].join('\r\n');
  return { header: Buffer.from(header), body: bodyOf(bytes) };
}

/** With LF line ends, as pipe(8) gives it. */
export function asPipeGivesIt({ header, body }: Letter): Buffer {
  return Buffer.from(Buffer.concat([header, body]).toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}

function bodyOf(bytes: number): Buffer {
  const known = bodies.get(bytes);
  if (known !== undefined) return known;
  const lines = Math.max(1, Math.round(bytes / (LINE + 2)));
  const text = randomBytes((lines * LINE * 3) / 4).toString('base64');
  const body = Buffer.from(text.replace(/.{76}/g, '$&\r\n'), 'latin1');
  bodies.set(bytes, body);
  return body;
}

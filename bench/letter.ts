// The messages that our own clients send: each one is another.
let letters = 0;

const LINE = 'A line of a message that nobody but its owner should ever be able to read again.....\r\n';
const bodies = new Map<number, Buffer>();

/**
 * A message with a body of about `bytes` bytes and a Message-ID of its own.
 * @param lineEnd CRLF as SMTP wants it, or LF as pipe(8) gives it
 */
export function letter(recipient: string, bytes: number, lineEnd: '\r\n' | '\n' = '\r\n'): Buffer {
  letters += 1;
  const header = [
    'From: <carol@example.net>',
    `To: <${recipient}>`,
    'Subject: bench',
    `Message-ID: <${process.pid}.${letters}@bench.example.net>`,
    '',
    '',
  ].join('\r\n');
  const body = bodies.get(bytes) ?? Buffer.from(LINE.repeat(Math.max(1, Math.round(bytes / LINE.length))));
  bodies.set(bytes, body);
  const message = Buffer.concat([Buffer.from(header), body]);
  return lineEnd === '\n' ? Buffer.from(message.toString('latin1').replaceAll('\r\n', '\n')) : message;
}

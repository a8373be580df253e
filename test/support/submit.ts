// Sends test mail byte by byte over a plain socket.
import { connect } from 'node:net';
import { SocketReader } from './socket-reader.ts';

export interface RawMail {
  readonly to: { readonly port: number } | { readonly path: string };
  readonly protocol?: 'smtp' | 'lmtp';
  readonly sender: string;
  readonly recipients: readonly string[];
  /** For whom this client stands in, such as `ADDR=192.0.2.7` (Postfix's XCLIENT). */
  readonly xclient?: string;
  /** Parameters of MAIL, such as `BODY=8BITMIME SMTPUTF8`. */
  readonly mailParameters?: string;
  readonly message: Uint8Array;
  /** Resets the connection. */
  readonly signal?: AbortSignal;
}

/**
 * One transaction, dot-stuffed, the bytes otherwise as given (a CRLF is added where the last one lacks).
 * @returns the reply lines after the final dot: one, or with LMTP one for each recipient
 * @throws an Error with the reply when MAIL, RCPT or DATA is refused
 */
export async function sendRaw(mail: RawMail): Promise<string[]> {
  const socket = 'port' in mail.to ? connect(mail.to.port, '127.0.0.1') : connect(mail.to.path);
  const reader = new SocketReader(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => undefined);
  mail.signal?.addEventListener('abort', () => socket.resetAndDestroy());
  const reply = async (expected: string): Promise<string> => {
    for (;;) {
      const line = await reader.line();
      if (line === null) throw new Error(`connection closed, expected ${expected}`);
      if (line[3] === '-') continue;
      if (expected !== '' && !line.startsWith(expected)) throw new Error(`expected ${expected}: ${line}`);
      return line;
    }
  };
  const ask = (line: string, expected: string) => {
    socket.write(`${line}\r\n`, 'latin1');
    return reply(expected);
  };
  await reply('220');
  const hello = `${mail.protocol === 'lmtp' ? 'LHLO' : 'EHLO'} client.outside.test`;
  await ask(hello, '250');
  if (mail.xclient !== undefined) {
    await ask(`XCLIENT ${mail.xclient}`, '220');
    await ask(hello, '250');
  }
  await ask(`MAIL FROM:<${mail.sender}>${mail.mailParameters ? ` ${mail.mailParameters}` : ''}`, '250');
  for (const recipient of mail.recipients) await ask(`RCPT TO:<${recipient}>`, '250');
  await ask('DATA', '354');
  const bytes = Buffer.from(mail.message)
    .toString('latin1')
    .replace(/(^|\r\n)\./g, '$1..');
  socket.write(`${bytes}${bytes.endsWith('\r\n') ? '' : '\r\n'}.\r\n`, 'latin1');
  const replies: string[] = [];
  const expected = mail.protocol === 'lmtp' ? mail.recipients.length : 1;
  while (replies.length < expected) replies.push(await reply(''));
  socket.end('QUIT\r\n');
  return replies;
}

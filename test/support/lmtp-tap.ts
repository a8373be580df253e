// A wire between an LMTP client and a server that keeps what the client sent as messages.
import { chmod, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';

export interface LmtpTap {
  /** Every message that went over the wire, dot-stuffing undone. */
  messages(): Buffer[];
  close(): Promise<void>;
}

/** Listens on one unix socket and passes everything to another, both ways. */
export async function startLmtpTap(listen: string, target: string): Promise<LmtpTap> {
  const sent: Buffer[][] = [];
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const chunks: Buffer[] = [];
    sent.push(chunks);
    const behind = connect(target);
    client.on('data', (chunk) => chunks.push(chunk));
    client.pipe(behind);
    behind.pipe(client);
    const end = () => {
      client.destroy();
      behind.destroy();
    };
    for (const socket of [client, behind]) {
      open.add(socket);
      socket.on('error', end);
      socket.on('close', end);
      socket.on('close', () => open.delete(socket));
    }
  });
  await rm(listen, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen, resolve);
  });
  await chmod(listen, 0o666);
  return {
    messages: () => sent.flatMap((chunks) => messagesIn(Buffer.concat(chunks))),
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** What stands between DATA and the dot. */
function messagesIn(dialogue: Buffer): Buffer[] {
  const text = dialogue.toString('latin1');
  const messages: Buffer[] = [];
  let at = 0;
  for (;;) {
    const data = text.indexOf('\r\nDATA\r\n', at);
    const end = data < 0 ? -1 : text.indexOf('\r\n.\r\n', data + 6);
    if (end < 0) return messages;
    messages.push(Buffer.from(text.slice(data + 8, end + 2).replace(/(^|\r\n)\.\./g, '$1.'), 'latin1'));
    at = end + 3;
  }
}

// One client session, SMTP or LMTP, that measures each message: from its first command (or the connect before it) to its last
// reply. It pipelines MAIL, RCPT and DATA as Postfix does.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Letter } from './letter.ts';

export interface Mail {
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly letter: Letter;
  /** The body is sent in so many pieces with a pause (ms) before each: a slow client. Default: at once. */
  readonly slowly?: { readonly pieces: number; readonly pause: number };
}

export interface Session {
  /**
   * One transaction.
   * @returns milliseconds, and whether it was put off (a 4xx to MAIL or to the message)
   * @throws Error for any other refusal
   */
  deliver(mail: Mail): Promise<{ readonly ms: number; readonly putOff: boolean }>;
  quit(): Promise<void>;
}

export async function openSession(
  port: number,
  protocol: 'smtp' | 'lmtp',
  patience = 120_000,
): Promise<Session> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.setTimeout(patience, () => socket.destroy(new Error(`no reply for ${patience / 1000} s`)));
  const replies = replyReader(socket);
  expectReply(await replies.next(), '220');
  socket.write(`${protocol === 'lmtp' ? 'LHLO' : 'EHLO'} bench.example.net\r\n`);
  expectReply(await replies.next(), '250');

  async function reset(): Promise<void> {
    socket.write('RSET\r\n');
    expectReply(await replies.next(), '250');
  }

  return {
    async deliver(mail) {
      const { sender, recipients, letter } = mail;
      const started = performance.now();
      const ended = (putOff: boolean) => ({ ms: performance.now() - started, putOff });
      const lines = [
        `MAIL FROM:<${sender}> SIZE=${letter.header.length + letter.body.length}`,
        ...recipients.map((recipient) => `RCPT TO:<${recipient}>`),
        'DATA',
      ];
      socket.write(`${lines.join('\r\n')}\r\n`);
      const [toMail = '', ...more] = await replies.take(lines.length);
      const toData = more.at(-1) ?? '';
      if (toMail.startsWith('4')) {
        await reset();
        return ended(true);
      }
      for (const each of [toMail, ...more.slice(0, -1)]) expectReply(each, '250');
      if (toData.startsWith('4')) {
        await reset();
        return ended(true);
      }
      expectReply(toData, '354');
      await writeMessage(socket, mail);
      const last = await replies.take(protocol === 'lmtp' ? recipients.length : 1);
      if (last.every((reply) => reply.startsWith('4'))) return ended(true);
      for (const reply of last) expectReply(reply, '250');
      return ended(false);
    },
    async quit() {
      socket.write('QUIT\r\n');
      await replies.next();
      socket.destroy();
    },
  };
}

async function writeMessage(socket: Socket, { letter, slowly }: Mail): Promise<void> {
  const { header, body } = letter;
  socket.cork();
  socket.write(header);
  if (slowly === undefined) socket.write(body);
  else {
    const piece = Math.ceil(body.length / slowly.pieces);
    for (let at = 0; at < body.length; at += piece) {
      socket.uncork();
      await sleep(slowly.pause);
      socket.cork();
      socket.write(body.subarray(at, at + piece));
    }
  }
  socket.write('.\r\n');
  socket.uncork();
}

function expectReply(reply: string, code: string): void {
  if (!reply.startsWith(code)) throw new Error(`found "${reply}", expected ${code}`);
}

interface ReplyParser {
  /** The last line of the next reply. Rejects when the connection ends instead. */
  next(): Promise<string>;
  take(count: number): Promise<string[]>;
}

function replyReader(socket: Socket): ReplyParser {
  const arrived: string[] = [];
  let unread = '';
  let failure: Error | undefined;
  let wake: () => void = () => undefined;
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    const lines = (unread + text).split('\r\n');
    unread = lines.pop() ?? '';
    arrived.push(...lines.filter((line) => line[3] !== '-'));
    wake();
  });
  socket.on('error', (error) => {
    failure = error;
    wake();
  });
  socket.on('close', () => {
    failure ??= new Error('the connection was closed instead of a reply');
    wake();
  });
  const next = async (): Promise<string> => {
    for (;;) {
      const reply = arrived.shift();
      if (reply !== undefined) return reply;
      if (failure !== undefined) throw failure;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return {
    next,
    async take(count) {
      const taken: string[] = [];
      while (taken.length < count) taken.push(await next());
      return taken;
    },
  };
}

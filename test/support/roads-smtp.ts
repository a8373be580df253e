// Mail on its way in, as anybody may send it: every address as it is typed, and every answer kept.
import { connect } from 'node:net';
import { SocketReader } from './socket-reader.ts';

export interface RoadMail {
  readonly port: number;
  readonly sender: string;
  /** Without angle brackets; what is not ASCII goes over the wire as UTF-8. */
  readonly recipients: readonly string[];
  /** Parameters of MAIL. */
  readonly mail?: string;
  /** Parameters of every RCPT. */
  readonly rcpt?: string;
  readonly message: string;
}

/** What the server said. */
export interface Answers {
  /** To each RCPT. */
  readonly recipients: readonly string[];
  /** To the final dot, or to what was refused before it. */
  readonly end: string;
}

export interface RoadSession {
  /** One transaction. */
  send(mail: Omit<RoadMail, 'port'>): Promise<Answers>;
  /** One command, its last reply line. */
  ask(command: string): Promise<string>;
  close(): void;
}

const wire = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Connects and greets. */
export async function openRoadSession(port: number): Promise<RoadSession> {
  const socket = connect(port, '127.0.0.1');
  const reader = new SocketReader(socket);
  socket.on('error', () => undefined);
  const reply = async (): Promise<string> => {
    for (;;) {
      const line = await reader.line();
      if (line === null) throw new Error('Postfix closed the connection');
      if (line[3] !== '-') return line;
    }
  };
  const ask = (command: string): Promise<string> => {
    socket.write(`${wire(command)}\r\n`, 'latin1');
    return reply();
  };
  await reply();
  await ask('EHLO client.outside.test');
  return {
    ask,
    async send({ sender, recipients, mail = '', rcpt = '', message }) {
      const commands = [
        `MAIL FROM:<${sender}>${mail === '' ? '' : ` ${mail}`}`,
        ...recipients.map((path) => `RCPT TO:<${path}>${rcpt === '' ? '' : ` ${rcpt}`}`),
      ];
      // Pipelined: thousands of addresses in one session.
      socket.write(`${wire(commands.join('\r\n'))}\r\n`, 'latin1');
      const from = await reply();
      const answers: string[] = [];
      for (const _ of recipients) answers.push(await reply());
      if (!from.startsWith('250') || !answers.some((answer) => answer.startsWith('25'))) {
        await ask('RSET');
        return { recipients: answers, end: from.startsWith('250') ? (answers[0] ?? '') : from };
      }
      const go = await ask('DATA');
      if (!go.startsWith('354')) return { recipients: answers, end: go };
      return { recipients: answers, end: await ask(`${message.replace(/^\./gm, '..')}.`) };
    },
    close: () => void socket.end('QUIT\r\n'),
  };
}

/** One message in a session of its own. */
export async function sendRoadMail({ port, ...mail }: RoadMail): Promise<Answers> {
  const session = await openRoadSession(port);
  try {
    return await session.send(mail);
  } finally {
    session.close();
  }
}

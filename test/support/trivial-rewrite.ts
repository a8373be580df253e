// Asks a running Postfix what it makes of an address: the resolve service of trivial-rewrite(8), over its socket below
// private/, as resolve_clnt(3) asks it (attr_print0(3): names and values that end with NUL, an empty name ends a list).
import { connect } from 'node:net';

/** resolve_clnt(3). */
export interface PostfixSays {
  /** In internal form. */
  readonly recipient: string;
  /** The address class; `error` for a domain that is none. */
  readonly says: 'local' | 'virtual' | 'relay' | 'other' | 'error' | 'failed';
}

export interface TrivialRewrite {
  /** @param address in internal form */
  resolve(address: string): Promise<PostfixSays>;
  close(): void;
}

/** Of resolve_clnt.h, as Postfix 3.7 and 3.10 have them. */
const ERROR = 4;
const FAIL = 8;
const CLASSES = [
  [256, 'local'],
  [1024, 'virtual'],
  [2048, 'relay'],
] as const;

/** @param path of its socket: `private/rewrite` below queue_directory */
export function openTrivialRewrite(path: string): TrivialRewrite {
  const socket = connect(path);
  const waiting: ((list: ReadonlyMap<string, string> | Error) => void)[] = [];
  let received = '';
  const fail = (why: string) => {
    for (const each of waiting.splice(0)) each(new Error(`trivial-rewrite: ${why}`));
  };
  socket.setEncoding('utf8');
  socket.on('error', (error) => fail(error.message));
  socket.on('close', () => fail('the connection was closed'));
  socket.on('data', (text: string) => {
    received += text;
    const lists = received.split('\0\0');
    received = lists.pop() ?? '';
    for (const list of lists) {
      // An empty value and the end of a list look alike: a list of answers always ends with its flags.
      const words = list.split('\0');
      const found = new Map<string, string>();
      for (let at = 0; at + 1 < words.length; at += 2) found.set(words[at] ?? '', words[at + 1] ?? '');
      waiting.shift()?.(found);
    }
  });
  const next = () =>
    new Promise<ReadonlyMap<string, string>>((resolve, reject) => {
      waiting.push((list) => (list instanceof Error ? reject(list) : resolve(list)));
    });
  // The server speaks first: the name of its protocol.
  const greeted = next();
  return {
    async resolve(address) {
      await greeted;
      const answer = next();
      socket.write(`request\0resolve\0sender\0\0address\0${address}\0\0`);
      const list = await answer;
      const flags = Number(list.get('flags'));
      const [, found = 'other'] = CLASSES.find(([bit]) => (flags & bit) !== 0) ?? [];
      return {
        recipient: list.get('recipient') ?? '',
        says: flags & FAIL ? 'failed' : flags & ERROR ? 'error' : found,
      };
    },
    close: () => socket.destroy(),
  };
}

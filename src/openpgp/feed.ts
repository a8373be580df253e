// A large plaintext on its way to a sealing thread, piece by piece as the thread asks for it: the thread never has a copy of all of
// it. Both ends are here.
import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { piecesOfMemory } from './plaintext-pieces.ts';
import { type Plaintext, type PlaintextFeed, plaintextSize } from './types.ts';

/** The end that stays: close it once the job has ended. */
export interface Feeding {
  /** To be transferred to the thread, its port with it. */
  readonly feed: PlaintextFeed;
  close(): void;
}

/** Every message on the port asks for a piece; null answers that there is none any more. */
export function startFeeding(plaintext: Plaintext): Feeding {
  const { port1, port2 } = new MessageChannel();
  const pieces = piecesOfMemory(plaintext);
  port1.on('message', () => {
    const { value } = pieces.next();
    if (value === undefined) port1.postMessage(null);
    else port1.postMessage(value, [value.buffer as ArrayBuffer]);
  });
  return { feed: { port: port2, size: plaintextSize(plaintext) }, close: () => port1.close() };
}

/** The pieces, asked for one after the other. @throws Error when fewer bytes come than were promised */
export async function* fedPieces({ port, size }: PlaintextFeed): AsyncGenerator<Uint8Array> {
  let left = size;
  try {
    for (let piece = await nextPiece(port); piece !== null; piece = await nextPiece(port)) {
      left -= piece.length;
      yield piece;
    }
  } finally {
    port.close();
  }
  if (left !== 0) throw new Error('the plaintext ended early');
}

async function nextPiece(port: MessagePort): Promise<Uint8Array | null> {
  const answer = once(port, 'message');
  port.postMessage('next');
  const [piece] = (await answer) as [Uint8Array | null];
  return piece;
}

// A connection for which there is no room: its first request gets a temporary answer, then it ends. Postfix asks again when it
// tries the mail again.
import type { Socket } from 'node:net';
import type { RequestProtocol } from './serve-requests.ts';

/** From the connection to its end, however slowly the client asks. */
const PATIENCE_MS = 5000;

export interface ListenerProtocol<R> extends RequestProtocol<R> {
  /** The reply to whatever is asked where there is no room. */
  readonly tooMany: Buffer;
}

/** @param patience milliseconds; replaced by tests */
export function putOff<R>(
  socket: Socket,
  { decoder: create, tooMany }: Pick<ListenerProtocol<R>, 'decoder' | 'tooMany'>,
  patience = PATIENCE_MS,
): void {
  const decoder = create();
  const limit = setTimeout(() => socket.destroy(), patience).unref();
  const answer = (chunk: Buffer): void => {
    decoder.push(chunk);
    const decoded = decoder.next();
    if (decoded === null) return;
    socket.off('data', answer);
    socket.resume();
    const reply = decoded.kind === 'request' ? tooMany : decoded.reply;
    if (reply === null) socket.end();
    else socket.end(reply);
  };
  socket.on('data', answer);
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
  socket.on('close', () => clearTimeout(limit));
}

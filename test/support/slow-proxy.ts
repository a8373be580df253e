// A proxy in front of a TCP server whose answers come late, or not at all.
import { type AddressInfo, connect, createServer, type Server } from 'node:net';

export interface SlowProxy {
  readonly port: number;
  close(): Promise<void>;
}

/** @param delayMs how late each piece of an answer comes. @param most so many pieces come, and none after them */
export async function startSlowProxy(
  port: number,
  delayMs: number,
  most = Number.POSITIVE_INFINITY,
): Promise<SlowProxy> {
  const server: Server = createServer((outer) => {
    const inner = connect(port, '127.0.0.1');
    outer.pipe(inner);
    outer.on('error', () => inner.destroy());
    outer.on('close', () => inner.destroy());
    inner.on('error', () => outer.destroy());
    inner.on('close', () => setTimeout(() => outer.destroy(), delayMs));
    let pieces = 0;
    inner.on('data', (piece) => {
      pieces += 1;
      if (pieces <= most) setTimeout(() => outer.write(piece), delayMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}

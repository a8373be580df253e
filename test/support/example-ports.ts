// The ports that postfix-examples/ name are one set for the whole machine: tests that listen on them, or that ask whether somebody
// does, take turns, whichever process they run in.
import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach } from 'vitest';

/** Whoever listens here has the ports; the system gives it back when a process ends, however that comes about. */
const TURN = 10_023;
const LOOK_AGAIN_MS = 100;

async function take(): Promise<Server> {
  for (;;) {
    const server = createServer();
    const taken = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') resolve(false);
        else reject(error);
      });
      server.listen(TURN, '127.0.0.1', () => resolve(true));
    });
    if (taken) return server;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** Call it once in a file, or in a group of tests: each of them waits for its turn. */
export function useExamplePorts(): void {
  const held: Server[] = [];
  beforeEach(async () => {
    held.push(await take());
  });
  afterEach(async () => {
    for (const server of held.splice(0)) await new Promise((resolve) => server.close(resolve));
  });
}

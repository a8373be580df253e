// A part of serve that does nothing: it says hello on a port. All that a part needs is here.
import { createServer } from 'node:net';
import { formatEndpoint, parseEndpoint } from '../../src/config/units.ts';
import { openListener } from '../../src/host/listen.ts';
import type { WorkingPart } from '../../src/serve/parts/part.ts';

/** Whom it greets before it complains. */
export const HELLOS = 3;

export const helloPart: WorkingPart = {
  name: 'hello',
  runs: 'in the first worker',
  closes: 'with the mail',
  fixedKeys: ['filter.idle_timeout'],
  wanted: () => true,
  async start({ config, logger, passed }) {
    const state = { hops: config.filter.max_received, greeted: 0 };
    const server = createServer((socket) => {
      state.greeted += 1;
      socket.on('error', () => undefined).end(`hello, after at most ${state.hops} hops\n`);
    });
    const wanted = parseEndpoint(process.env.HELLO ?? '127.0.0.1:0');
    if (!wanted.ok) throw new Error(`$HELLO: ${wanted.expected}`);
    const endpoint = await openListener(server, {
      title: 'the listener hello',
      endpoint: wanted.value,
      fd: passed.get('hello'),
      logger,
    });
    return {
      listeners: () => [{ name: 'hello', address: formatEndpoint(endpoint), connections: 0 }],
      complaints: async () => (state.greeted < HELLOS ? [] : ['hello was said often enough']),
      describe: async () => ({ hello: { greeted: state.greeted } }),
      reconfigure(next) {
        state.hops = next.filter.max_received;
      },
      async close(graceMs) {
        if (!server.listening) return;
        logger.info({ graceMs }, 'hello says good-bye');
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
};

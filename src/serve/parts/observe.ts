// The metrics listener as a part of serve. The primary speaks for all workers, since each of them would tell of itself only.
import type { PrimaryPart } from './part.ts';

export const observePart: PrimaryPart = {
  name: 'observe',
  runs: 'in the primary',
  closes: 'last',
  fixedKeys: ['observe.listen', 'observe.hosts'],
  wanted: ({ observe }) => observe.listen !== null,
  async start({ config, logger, passed, observed }) {
    const { listen, hosts: more } = config.observe;
    if (listen === null) throw new Error('the metrics listener has no address');
    // Workers have no HTTP server to load.
    const { OBSERVE_LISTENER, startObserveServer } = await import('../../http/observe.ts');
    const fd = passed.get(OBSERVE_LISTENER);
    const hosts = [config.hostname, ...more];
    const page = {
      hostname: config.hostname,
      keepsHistory: config.trace.keep !== 0,
      history: async () => (await observed.history?.()) ?? null,
    };
    const server = await startObserveServer({ endpoint: listen, fd, logger, hosts, page, ...observed });
    return {
      listeners: () => [server],
      complaints: async () => [],
      describe: async () => ({}),
      // Who asks will ask again: no answer is worth a slower end.
      close: () => server.close(0),
    };
  },
};

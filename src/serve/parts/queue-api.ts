// The HTTP interface of the queue as a part of serve.
import type { WorkingPart } from './part.ts';

export const queueApiPart: WorkingPart = {
  name: 'queue-api',
  goesWith: 'receiver',
  runs: 'in the first worker',
  closes: 'with the mail',
  fixedKeys: ['receiver.api'],
  wanted: ({ receiver }) => receiver.api.listen !== null,
  async start({ config, engine, logger, metrics, passed }) {
    const { listen } = config.receiver.api;
    if (listen === null) throw new Error('the HTTP interface of the queue has no address');
    // An HTTP server takes a tenth of a second to load, and few have it.
    const { API_LISTENER, startApi } = await import('../../../receiver/api/server.ts');
    const api = await startApi(config, listen, engine.database, logger, metrics, passed.get(API_LISTENER));
    return {
      listeners: () => [api],
      complaints: async () => [],
      describe: async () => ({}),
      reconfigure: () => undefined,
      close: api.close,
    };
  },
};

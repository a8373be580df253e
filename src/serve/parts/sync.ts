// Following panels as a part of serve. One process does it: two that did it at once would only be in each other's way.
import type { Config } from '../../config/schema.ts';
import type { WorkingPart } from './part.ts';

export const syncPart: WorkingPart = {
  name: 'sync',
  runs: 'in the first worker',
  closes: 'with the mail',
  fixedKeys: ['sync'],
  wanted: ({ sync }: Config) => sync.length > 0,
  async start({ config, engine, logger, current }) {
    // Few have panels, and the clients of their databases take time to load.
    const { startSync } = await import('../../import/sync.ts');
    const sync = startSync(config.sync, {
      database: engine.database,
      config: current,
      logger,
      now: Date.now,
    });
    return {
      listeners: () => [],
      // A panel that is away keeps no mail from being sealed.
      complaints: async () => [],
      describe: async () => ({ panels: sync.describe() }),
      reconfigure: () => undefined,
      close: () => sync.close(),
    };
  },
};

// The proxy filter as a part of serve.
import { startProxyFilter } from '../../../filters/proxy.ts';
import type { WorkingPart } from './part.ts';

export const filterPart: WorkingPart = {
  name: 'filter',
  runs: 'in every worker',
  takesMail: true,
  closes: 'with the mail',
  fixedKeys: ['filter.memory_budget'],
  wanted: () => true,
  async start({ config, engine, logger, metrics, passed }) {
    const proxy = await startProxyFilter(config, engine, logger, metrics, passed);
    return {
      listeners: proxy.listeners,
      complaints: async () => [],
      describe: async () => ({
        in_flight: { transactions: proxy.inFlight(), bytes: proxy.bytesInFlight() },
      }),
      reconfigure: proxy.reconfigure,
      close: proxy.close,
    };
  },
};

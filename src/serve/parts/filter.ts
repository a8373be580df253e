// The proxy filter as a part of serve.
import { startProxyFilter } from '../../../filters/proxy.ts';
import type { Acceptances } from '../../delivery/acceptances.ts';
import type { WorkingPart } from './part.ts';

/** Mail is deferred while acceptances cannot be written: what is delivered then could be delivered again. */
function complaintsOf({ refused }: Pick<Acceptances, 'refused'>): readonly string[] {
  const reason = refused();
  return reason === null ? [] : [`mail is deferred: the database takes no acceptances: ${reason}`];
}

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
      complaints: async () => complaintsOf(engine.memory),
      describe: async () => ({
        in_flight: { transactions: proxy.inFlight(), bytes: proxy.bytesInFlight() },
      }),
      reconfigure: proxy.reconfigure,
      close: proxy.close,
    };
  },
};

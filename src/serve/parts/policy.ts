// The lookup daemons as a part of serve.
import { startPolicyDaemons } from '../../../policy/daemons.ts';
import type { WorkingPart } from './part.ts';

export const policyPart: WorkingPart = {
  name: 'policy',
  runs: 'in every worker',
  // The next hop is often a Postfix that asks here.
  closes: 'after the mail',
  fixedKeys: ['policy', 'portal.key_address'],
  wanted: () => true,
  async start({ config, logger, metrics, passed }) {
    const daemons = await startPolicyDaemons(config, logger, metrics, passed);
    return {
      listeners: daemons.listeners,
      complaints: async () => [],
      describe: async () => ({}),
      reconfigure: (next) => daemons.lookups.reconfigure(next),
      close: daemons.close,
    };
  },
};

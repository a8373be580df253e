// The receiver as a part of serve. One worker runs it, so its limits are not divided.
import { startReceiver, wantsReceiver } from '../../../receiver/receiver.ts';
import type { WorkingPart } from './part.ts';

export const receiverPart: WorkingPart = {
  name: 'receiver',
  runs: 'in the first worker',
  closes: 'with the mail',
  fixedKeys: ['filter.memory_budget', 'receiver.spool', 'receiver.listen', 'receiver.mode', 'receiver.group'],
  absent: { spools: [] },
  wanted: wantsReceiver,
  async start({ config, engine, logger, metrics, passed }) {
    const receiver = await startReceiver(config, engine, logger, metrics, passed);
    return {
      listeners: receiver.listeners,
      complaints: receiver.complaints,
      describe: async () => ({ spools: await receiver.describe() }),
      reconfigure: receiver.reconfigure,
      close: receiver.close,
    };
  },
};

// The daily notices of keys that expire as a part of serve. They are mail of the filter's own, so they go with it.
import { startNotices } from '../../notices/notices.ts';
import { within } from '../../pacing/within.ts';
import type { WorkingPart } from './part.ts';

/** To record what became of a notice. */
const SETTLE_MS = 1000;

export const noticesPart: WorkingPart = {
  name: 'notices',
  goesWith: 'filter',
  runs: 'in the first worker',
  closes: 'with the mail',
  fixedKeys: [],
  // Whether there is an administrator is looked up for each run: a reload may name one.
  wanted: () => true,
  async start({ current, engine, logger, metrics }) {
    const notices = startNotices({ config: current, ...engine, logger, metrics });
    let closing: Promise<void> | undefined;
    async function end(graceMs: number): Promise<void> {
      const graceEnds = Date.now() + graceMs;
      const ended = notices.close();
      // A mail that is still being sent keeps its claim, and is not sent twice.
      const sent = engine.settle(graceEnds).then(() => within(SETTLE_MS, ended, undefined));
      await Promise.race([ended, sent]);
    }
    return {
      listeners: () => [],
      complaints: async () => [],
      describe: async () => ({}),
      reconfigure: () => undefined,
      close(graceMs) {
        closing ??= end(graceMs);
        return closing;
      },
    };
  },
};

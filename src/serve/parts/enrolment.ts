// Enrolment as a part of serve: it sends the letters of the outbox, also those that commands wrote, and does what time brings about.
import { outboxState } from '../../enrolment/outbox.ts';
import { startEnrolment } from '../../enrolment/run.ts';
import { createKeyCache } from '../../keys/cache.ts';
import { within } from '../../pacing/within.ts';
import type { WorkingPart } from './part.ts';

/** Keys that letters are sealed to; each is needed a few times. Bytes. */
const CACHE_BYTES = 4 * 1024 * 1024;
/** Below the patience of the page, which shows nothing of /status that comes later. */
const DESCRIBED_MS = 200;

export const enrolmentPart: WorkingPart = {
  name: 'enrolment',
  goesWith: 'filter',
  runs: 'in the first worker',
  closes: 'with the mail',
  fixedKeys: [],
  // Also without a portal: whoever could read is told what an administrator changed.
  wanted: () => true,
  async start({ config, current, engine, logger }) {
    const flow = { database: engine.database, config: current, now: () => Date.now() };
    const run = startEnrolment({
      ...flow,
      sealer: engine.sealer,
      inspect: createKeyCache({ allowSha1: config.keys.allow_sha1, maxBytes: CACHE_BYTES }).inspect,
      nextHop: engine.nextHop,
      logger,
    });
    engine.onChange(() => run.wake());
    let closing: Promise<void> | undefined;
    return {
      listeners: () => [],
      complaints: async () => run.complaints(),
      // The database may be away: that is told of elsewhere, and who asks for the rest of /status does not wait for it.
      describe: async () => ({
        letters: await within(
          DESCRIBED_MS,
          outboxState(flow).catch(() => null),
          null,
        ),
      }),
      reconfigure: () => undefined,
      close(graceMs) {
        closing ??= run.close();
        return within(graceMs, closing, undefined);
      },
    };
  },
};

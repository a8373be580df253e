// Opens the engine of serve as soon as its database can be reached.
import type { Config } from '../config/schema.ts';
import { messageOf } from '../database/exit.ts';
import { isDatabaseUnavailable } from '../database/open.ts';
import { type Engine, type EngineOptions, openEngine } from '../delivery/engine.ts';
import { mailDoorOf } from '../enrolment/mail/door.ts';
import type { Logger } from '../observe/log.ts';
import { within } from '../pacing/within.ts';
import type { Outlook } from './outlook.ts';
import type { StopSignal } from './stop-signal.ts';

/** How long to wait between attempts to reach the database at start. */
const RETRY_MS = [200, 500, 1000, 2000, 5000] as const;

/**
 * A database that is away at start is waited for: Postfix finds no listener, and keeps its mail.
 * @returns undefined where a signal came first
 * @throws what is not mended by waiting, such as missing tables
 */
export async function openWhenReachable(
  config: Config,
  outlook: Pick<Outlook, 'metrics' | 'because'>,
  logger: Logger,
  stop: StopSignal,
  {
    claims,
    refuseNewer,
    node,
  }: Required<Pick<EngineOptions, 'claims' | 'refuseNewer'>> & Pick<EngineOptions, 'node'>,
): Promise<Engine | undefined> {
  const { metrics } = outlook;
  for (let attempt = 0; !stop.requested(); attempt += 1) {
    try {
      const engine = await openEngine({
        config,
        logger,
        metrics,
        watchChanges: true,
        claims,
        refuseNewer,
        ...(node === undefined ? {} : { node }),
        keyDoor: mailDoorOf,
      });
      outlook.because = 'the listeners are being opened';
      if (attempt > 0) logger.info({ event: 'database_back' }, 'the database answers');
      return engine;
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error;
      outlook.because = messageOf(error);
      const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 5000;
      logger.error({ event: 'database_lost', err: error, retry_ms: wait }, 'the database cannot be reached');
      await within(wait, stop.promise, undefined);
    }
  }
  return undefined;
}

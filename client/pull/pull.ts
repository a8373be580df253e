// `sealpost pull`: from the server's queue into a local Maildir. For each message: fetch, decrypt, write, flush, rename, flush,
// acknowledge, in this order; whatever is interrupted anywhere goes on from there.
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerAway } from '../queue/server-errors.ts';
import { acknowledgeEarlier } from './acknowledge.ts';
import { drain } from './drain.ts';
import { pauseAfter } from './plan.ts';
import { beginRun, type Failure, type PullContext, type PullRun } from './run.ts';
import { watch } from './watch.ts';

export interface PullOptions extends Omit<PullContext, 'pause'> {
  /** Go on when the queue is empty, and take new mail as it comes. */
  readonly watch: boolean;
  /** For tests: waits between attempts. */
  readonly pause?: PullContext['pause'];
}

export interface PullResult {
  readonly delivered: number;
  readonly bytes: number;
  /** Left on the server, with the reason. */
  readonly failed: readonly Failure[];
}

/**
 * Empties the queue, and with `watch` keeps it empty.
 * @returns when the queue is empty, or after `stop`
 * @throws ServerRefused, KeyNotUsable; ServerAway when the server stays away, which with `watch` is waited for; the file
 * system's errors
 */
export async function pull(options: PullOptions): Promise<PullResult> {
  const run = beginRun({ ...options, pause: options.pause ?? pauseUntil });
  const earlier = new Set(run.maildir.unacknowledged);
  while (!run.stop.aborted) {
    try {
      if (earlier.size > 0) await acknowledgeEarlier(run, [...earlier]);
      earlier.clear();
      if (!options.watch) {
        await drain(run);
        break;
      }
      await watch(run);
    } catch (error) {
      if (run.stop.aborted) break;
      await waitForServer(run, error, options.watch);
    }
  }
  return { ...run.total, failed: run.failures.list() };
}

/** Waits until the next attempt makes sense. @throws the error itself when it is another one, or the server stays away */
async function waitForServer(run: PullRun, error: unknown, patient: boolean): Promise<void> {
  if (!(error instanceof ServerAway)) throw error;
  const { outage, total } = run;
  if (total.delivered > outage.deliveredBefore) outage.attempts = 0;
  outage.deliveredBefore = total.delivered;
  const wait = pauseAfter(outage.attempts, error.retryAfter, patient);
  if (wait === null) throw error;
  outage.attempts += 1;
  run.progress.away(error.message, wait);
  await run.pause(wait, run.stop);
}

async function pauseUntil(ms: number, stop: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: stop }).catch(() => undefined);
}

// What can be told of a process before its database is open: the observe listener answers from the first moment on, and says
// why nothing works yet.
import { packageVersion } from '../config/package.ts';
import type { Config } from '../config/schema.ts';
import type { Health } from '../observe/health.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { OpeningParts } from './open-parts.ts';
import type { PartContext } from './parts/part.ts';
import { describeListeners } from './running.ts';
import type { StopSignal } from './stop-signal.ts';
import type { WorkerDuties } from './worker.ts';

export interface Outlook {
  readonly parts: OpeningParts;
  readonly metrics: Metrics;
  /** Unix milliseconds. */
  readonly started: number;
  /** Why nothing works yet, in a sentence. */
  because: string;
  /** What tells of the process once its database is open. */
  running: Pick<PartContext['observed'], 'health' | 'status' | 'history'> | undefined;
}

export function createOutlook(parts: OpeningParts, metrics: Metrics): Outlook {
  return {
    parts,
    metrics,
    started: Date.now(),
    because: 'the database is being opened',
    running: undefined,
  };
}

/** Starts the parts that tell of the others. @throws what they throw */
export async function openEarly(
  outlook: Outlook,
  context: { readonly config: Config; readonly logger: Logger; readonly passed: ReadonlyMap<string, number> },
): Promise<void> {
  const { wanted, open } = outlook.parts;
  const observed = observedOf(outlook);
  for (const part of wanted)
    if (part.runs === 'in the primary') open.set(part, await part.start({ ...context, observed }));
}

export function observedOf(outlook: Outlook): PartContext['observed'] {
  return {
    metrics: outlook.metrics,
    health: async () => outlook.running?.health() ?? notYetReady(outlook),
    status: async () => outlook.running?.status() ?? statusBefore(outlook),
    history: async () => outlook.running?.history?.() ?? null,
  };
}

function notYetReady({ because }: Outlook): Health {
  return { ready: false, reasons: [because] };
}

function statusBefore({ parts, started, because }: Outlook): object {
  return {
    version: packageVersion(),
    pid: process.pid,
    uptime_seconds: Math.round((Date.now() - started) / 1000),
    listeners: describeListeners(parts),
    complaints: [because],
  };
}

/** What a worker can do for its primary while it is still waiting for its database. */
export function beforeReady(outlook: Outlook, stop: StopSignal, heard: WorkerDuties['heard']): WorkerDuties {
  const notYet = async (): Promise<never> => {
    throw new Error('not ready yet');
  };
  return {
    answers: {
      metrics: notYet,
      health: async () => notYetReady(outlook),
      status: notYet,
      history: notYet,
      reload: notYet,
    },
    stop: () => stop.stop('the primary'),
    heard,
  };
}

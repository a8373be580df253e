// One run of `pull`: what it works with, and what it has done so far.
import type { Decryptor } from '../decrypt/decryptor.ts';
import type { Server } from '../queue/http.ts';
import type { Maildir } from './maildir.ts';
import type { Outage } from './plan.ts';
import type { Progress } from './progress.ts';

export interface PullContext {
  readonly server: Server;
  readonly maildir: Maildir;
  readonly decryptor: Decryptor;
  readonly progress: Progress;
  /** Stops before the next message; what has arrived is delivered. */
  readonly stop: AbortSignal;
  /** Messages that are decrypted at once. */
  readonly parallel: number;
  /** Waits so many milliseconds, or until the signal; ends without an error either way. */
  readonly pause: (ms: number, stop: AbortSignal) => Promise<void>;
}

export interface PullRun extends PullContext {
  readonly failures: Failures;
  readonly outage: Outage;
  /** Messages in the Maildir, and their sealed bytes. */
  readonly total: { delivered: number; bytes: number };
}

/** Messages that could not be decrypted: they stay on the server. */
export interface Failures {
  /** A message cannot be decrypted, for a reason in words. Tells it the first time. */
  add(id: string, reason: string): void;
  /** It could be decrypted after all. */
  remove(id: string): void;
  /** Whether it failed so lately that another attempt would be in vain. */
  lately(id: string): boolean;
  list(): readonly Failure[];
}

export interface Failure {
  readonly id: string;
  readonly reason: string;
}

/** In --watch, a message that could not be decrypted is tried again after so long. */
export const RETRY_FAILED_MS = 600_000;

/** The beginning of a run. */
export function beginRun(context: PullContext): PullRun {
  return {
    ...context,
    failures: createFailures(context.progress),
    outage: { attempts: 0, deliveredBefore: 0 },
    total: { delivered: 0, bytes: 0 },
  };
}

function createFailures(progress: Progress): Failures {
  const failed = new Map<string, { readonly reason: string; readonly at: number }>();
  return {
    add(id, reason) {
      if (!failed.has(id)) progress.failed(id, reason);
      failed.set(id, { reason, at: Date.now() });
    },
    remove: (id) => void failed.delete(id),
    lately(id) {
      const at = failed.get(id)?.at;
      return at !== undefined && Date.now() - at < RETRY_FAILED_MS;
    },
    list: () => [...failed].map(([id, { reason }]) => ({ id, reason })),
  };
}

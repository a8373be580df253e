// Looks at what readiness depends on, every few seconds and also where no mail comes: each look gives a sentence or nothing, and
// what has been wrong for long enough is a reason of /readyz.
import { rootReason } from '../database/errors.ts';
import { within } from '../pacing/within.ts';

/** Something that is looked at. */
export interface Watched {
  /** @returns why it is not well, in a sentence; null: it is. A rejection counts as its text, but for `onlyAnswers` */
  look(): Promise<string | null>;
  /** A look that fails, or does not end, leaves what was known: another one tells of what failed. */
  readonly onlyAnswers?: boolean;
  /** How long it may be unwell before readiness says so. Milliseconds. */
  readonly patienceMs: number;
  /** Told once when it becomes unwell, and once when it is well again. */
  lost(because: string): void;
  back(): void;
}

export interface Vigil {
  /** What has been wrong for long enough, one sentence each. */
  complaints(): readonly string[];
  close(): void;
}

export interface VigilOptions {
  /** Milliseconds between the end of a round and the next one. */
  readonly everyMs?: number;
  /** A look that takes longer is one in vain. */
  readonly limitMs?: number;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

const EVERY_MS = 15_000;
const LIMIT_MS = 10_000;

interface Trouble {
  readonly since: number;
  readonly because: string;
}

/** The first round begins at once. */
export function createVigil(
  watched: readonly Watched[],
  { everyMs = EVERY_MS, limitMs = LIMIT_MS, now = Date.now }: VigilOptions = {},
): Vigil {
  const troubles = new Map<Watched, Trouble>();
  const state: { timer: NodeJS.Timeout | undefined; closed: boolean } = { timer: undefined, closed: false };

  async function lookAt(each: Watched): Promise<void> {
    const late = each.onlyAnswers === true ? undefined : `no answer within ${limitMs / 1000} s`;
    const failed = (error: unknown) => (each.onlyAnswers === true ? undefined : rootReason(error));
    const because = await within(limitMs, each.look(), late).catch(failed);
    if (state.closed || because === undefined) return;
    const before = troubles.get(each);
    if (because === null) {
      if (troubles.delete(each)) each.back();
      return;
    }
    troubles.set(each, { since: before?.since ?? now(), because });
    if (before === undefined) each.lost(because);
  }

  async function round(): Promise<void> {
    await Promise.all(watched.map(lookAt));
    if (state.closed) return;
    state.timer = setTimeout(() => void round(), everyMs);
    state.timer.unref();
  }

  void round();
  return {
    complaints: () =>
      [...troubles]
        .filter(([each, { since }]) => now() - since >= each.patienceMs)
        .map(([, { because }]) => because),
    close() {
      state.closed = true;
      clearTimeout(state.timer);
    },
  };
}

// What `serve` does for enrolment, again and again: letters for the changes that were noted, what time brings about, the outbox.
import { restoredFrom } from '../database/restored.ts';
import { type SenderContext, sendLetters } from './send.ts';
import { tellReaders } from './tell-readers.ts';
import { tellSubkeys } from './tell-subkeys.ts';
import { forgetEnded, runTimers } from './timers.ts';

export interface EnrolmentRun {
  /** Something may have changed: the next round comes now. */
  wake(): void;
  /** Why it is not well; none: it is. */
  complaints(): readonly string[];
  /** Ends after the letter that is being sent. */
  close(): Promise<void>;
}

/** Somebody who waits for a letter waits no longer than this for it to leave. */
const EVERY_MS = 2000;
const FORGET_EVERY_MS = 600_000;
/** How often all certificates are looked at for subkeys that take over by themselves. */
const LOOK_EVERY_MS = 86_400_000;

/** What the rounds go by. */
interface Rounds {
  readonly context: SenderContext;
  stopped: boolean;
  running: Promise<void> | null;
  again: boolean;
  forgotten: number;
  /** When the certificates are looked at next, and behind which of them. */
  look: Readonly<{ at: number; after: number }>;
  trouble: string | null;
}

/** One round. @throws what the database throws */
export async function runOnce(context: SenderContext): Promise<void> {
  await tellReaders(context, context.stopped);
  await runTimers(context);
  await sendLetters(context);
}

/** Begins the rounds. */
export function startEnrolment(given: SenderContext): EnrolmentRun {
  const rounds: Rounds = {
    context: { ...given, stopped: () => rounds.stopped },
    stopped: false,
    running: null,
    again: false,
    forgotten: 0,
    look: { at: 0, after: 0 },
    trouble: null,
  };
  const timer = setInterval(() => begin(rounds), EVERY_MS);
  timer.unref();
  return {
    wake: () => begin(rounds),
    complaints: () => (rounds.trouble === null ? [] : [`letters of enrolment wait: ${rounds.trouble}`]),
    async close() {
      rounds.stopped = true;
      clearInterval(timer);
      await rounds.running;
    },
  };
}

function begin(rounds: Rounds): void {
  if (rounds.stopped) return;
  if (rounds.running !== null) {
    rounds.again = true;
    return;
  }
  rounds.again = false;
  rounds.running = round(rounds).finally(() => {
    rounds.running = null;
    if (rounds.again) begin(rounds);
  });
}

/** Never rejects: what could not be done now is done by a later round. */
async function round(rounds: Rounds): Promise<void> {
  const { context } = rounds;
  try {
    // A backup may be older than a change that was stopped, a letter that was sent, a key that a letter is sealed to now.
    if ((await restoredFrom(context.database.orm.$client)) !== null) return;
    await runOnce(context);
    await lookAtSubkeys(rounds);
    if (Date.now() - rounds.forgotten > FORGET_EVERY_MS) {
      await forgetEnded(context);
      rounds.forgotten = Date.now();
    }
    rounds.trouble = null;
  } catch (error) {
    // A database that is away is told of elsewhere, and often: this once for each absence.
    if (rounds.trouble === null)
      context.logger.error(
        { event: 'enrolment_failed', err: error },
        'a round of enrolment failed; trying again',
      );
    rounds.trouble = error instanceof Error ? error.message : String(error);
  }
}

/** A page in each round: nobody's letter waits for all certificates. */
async function lookAtSubkeys(rounds: Rounds): Promise<void> {
  const now = Date.now();
  if (now < rounds.look.at) return;
  const after = await tellSubkeys(rounds.context, rounds.look.after);
  rounds.look = after === null ? { at: now + LOOK_EVERY_MS, after: 0 } : { at: 0, after };
}

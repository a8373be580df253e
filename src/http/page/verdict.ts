// The first lines of the page, for somebody who is worried: whether mail flows, and whether anything goes out in plaintext that
// should not. Pure.
import type { Fates } from '../../observe/fates.ts';
import type { Counts } from '../../observe/windows.ts';
import type { PageFacts, SeenStatus } from './facts.ts';
import { countOf, numberOf, shownOf, spanOf } from './words.ts';

/** `unknown`: nobody can tell now. */
export type Tone = 'good' | 'look' | 'bad' | 'unknown';

export interface Verdict {
  readonly tone: Tone;
  /** One sentence. */
  readonly text: string;
  /** What it rests on, or what to do: further sentences. */
  readonly more: readonly string[];
}

/** The share of recipients that is put off in an hour, from which on it is said. Greylisting next hops put off a few. */
const DEFERRED_SHARE = 0.1;
/** A site with so many recipients a day, ten an hour, has none in a whole hour only for a reason. */
const BUSY_DAY = 240;
const DAY_S = 86_400;

const KEPT = 'What is deferred stays in the queue of Postfix, which tries again: nothing is lost.';

const takenOf = ({ sealed, passed, filed }: Fates): number => sealed + passed + filed;

/** The last day is read every 15 s: what is older than this was not read for a reason. */
const DATABASE_SILENT_MS = 45_000;

/** Whether mail flows. */
export function flowOf({ health, status, day, now }: PageFacts): Verdict {
  const { fates, takes_mail } = status;
  const minute = fates?.last_minute;
  const flows = minute !== undefined && takenOf(minute) > 0;
  if (health === null) return unansweredOf(flows, day !== null && now - day.at < DATABASE_SILENT_MS);
  if (takes_mail === false)
    return health.ready
      ? { tone: 'good', text: 'All is well here; no mail comes in by this process.', more: [] }
      : { tone: 'bad', text: 'Something is wrong here; no mail comes in by this process.', more: [] };
  if (!health.ready) {
    const more = [...health.reasons.slice(0, 1).map(becauseOf), KEPT];
    if (flows) return { tone: 'look', text: 'Mail flows, and something is wrong.', more };
    const certain = minute !== undefined && minute.deferred > 0;
    return { tone: 'bad', text: certain ? 'Mail does not flow.' : 'Mail may not flow.', more };
  }
  return fates === undefined
    ? { tone: 'unknown', text: 'Whether mail flows is not known yet.', more: [] }
    : readyOf(fates);
}

/** The check of readiness gives no answer in time. @param answers whether the database did a moment ago */
function unansweredOf(flows: boolean, answers: boolean): Verdict {
  if (answers)
    return flows
      ? { tone: 'look', text: 'Mail flows; the check of readiness takes its time.', more: [] }
      : {
          tone: 'unknown',
          text: 'Whether mail flows is not known: the check of readiness takes its time.',
          more: [],
        };
  return flows
    ? { tone: 'look', text: 'Mail flows, and the database answers slowly or not any more.', more: [KEPT] }
    : { tone: 'bad', text: 'The database does not answer: mail is deferred until it does.', more: [KEPT] };
}

function readyOf({
  last_minute: minute,
  last_hour: hour,
  last_day: day,
}: NonNullable<SeenStatus['fates']>): Verdict {
  if (minute.deferred > 0 && takenOf(minute) === 0)
    return {
      tone: 'bad',
      text: `Mail does not flow: all ${countOf(minute.deferred, 'recipient')} of the last minute were deferred.`,
      more: [KEPT, 'The lines "deferred" of the log say why, and so does "sealpost trace ADDRESS".'],
    };
  const all = takenOf(hour) + hour.deferred;
  if (all === 0) {
    const earlier = takenOf(day) + day.deferred;
    return earlier < BUSY_DAY
      ? { tone: 'good', text: 'Ready. No mail came in the last hour.', more: [] }
      : {
          tone: 'look',
          text: `Ready, and no mail came in the last hour, though there were ${countOf(earlier, 'recipient')} in the last day.`,
          more: [
            'Does Postfix hand mail over? "sealpost doctor" looks at its wiring, "postqueue -p" at its queue.',
          ],
        };
  }
  if (hour.deferred / all >= DEFERRED_SHARE)
    return {
      tone: 'look',
      text: `Mail flows, and ${numberOf(hour.deferred)} of ${countOf(all, 'recipient')} were deferred in the last hour.`,
      more: [KEPT, 'The lines "deferred" of the log say why.'],
    };
  return {
    tone: 'good',
    text: 'Mail flows.',
    more: [
      `${countOf(takenOf(hour), 'recipient')} in the last hour, ${numberOf(takenOf(minute))} of them in the last minute; ${numberOf(hour.deferred)} deferred.`,
    ],
  };
}

/** The first reason, as a sentence: the others stand below. */
function becauseOf(reason: string): string {
  const shown = shownOf(reason);
  return `${shown.charAt(0).toUpperCase()}${shown.slice(1)}.`;
}

/** Copies that passed in plaintext as the settings say, whatever the word of the decision. */
function asSetOf(counts: Counts): number {
  return Object.entries(counts)
    .filter(([because]) => !['by_choice', 'unknown_address', 'already_encrypted'].includes(because))
    .reduce((sum, [, count]) => sum + count, 0);
}

/** Whether plaintext goes out that should not. */
export function plaintextOf({ status }: Pick<PageFacts, 'status'>): Verdict {
  const { plaintext, uptime_seconds = 0, takes_mail } = status;
  if (takes_mail === false) return { tone: 'good', text: 'Nothing is let through here.', more: [] };
  if (plaintext === undefined)
    return { tone: 'unknown', text: 'Whether anything went out in plaintext is not known yet.', more: [] };
  const since =
    uptime_seconds < DAY_S ? `since serve was started, ${spanOf(uptime_seconds)} ago` : 'in the last day';
  const { by_choice = 0, unknown_address = 0 } = plaintext.last_day;
  const asSet = asSetOf(plaintext.last_day);
  if (by_choice + unknown_address === 0)
    return {
      tone: 'good',
      text: `Nothing that should have been sealed went out in plaintext ${since}.`,
      more:
        asSet === 0
          ? []
          : [`${countOf(asSet, 'copy', 'copies')} passed as the settings say; the reasons stand below.`],
    };
  const recent = (plaintext.last_hour.by_choice ?? 0) + (plaintext.last_hour.unknown_address ?? 0);
  return {
    tone: 'look',
    text: `${countOf(by_choice + unknown_address, 'copy', 'copies')} went out in plaintext ${since}, and should be looked at; ${numberOf(recent)} of them in the last hour.`,
    more: [
      ...(by_choice === 0
        ? []
        : [
            `${numberOf(by_choice)} by choice: a rule says so, or a setting although there is a key. The lines "passed_by_choice" of the log name them.`,
          ]),
      ...(unknown_address === 0
        ? []
        : [
            `${numberOf(unknown_address)} to addresses of ours that nobody has. The lines "passed_unknown" of the log name them; "sealpost explain ADDRESS" says what would be done.`,
          ]),
    ],
  };
}

// A day as a picture: one area over 24 hours in steps of five minutes, as the path of an SVG, and what it says in words. Pure.
import { clockOf, countOf, numberOf } from './words.ts';

/** The picture's own units: one for each step, and as many for the highest one. */
export const CHART_WIDTH = 288;
export const CHART_HEIGHT = 60;

const STEP_MINUTES = 5;
const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;

export interface Chart {
  readonly event: string;
  /** The `d` of a path. */
  readonly path: string;
  readonly total: number;
  /** In words, for who does not see it; what the picture shows is in it. */
  readonly words: string;
  /** Beside the picture. */
  readonly peak: string;
}

/**
 * @param minutes one number for each minute
 * @param from the first minute: Unix time divided by 60 s
 */
export function chartOf(event: string, minutes: readonly number[], from: number): Chart {
  const total = minutes.reduce((sum, each) => sum + each, 0);
  const highest = minutes.reduce((most, each) => Math.max(most, each), 0);
  const at = clockOf((from + minutes.indexOf(highest)) * MINUTE_MS);
  const lastHour = minutes.slice(-HOUR_MINUTES).reduce((sum, each) => sum + each, 0);
  const peak = highest === 0 ? 'none' : `at most ${numberOf(highest)} a minute, at ${at}`;
  return {
    event,
    path: areaOf(stepsOf(minutes)),
    total,
    peak,
    words: `${event}, for each minute of the last 24 hours: ${countOf(total, 'recipient')} in all, ${peak}; ${numberOf(lastHour)} in the last hour`,
  };
}

/** The mean of each five minutes. */
function stepsOf(minutes: readonly number[]): readonly number[] {
  const steps: number[] = [];
  for (let start = 0; start < minutes.length; start += STEP_MINUTES) {
    const five = minutes.slice(start, start + STEP_MINUTES);
    steps.push(five.reduce((sum, each) => sum + each, 0) / five.length);
  }
  return steps;
}

/** What is not 0 is at least so high: one letter in a day is to be seen. */
const LEAST_HEIGHT = 2;

function areaOf(steps: readonly number[]): string {
  const most = Math.max(...steps, 0);
  const heightOf = (value: number): number =>
    value === 0 ? 0 : Math.max(LEAST_HEIGHT, (value / most) * CHART_HEIGHT);
  const line = steps.map((value) => `V${(CHART_HEIGHT - heightOf(value)).toFixed(1)}h1`).join('');
  return `M0 ${CHART_HEIGHT}${line}V${CHART_HEIGHT}Z`;
}

/** One hour of the table below the pictures; the newest first. */
export interface HourRow {
  /** Such as `14:05 UTC`: when it began. */
  readonly from: string;
  readonly counts: readonly number[];
}

/** The same numbers by the hour. @param events in the order of the columns */
export function hoursOf(
  counts: Readonly<Record<string, readonly number[]>>,
  events: readonly string[],
  from: number,
): readonly HourRow[] {
  return Array.from({ length: 24 }, (_, hour) => ({
    from: clockOf((from + hour * HOUR_MINUTES) * MINUTE_MS),
    counts: events.map((event) =>
      (counts[event] ?? [])
        .slice(hour * HOUR_MINUTES, (hour + 1) * HOUR_MINUTES)
        .reduce((sum, each) => sum + each, 0),
    ),
  })).reverse();
}

// The date-time of RFC 5322, section 3.3: read, and written in UTC.
import { behindComment } from './comment.ts';

const DATE_TIME =
  /^(?:[A-Za-z]{3}\s*,\s*)?(\d{1,2})\s+([A-Za-z]{3})\s+(\d{4})\s+(\d{2}):(\d{2})(?::(\d{2}))?\s+([+-]\d{4}|[A-Za-z]{1,3})$/;

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** Section 4.3; minutes east of Greenwich. */
const NAMED_ZONES: ReadonlyMap<string, number> = new Map([
  ['UT', 0],
  ['GMT', 0],
  ['Z', 0],
  ['EDT', -240],
  ['EST', -300],
  ['CDT', -300],
  ['CST', -360],
  ['MDT', -360],
  ['MST', -420],
  ['PDT', -420],
  ['PST', -480],
]);

/**
 * Reads the value of a Date field.
 * @param value unfolded; comments are passed over
 * @returns null where it is no date-time, or names a day or a zone that does not exist
 */
export function parseDateTime(value: string): Date | null {
  const found = DATE_TIME.exec(withoutComments(value) ?? '');
  if (found === null) return null;
  const [, day = '', month = '', year = '', hour = '', minute = '', second = '0', zone = ''] = found;
  const offset = minutesEast(zone);
  const wall = Date.UTC(
    Number(year),
    MONTHS.indexOf(month.toLowerCase()),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  const read = new Date(wall);
  // Date.UTC takes the 31st of February for a day in March.
  const exists =
    read.getUTCDate() === Number(day) &&
    read.getUTCHours() === Number(hour) &&
    read.getUTCMinutes() === Number(minute);
  return offset === null || !exists || !MONTHS.includes(month.toLowerCase())
    ? null
    : new Date(wall - offset * 60_000);
}

/** `Sat, 21 Nov 2026 08:00:00 +0000`. */
export function rfc5322Date(date: Date): string {
  return date.toUTCString().replace('GMT', '+0000');
}

function minutesEast(zone: string): number | null {
  if (!/^[+-]/.test(zone)) return NAMED_ZONES.get(zone.toUpperCase()) ?? null;
  const minutes = Number(zone.slice(3));
  if (minutes > 59) return null;
  const east = Number(zone.slice(1, 3)) * 60 + minutes;
  return zone.startsWith('-') ? -east : east;
}

function withoutComments(value: string): string | null {
  let text = '';
  let at = 0;
  for (let open = value.indexOf('('); open >= 0; open = value.indexOf('(', at)) {
    const end = behindComment(value, open);
    if (end === null) return null;
    text += `${value.slice(at, open)} `;
    at = end;
  }
  return (text + value.slice(at)).trim();
}

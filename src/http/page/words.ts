// Numbers, moments and spans as the page writes them. Times are UTC, and say so. Pure.
import { withoutAddresses } from '../../observe/log.ts';

const numbers = new Intl.NumberFormat('en');
const LONGEST_SHOWN = 300;
const DAY_S = 86_400;
const HOUR_S = 3600;
const KIB = 1024;
const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function numberOf(value: number): string {
  return numbers.format(value);
}

/** Such as `1 copy`, `1,204 copies`. */
export function countOf(value: number, one: string, many = `${one}s`): string {
  return `${numberOf(value)} ${value === 1 ? one : many}`;
}

/** Such as `14:05 UTC`. @param at Unix milliseconds */
export function clockOf(at: number): string {
  return `${new Date(at).toISOString().slice(11, 16)} UTC`;
}

/** Such as `2026-11-30 14:05:59 UTC`. @param at Unix milliseconds */
export function momentOf(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** Such as `3 h 12 min`. @param seconds below 0 counts as 0: clocks differ */
export function spanOf(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [whole / DAY_S, (whole % DAY_S) / HOUR_S, (whole % HOUR_S) / 60].map(
    Math.floor,
  );
  if (days) return hours ? `${days} d ${hours} h` : `${days} d`;
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  return minutes ? `${minutes} min` : `${whole} s`;
}

/** Such as `1.4 MiB`. */
export function bytesOf(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log(bytes) / Math.log(KIB)));
  const value = bytes / KIB ** power;
  return `${power === 0 || value >= 100 ? numberOf(Math.round(value)) : value.toFixed(1)} ${UNITS[power]}`;
}

/**
 * A sentence that others may have had a hand in, such as the words of a next hop: bounded, without addresses, and without
 * characters that nobody sees or that turn the direction of what follows.
 */
export function shownOf(text: string): string {
  const bounded = text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
  return withoutAddresses(bounded).replace(/[\p{Cs}\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}]/gu, '\u{fffd}');
}

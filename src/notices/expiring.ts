// Which keys it is time to tell of before they expire. Pure: keys and moments in, notices out; who sends them, and how it is
// made sure that each is sent once, is elsewhere (claims.ts, notices.ts).
import type { Settings } from '../config/settings.ts';

/** What the deciding needs of a stored key and its owner. */
export interface ExpiringKey {
  /** `user:1`, `contact:2`, `domain:3`. */
  readonly owner: string;
  /** An address, or `@domain`. */
  readonly ownerName: string;
  readonly ownerKind: 'user' | 'contact' | 'domain';
  /** The owner is a user who is disabled. */
  readonly ownerDisabled: boolean;
  readonly fingerprint: string;
  /** null: never. */
  readonly expiresAt: Date | null;
  readonly revoked: boolean;
  readonly status: 'active' | 'disabled';
  /** When it was stored first. */
  readonly createdAt: Date;
  /** What happens once every key of the owner has expired. */
  readonly onExpiredKey: Settings['on_expired_key'];
  /** The owner has another key, which outlives this one. */
  readonly outlived: boolean;
}

export type Audience = 'user' | 'administrator';

/** A key that has come within a threshold, and who is to be told. */
export interface DueNotice {
  readonly audience: Audience;
  readonly key: ExpiringKey & { readonly expiresAt: Date };
  /** The threshold: the smallest one that the key has come within. */
  readonly days: number;
}

/** What identifies a notice: it is given once. A renewed key has another expiry. */
export function noticeId(
  audience: Audience,
  key: { readonly owner: string; readonly fingerprint: string; readonly expiresAt: Date },
  days: number,
): string {
  return [audience, key.owner, key.fingerprint, key.expiresAt.getTime(), days].join(' ');
}

const DAY_MS = 86_400_000;

export interface NoticeQuestion {
  readonly keys: readonly ExpiringKey[];
  /** {@link noticeId} of what was claimed before. */
  readonly known: ReadonlySet<string>;
  /** Thresholds in days, in any order. */
  readonly days: readonly number[];
  /** Whom to tell. Users are told of their own keys only; those of contacts and domains are the administrator's. */
  readonly audiences: readonly Audience[];
  /** The moment of the daily run that this belongs to, Unix milliseconds: a key that was stored after it waits for the next. */
  readonly slot: number;
  /** Unix milliseconds. */
  readonly now: number;
}

/** Whether anybody has to be told of a key at all: it still encrypts, for somebody who gets mail. */
export function isWorthTelling(key: ExpiringKey, now: number): boolean {
  const { expiresAt, revoked, status, ownerDisabled } = key;
  return expiresAt !== null && expiresAt.getTime() > now && !revoked && status === 'active' && !ownerDisabled;
}

/**
 * The notices that are due, soonest expiry first. Only the smallest threshold of a key is due: one that was stored five days
 * before its expiry makes one notice, and not three.
 */
export function dueNotices(question: NoticeQuestion): readonly DueNotice[] {
  const { keys, known, audiences, slot, now } = question;
  const thresholds = [...question.days].sort((a, b) => a - b);
  const due = keys.flatMap((key) => {
    const { expiresAt } = key;
    if (expiresAt === null || !isWorthTelling(key, now)) return [];
    if (key.createdAt.getTime() > slot) return [];
    const left = expiresAt.getTime() - slot;
    const days = thresholds.find((threshold) => left <= threshold * DAY_MS);
    if (days === undefined) return [];
    return audiences
      .filter((audience) => audience === 'administrator' || key.ownerKind === 'user')
      .filter((audience) => !known.has(noticeId(audience, { ...key, expiresAt }, days)))
      .map((audience) => ({ audience, key: { ...key, expiresAt }, days }));
  });
  return due.sort(
    (a, b) =>
      a.key.expiresAt.getTime() - b.key.expiresAt.getTime() ||
      (a.key.fingerprint < b.key.fingerprint ? -1 : a.key.fingerprint > b.key.fingerprint ? 1 : 0),
  );
}

/**
 * The moment of the last daily run: today's where it has come, else yesterday's.
 * @param at minutes after midnight, in this machine's own time zone
 * @param now Unix milliseconds
 * @returns Unix milliseconds
 */
export function lastSlot(at: number, now: number): number {
  const moment = new Date(now);
  const slotOn = (day: number): number =>
    new Date(moment.getFullYear(), moment.getMonth(), day, Math.floor(at / 60), at % 60).getTime();
  const today = slotOn(moment.getDate());
  return today <= now ? today : slotOn(moment.getDate() - 1);
}

/** When notices ran last, and for which daily moment. Unix milliseconds. */
export interface LastRun {
  readonly at: number;
  readonly slot: number;
}

const HOUR_MS = 3_600_000;

/**
 * Whether to run now: a daily moment has come since the last run, or an hour has passed, after which what failed is tried again.
 * @param last null: this process has not run yet
 * @param at minutes after midnight, in this machine's own time zone
 */
export function isTimeToRun(last: LastRun | null, at: number, now: number): boolean {
  return last === null || lastSlot(at, now) > last.slot || Math.abs(now - last.at) >= HOUR_MS;
}

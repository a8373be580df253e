// The tables of enrolment: what waits for a letter to be read or for time to pass, the letters that wait to be sent, and who is
// signed in. A row that has come to its end is removed; what became of keys stands in key_events.
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import { bytea, instant } from './columns.ts';
import { KEY_KINDS, users } from './schema.ts';

const number = (name: string) => bigint(name, { mode: 'number' });
const identity = () => number('id').primaryKey().generatedAlwaysAsIdentity();
const userId = () =>
  integer('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' });

/** What enrolment remembers of a user; no row: nothing. */
export const enrolments = pgTable('enrolments', {
  user_id: integer('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  language: text('language'),
  /** Until then the keys of the portal's can be taken back at mailbox level: the first of them came at that level. */
  undo_until: instant('undo_until'),
  /** Recoveries that were stopped at mailbox level since a key was last read. */
  stops: integer('stops').notNull().default(0),
  /** Mail is not sealed until then. */
  paused_until: instant('paused_until'),
  /** The user's own `encrypt` before the pause; null: it was the domain's. */
  paused_encrypt: boolean('paused_encrypt'),
});

/** Changes that wait for `portal.recovery`; at most one of each user. */
export const enrolmentRecoveries = pgTable(
  'enrolment_recoveries',
  {
    id: identity(),
    user_id: userId(),
    /** enrolment/types.ts: Change. */
    change: jsonb('change').notNull(),
    state: text('state', { enum: ['waiting', 'administrator'] })
      .notNull()
      .default('waiting'),
    started_at: instant('started_at').notNull(),
    due_at: instant('due_at').notNull(),
    /** How many of its letters are in the outbox or sent. */
    letters: integer('letters').notNull().default(0),
  },
  (table) => [
    uniqueIndex('enrolment_recoveries_user').on(table.user_id),
    index('enrolment_recoveries_due').on(table.due_at),
  ],
);

/** Keys that were handed over, and whose letter has not been read; with a recovery also read ones that wait. */
export const enrolmentSubmissions = pgTable(
  'enrolment_submissions',
  {
    id: identity(),
    user_id: userId(),
    fingerprint: text('fingerprint').notNull(),
    kind: text('kind', { enum: KEY_KINDS }).notNull(),
    intent: text('intent', { enum: ['add', 'replace', 'renew'] }).notNull(),
    /** As it was handed over, at most 256 KiB; judged anew when it becomes active. */
    upload: bytea('upload').notNull(),
    /** The proof with which it was handed over. */
    level: text('level', { enum: ['mailbox', 'key', 'administrator'] }).notNull(),
    /** Of `key`: the keys that were read with. */
    proven_by: text('proven_by').array().notNull().default(sql`'{}'::text[]`),
    actor: text('actor').notNull(),
    submitted_at: instant('submitted_at').notNull(),
    expires_at: instant('expires_at').notNull(),
    letter_sent_at: instant('letter_sent_at'),
    read_at: instant('read_at'),
    recovery_id: number('recovery_id').references(() => enrolmentRecoveries.id, { onDelete: 'cascade' }),
  },
  (table) => [
    uniqueIndex('enrolment_submissions_once').on(table.user_id, table.fingerprint),
    index('enrolment_submissions_expires').on(table.expires_at),
    index('enrolment_submissions_recovery').on(table.recovery_id),
  ],
);

/** Links in letters, by the SHA-256 of their 256 random bits. */
export const enrolmentTokens = pgTable(
  'enrolment_tokens',
  {
    token_hash: bytea('token_hash').primaryKey(),
    user_id: userId(),
    /** It counts while this is the user's primary address. */
    address: text('address').notNull(),
    action: text('action', { enum: ['sign-in', 'confirm', 'undo', 'stop'] }).notNull(),
    /** '' where the action is about no key. */
    fingerprint: text('fingerprint').notNull().default(''),
    /** What it was for may have come to its end: the answer to a second press is "used" all the same. */
    submission_id: number('submission_id').references(() => enrolmentSubmissions.id, {
      onDelete: 'set null',
    }),
    recovery_id: number('recovery_id').references(() => enrolmentRecoveries.id, { onDelete: 'set null' }),
    /** Of `sign-in`: the keys that its letter was sealed to; none: it was in the clear. */
    sealed_to: text('sealed_to').array().notNull().default(sql`'{}'::text[]`),
    expires_at: instant('expires_at').notNull(),
    used_at: instant('used_at'),
  },
  (table) => [
    index('enrolment_tokens_user').on(table.user_id, table.action),
    index('enrolment_tokens_expires').on(table.expires_at),
    index('enrolment_tokens_submission').on(table.submission_id),
    index('enrolment_tokens_recovery').on(table.recovery_id),
  ],
);

/**
 * The outbox: letters that `serve` composes, seals and hands to the next hop. A token is made when its letter is, so that it
 * stands in no table. A letter that was handed over is removed; one that could not be, for five days, stays as failed.
 */
export const enrolmentLetters = pgTable(
  'enrolment_letters',
  {
    id: identity(),
    user_id: userId(),
    /** enrolment/letters/catalogue.ts: LetterKind. */
    kind: text('kind').notNull(),
    /** What its text names. */
    details: jsonb('details').notNull().default({}),
    /** Whom it is sealed to. `clear` is decided by the flow when the row is made, and by nothing later. */
    seal: text('seal', { enum: ['clear', 'submission', 'current', 'former'] }).notNull(),
    submission_id: number('submission_id').references(() => enrolmentSubmissions.id, { onDelete: 'cascade' }),
    recovery_id: number('recovery_id').references(() => enrolmentRecoveries.id, { onDelete: 'cascade' }),
    /** Of `former`: the key as it was, which may be in no other table any more. */
    key_kind: text('key_kind', { enum: KEY_KINDS }),
    fingerprint: text('fingerprint'),
    certificate: bytea('certificate'),
    created_at: instant('created_at').notNull(),
    next_at: instant('next_at').notNull(),
    attempts: integer('attempts').notNull().default(0),
    failed_at: instant('failed_at'),
    error: text('error'),
  },
  (table) => [
    index('enrolment_letters_next').on(table.next_at).where(sql`${table.failed_at} IS NULL`),
    // Somebody waits for these; of the others a change of a whole domain writes thousands at once.
    index('enrolment_letters_asked')
      .on(table.next_at)
      .where(sql`${table.failed_at} IS NULL AND ${table.kind} <> 'readers'`),
    index('enrolment_letters_user').on(table.user_id),
    index('enrolment_letters_submission').on(table.submission_id),
    index('enrolment_letters_recovery').on(table.recovery_id),
  ],
);

/** How often something was tried: one row for each limit and subject, as long as its window lasts. */
export const enrolmentLimits = pgTable(
  'enrolment_limits',
  {
    name: text('name').notNull(),
    /** SHA-256: the table tells of no address. */
    subject: bytea('subject').notNull(),
    count: integer('count').notNull(),
    ends_at: instant('ends_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.name, table.subject] }),
    index('enrolment_limits_ends').on(table.ends_at),
  ],
);

/** Sessions of the portal, by the SHA-256 of the cookie's 256 random bits. */
export const portalSessions = pgTable(
  'portal_sessions',
  {
    secret_hash: bytea('secret_hash').primaryKey(),
    user_id: userId(),
    /** The keys that its sign-in letter was sealed to; none: mailbox level. */
    sealed_to: text('sealed_to').array().notNull().default(sql`'{}'::text[]`),
    language: text('language').notNull(),
    opened_at: instant('opened_at').notNull(),
    used_at: instant('used_at').notNull(),
  },
  (table) => [
    index('portal_sessions_user').on(table.user_id),
    index('portal_sessions_used').on(table.used_at),
  ],
);

/**
 * What decided who can read a user's mail before a transaction changed it, written by triggers whoever changed it. `serve`
 * compares it with what came after, writes the letters to the former keys, and removes the row.
 */
export const readerChanges = pgTable(
  'reader_changes',
  {
    id: identity(),
    user_id: userId(),
    /** pg_current_xact_id(): one row for each user and transaction. */
    transaction: text('transaction').notNull(),
    at: instant('at').notNull().defaultNow(),
    /** As in key_events. */
    actor: text('actor').notNull(),
    /** enrolment/readers.ts: Readers. */
    before: jsonb('before').notNull(),
  },
  (table) => [
    uniqueIndex('reader_changes_once').on(table.user_id, table.transaction),
    index('reader_changes_user').on(table.user_id, table.id),
  ],
);

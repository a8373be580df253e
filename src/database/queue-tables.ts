// The tables of the receiver: the queue of sealed mail that waits for its users' clients, what was tried with files of the spool, and
// the tokens of those clients.
import { sql } from 'drizzle-orm';
import {
  bigint,
  check,
  index,
  integer,
  pgTable,
  primaryKey,
  serial,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import { bytea, instant } from './columns.ts';
import { users } from './schema.ts';

/**
 * The queue: one row for each sealed message that waits for its user's client. Nothing beside the ciphertext
 * tells of the message: no subject, no sender, no Message-ID, no name of a spool file.
 *
 * Who reads: order by `number` within one user, and take the last number as the cursor. Numbers are given out under a lock
 * on the user's row in `incoming_counts` that is held until the commit, so that a lower number is never committed after a
 * higher one, and a cursor skips nothing.
 *
 * New rows are told on channel `sealpost_incoming`, one notification each, when they are committed:
 * {"user": users.id, "id": text, "number": number, "size": bytes, "received": RFC 3339}.
 *
 * Who removes: DELETE. Triggers keep `incoming_counts` exact and remember the id in `incoming_acknowledged`.
 */
export const incoming = pgTable(
  'incoming',
  {
    /** 32 hexadecimal digits, no secret and no meaning. */
    id: text('id').primaryKey(),
    user_id: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** Counts up for each user, from 1; has gaps. */
    number: bigint('number', { mode: 'number' }).notNull(),
    /** Bytes of the whole ciphertext. */
    size: bigint('size', { mode: 'number' }).notNull(),
    received: instant('received').notNull().default(sql`clock_timestamp()`),
    /** The binary OpenPGP message, or null where it is in `chunks` rows of `incoming_chunks`. */
    content: bytea('content'),
    chunks: integer('chunks').notNull().default(0),
  },
  (table) => [
    uniqueIndex('incoming_order').on(table.user_id, table.number),
    index('incoming_received').on(table.received),
    check('incoming_content_or_chunks', sql`(${table.content} IS NULL) = (${table.chunks} > 0)`),
  ],
);

/** The pieces of a large message, numbered from 0; nobody has to hold 50 MB as one value. */
export const incomingChunks = pgTable(
  'incoming_chunks',
  {
    id: text('id')
      .notNull()
      .references(() => incoming.id, { onDelete: 'cascade' }),
    chunk: integer('chunk').notNull(),
    content: bytea('content').notNull(),
  },
  (table) => [primaryKey({ columns: [table.id, table.chunk] })],
);

/** How much waits for each user, exact at every commit: kept by triggers on `incoming`. No row: nothing ever came. */
export const incomingCounts = pgTable('incoming_counts', {
  user_id: integer('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  messages: bigint('messages', { mode: 'number' }).notNull().default(0),
  bytes: bigint('bytes', { mode: 'number' }).notNull().default(0),
  /** The highest number given out. */
  last_number: bigint('last_number', { mode: 'number' }).notNull().default(0),
});

/**
 * Ids that left the queue, for a while: a spool file that outlived its commit must not be filed again, and an
 * acknowledgement may be repeated. Without a reference to the user, who may be gone.
 */
export const incomingAcknowledged = pgTable(
  'incoming_acknowledged',
  {
    id: text('id').primaryKey(),
    user_id: integer('user_id').notNull(),
    at: instant('at').notNull().defaultNow(),
  },
  (table) => [index('incoming_acknowledged_at').on(table.at)],
);

/** Spool files that could not be filed yet. The name is hashed: it tells when and where a message came. */
export const spoolAttempts = pgTable(
  'spool_attempts',
  {
    /** SHA-256 of the file's name. */
    file_key: bytea('file_key').primaryKey(),
    attempts: integer('attempts').notNull(),
    /** Why the last attempt failed, as one of the words of the program. */
    because: text('because').notNull(),
    first_at: instant('first_at').notNull().defaultNow(),
    /** Not before this moment. */
    next_at: instant('next_at').notNull(),
  },
  (table) => [index('spool_attempts_next_at').on(table.next_at)],
);

/** Bearer tokens of the HTTP interface. The token itself is nowhere. */
export const apiTokens = pgTable(
  'api_tokens',
  {
    id: serial('id').primaryKey(),
    user_id: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** What a person calls it: the device. */
    name: text('name').notNull().default(''),
    /** SHA-256 of the token. A token is 256 random bits, so that a slow hash would add nothing. */
    token_hash: bytea('token_hash').notNull().unique(),
    created_at: instant('created_at').notNull().defaultNow(),
    last_used_at: instant('last_used_at'),
    revoked_at: instant('revoked_at'),
  },
  (table) => [index('api_tokens_user').on(table.user_id)],
);

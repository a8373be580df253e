// Who delivers beside whom, and what each has in hand: rows of the moment, which no backup holds.
import { boolean, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { bytea, instant } from './columns.ts';

/** One process of a `sealpost serve` that takes mail. All times are the database's own. */
export const nodes = pgTable('nodes', {
  /** Of the process, new at every start. */
  id: uuid('id').primaryKey(),
  /** Of the `serve`: its workers share it. */
  node: uuid('node').notNull(),
  /** Host, PID namespace and process, by which a later one on the same machine sees that it is gone. */
  process: text('process').notNull(),
  /** The lease: whoever has not renewed it by then counts as gone. */
  expires_at: instant('expires_at').notNull(),
  /** Everything that it has in hand stands in `claims`: false while it is alone. */
  claims_all: boolean('claims_all').notNull(),
});

/** Which message is on its way to which recipient, and by which process, while there are several nodes. */
export const claims = pgTable(
  'claims',
  {
    /** As in `deliveries`. */
    message_key: bytea('message_key').notNull(),
    recipient_key: bytea('recipient_key').notNull(),
    /** nodes.id. */
    holder: uuid('holder').notNull(),
    /** The holder's lease as of the claim; it holds for as long as either lasts. */
    expires_at: instant('expires_at').notNull(),
    /** Another one was told to wait for it, and comes again: the acceptance is not forgotten before. */
    wanted: boolean('wanted').notNull().default(false),
  },
  (table) => [primaryKey({ columns: [table.message_key, table.recipient_key] })],
);

// The table of what became of messages by the minute. `events`, one row for each message and recipient, is partitioned by day:
// drizzle-kit knows no partitions, and migrations/0013_events.sql makes it.
import { bigint, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { instant } from './columns.ts';

/**
 * How many recipients had each fate in each minute: a few rows a minute, however much mail there is. Nothing in it is anybody's.
 * Rows of more than two days ago are removed.
 */
export const eventMinutes = pgTable(
  'event_minutes',
  {
    minute: instant('minute').notNull(),
    event: text('event').notNull(),
    count: bigint('count', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.minute, table.event] })],
);

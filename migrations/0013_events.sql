-- What became of each message and recipient, for `sealpost trace`. No subject, no sender; of the Message-ID an HMAC. Days are
-- partitions, which serve makes ahead and drops when they are older than trace.keep.
CREATE TABLE events (
  at timestamptz NOT NULL,
  event text NOT NULL,
  queue_id text NOT NULL,
  transaction text NOT NULL,
  message_id text NOT NULL,
  recipient text NOT NULL,
  because text NOT NULL,
  reason text NOT NULL,
  keys text[] NOT NULL,
  size bigint NOT NULL,
  ms integer NOT NULL,
  reply text NOT NULL
) PARTITION BY RANGE (at);
--> statement-breakpoint
-- For rows whose day has no partition: where the role of serve may not make tables, say.
CREATE TABLE events_other PARTITION OF events DEFAULT;
--> statement-breakpoint
CREATE INDEX events_queue_id ON events (queue_id, at);
--> statement-breakpoint
CREATE INDEX events_recipient ON events (recipient text_pattern_ops, at);
--> statement-breakpoint
CREATE INDEX events_message_id ON events (message_id, at);

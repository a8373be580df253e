// Which tables a backup holds, and in which order: a table stands behind those that it refers to.

/**
 * Copied, row by row. `events` is the last: serve drops its old partitions, and would wait, with everybody who writes events
 * behind it, for as long as a copy has looked at that table.
 */
export const COPIED_TABLES = [
  'domains',
  'domain_names',
  'users',
  'addresses',
  'alias_targets',
  'keys',
  'key_events',
  'user_usage',
  'sender_logins',
  'client_fingerprints',
  'rules',
  'key_notices',
  'imported',
  'api_tokens',
  'deliveries',
  'spool_attempts',
  'enrolments',
  'enrolment_recoveries',
  'enrolment_submissions',
  'enrolment_tokens',
  'enrolment_letters',
  'enrolment_limits',
  'portal_sessions',
  'reader_changes',
  'incoming',
  'incoming_chunks',
  'incoming_counts',
  'incoming_acknowledged',
  'event_minutes',
  'events',
] as const;

/**
 * Not copied: the restored database counts its versions anew, and learns from the backup's head which migrations it has. What is
 * written to dovecot_usage goes to user_usage. Who delivers now, and what each has in hand, is of the moment: a restored database
 * begins with none of it, as one whose nodes have all gone.
 */
export const OWN_TABLES = [
  'directory_version',
  'directory_changes',
  'sealpost_migrations',
  'dovecot_usage',
  'nodes',
  'claims',
] as const;

/** The order of the rows, where whoever reads them needs one. */
export const ORDERS: Readonly<Record<string, string>> = {
  key_events: 'id',
  incoming_chunks: 'id, chunk',
};

/** A partition of `events`, which holds one day. */
const PARTITION = /^events_(\d{4})(\d{2})(\d{2})$/;

/** The day of a partition as PostgreSQL reads its bounds; null for a name that is none. Pure. */
export function partitionBounds(name: string): { readonly from: string; readonly until: string } | null {
  const [, year, month, day] = PARTITION.exec(name) ?? [];
  const from = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  if (Number.isNaN(from)) return null;
  return { from: new Date(from).toISOString(), until: new Date(from + 86_400_000).toISOString() };
}

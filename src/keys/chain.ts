// The chain of key_events: every row of an owner carries the hash of the one before, so that nothing can be taken out, changed or
// put in between without a trace.

/** A row of key_events as people see it. */
export interface KeyEventView {
  readonly id: number;
  /** RFC 3339 in UTC, to the microsecond. */
  readonly at: string;
  readonly event: 'added' | 'changed' | 'removed';
  readonly fingerprint: string;
  readonly status: string;
  readonly source: string;
  readonly expires_at: string | null;
  readonly revoked: boolean;
  readonly actor: string;
  /** Hexadecimal SHA-256; null: the row is older than the chain. */
  readonly hash: string | null;
}

// What the page is made of: what a running serve says of itself, of which anything may be missing while it starts or its database is
// away. Plain data.
import type { FatesOf } from '../../observe/fates.ts';
import type { Health } from '../../observe/health.ts';
import type { PassedOf } from '../../observe/passed.ts';
import type { Problem } from '../../observe/problems.ts';

/** What the database holds, as it was counted last. Times in Unix milliseconds. */
export interface CensusOf {
  readonly at: number;
  readonly users: { readonly with_key: number; readonly without_key: number };
  readonly keys: Readonly<Record<'usable' | 'expired' | 'revoked' | 'disabled', number>>;
  /** Usable keys by the time in which they expire, such as `7d`. */
  readonly keys_expiring: Readonly<Record<string, number>>;
  /** Sealed messages that wait for their users' clients. */
  readonly queue: { readonly messages: number; readonly bytes: number; readonly oldest: number | null };
}

/** What happened in each minute of the last day. */
export interface DayOf {
  /** When it was read. Unix milliseconds. */
  readonly at: number;
  /** The first minute: Unix time divided by 60 s. */
  readonly from: number;
  /** By event, one number for each minute. */
  readonly counts: Readonly<Record<string, readonly number[]>>;
}

/** What /status says, as far as the page shows it. */
export interface SeenStatus {
  readonly version?: string;
  readonly uptime_seconds?: number;
  readonly config?: string | null;
  readonly next_hop?: string;
  readonly listeners?: readonly {
    readonly name: string;
    readonly address: string;
    readonly connections: number;
  }[];
  readonly in_flight?: { readonly transactions: number; readonly bytes: number };
  readonly workers?: readonly unknown[];
  readonly complaints?: readonly string[];
  /** false: no filter and no receiver runs. */
  readonly takes_mail?: boolean;
  readonly fates?: FatesOf;
  readonly plaintext?: PassedOf;
  readonly problems?: readonly Problem[];
  readonly census?: CensusOf | null;
  /** How far database.read_url is behind; null: it cannot be asked. */
  readonly replica?: { readonly lag_seconds: number | null };
  readonly spools?: readonly { readonly files: number; readonly oldest: string | null }[];
}

export interface PageFacts {
  readonly hostname: string;
  /** Unix milliseconds. */
  readonly now: number;
  /** null: no answer in time. */
  readonly health: Health | null;
  readonly status: SeenStatus;
  /** null: nothing was read yet. */
  readonly day: DayOf | null;
  /** Whether trace.keep lets the last day be kept at all. */
  readonly keepsHistory: boolean;
}

// The metrics of how things stand: what serve looks at and counts by itself every few seconds, whether mail comes or not.
import { counter, gauge, type Registers, unknownYet } from './metric-kinds.ts';

/** How long before a usable key expires it is counted: by the label `within`, in days. */
export const EXPIRING_WITHIN = { '7d': 7, '30d': 30, '90d': 90 } as const;

/** What is looked at and counted. Of several workers, the first one does it for all. */
export function ofStanding(registers: Registers) {
  return {
    build: gauge(
      registers,
      'sealpost_build_info',
      'The version that runs; the value is 1 for each process',
      'version',
    ),
    watchedUp: gauge(
      registers,
      'sealpost_watched_up',
      'Whether what serve looks at is well (1) or not (0): next_hop, state_dir, database, notifications, statements, restored',
      'what',
    ),
    problems: counter(
      registers,
      'sealpost_problems_total',
      'Lines of the log at level warn and above, by their code (docs/log-events.md)',
      'event',
    ),
    users: gauge(
      registers,
      'sealpost_users',
      "Users with and without an active key, their own or their domain's",
      'key',
    ),
    keys: gauge(
      registers,
      'sealpost_keys',
      'Stored keys, one for each owner, by state: usable, expired, revoked, disabled',
      'state',
    ),
    keysExpiring: gauge(
      registers,
      'sealpost_keys_expiring',
      'Usable keys that expire within 7, 30 and 90 days; the larger number includes the smaller one',
      'within',
    ),
    censusAt: unknownYet(
      registers,
      'sealpost_census_timestamp_seconds',
      'When users and keys were counted last (Unix time)',
    ),
    directoryVersion: unknownYet(
      registers,
      'sealpost_directory_version',
      'The version of the directory in the database; every change raises it',
    ),
    directoryChecked: unknownYet(
      registers,
      'sealpost_directory_checked_timestamp_seconds',
      'When the cached directory was held against the version in the database last (Unix time)',
    ),
    replicaLag: unknownYet(
      registers,
      'sealpost_replica_lag_seconds',
      'How far the replica of database.read_url is behind; missing where there is none, or it cannot be asked',
    ),
    backupAt: unknownYet(
      registers,
      'sealpost_last_backup_timestamp_seconds',
      'When the file last-backup in state_dir was touched (Unix time); missing where there is none',
    ),
  };
}

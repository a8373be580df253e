// Backup and restore, killed in the middle, and without database or disk. The long lane `backup` kills them at every table.
import { describe } from 'vitest';
import { describeBackupKills } from '../support/backup-kills.ts';
import { debianPostgres } from '../support/private-postgres.ts';

describe.runIf(debianPostgres() !== null)('in the middle of the work', () => {
  describeBackupKills({ filled: [], backup: [['FROM public."users"', 'after']], restore: [], shares: [] });
});

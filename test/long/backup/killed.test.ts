// Backup and restore, killed at every table, before and after the server has the statement.
import { COPIED_TABLES } from '../../../src/backup/tables.ts';
import { describeBackupKills } from '../../support/backup-kills.ts';
import { COMMIT } from '../../support/backup-stand.ts';

const SIDES = ['before', 'after'] as const;

describeBackupKills({
  filled: COPIED_TABLES,
  backup: ['LOCK TABLE', ...COPIED_TABLES.map((table) => `FROM public."${table}"`)].flatMap((words) =>
    SIDES.map((when) => [words, when] as const),
  ),
  restore: [
    ...COPIED_TABLES.flatMap((table) => SIDES.map((when) => [`COPY public."${table}"`, when] as const)),
    [COMMIT, 'before'],
  ],
  shares: [0.3, 0.6, 0.9, 0.999],
});

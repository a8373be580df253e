// The database: who it is, whether it can be written to, and whether its notifications arrive.
import { check, noneOf, nothingToLookAt, ok, warning, wrong } from '../check.ts';

const LEAST_VERSION = 140_000;
const MOST_SKEW_MS = 5000;
const MOST_BEHIND_S = 60;

export const DATABASE_CHECKS = [
  check({
    code: 'database_reachable',
    why: 'without it nobody knows who has a key: mail is deferred',
    mend: 'check database.url in sealpost.toml, and that PostgreSQL runs there',
    reads: ['databaseAnswer'],
    judge: ({ databaseAnswer: { name, failure } }) =>
      failure === null ? ok(`${name} answers`) : wrong(failure),
  }),
  check({
    code: 'database_version',
    why: 'sealpost uses functions of PostgreSQL 14',
    mend: 'upgrade PostgreSQL (pg_upgradecluster)',
    reads: ['database'],
    judge: ({ database: { version } }) => {
      const shown = `PostgreSQL ${Math.floor(version / 10_000)}.${version % 10_000}`;
      return version >= LEAST_VERSION ? ok(shown) : wrong(`${shown}, expected 14 or newer`);
    },
  }),
  check({
    code: 'database_primary',
    why: 'a standby lags: a key that it does not know yet would count as no key',
    mend: 'let database.url name the primary; a standby belongs in database.read_url',
    reads: ['database'],
    judge: ({ database: { inRecovery, name } }) =>
      inRecovery ? wrong(`${name} is a standby`) : ok(`${name} is a primary`),
  }),
  check({
    code: 'database_read_only',
    why: 'acceptances are written there before Postfix is told: where nothing can be written, all mail is deferred',
    mend: 'ALTER DATABASE ... RESET default_transaction_read_only, or name the primary in database.url',
    reads: ['database'],
    judge: ({ database: { readOnly, name } }) =>
      readOnly ? wrong(`${name} takes reads only`) : ok('transactions may write'),
  }),
  check({
    code: 'database_writes',
    why: 'a role without rights, or a full disk, defers all mail though every question is answered',
    mend: 'GRANT ALL ON ALL TABLES IN SCHEMA public TO the role of database.url; make room on its disk',
    reads: ['tables'],
    judge: ({ tables: { writeRefused } }) =>
      writeRefused === null
        ? ok('a row was written and taken back')
        : wrong(`a row was refused: ${writeRefused}`),
  }),
  check({
    code: 'database_migrated',
    why: 'a program whose tables are missing does not start',
    mend: 'sealpost migrate',
    reads: ['tables'],
    judge: ({ tables: { pending } }) =>
      noneOf(pending, 'every migration is applied', (list) => `missing: ${list}`, wrong),
  }),
  check({
    code: 'database_newer',
    why: 'a newer program has changed the tables: this one does not know what they mean',
    mend: 'install the same version everywhere',
    reads: ['tables'],
    judge: ({ tables: { unknown } }) =>
      noneOf(unknown, 'no migration is of a newer program', (list) => `of a newer program: ${list}`),
  }),
  check({
    code: 'database_restored',
    why: 'a backup may be older than a key: until its state is accepted, mail that is not sealed waits',
    mend: 'sealpost key list --missing; add the keys that came later, then: sealpost restore --accept',
    reads: ['tables'],
    judge: ({ tables: { restoredFrom } }) =>
      restoredFrom === null
        ? ok('no restored state waits to be accepted')
        : wrong(`restored from a backup of ${restoredFrom}, which nobody has accepted`),
  }),
  check({
    code: 'database_durable',
    why: 'a power cut takes what PostgreSQL has confirmed: keys, and the queue of the receiver, which is mail',
    mend: "ALTER SYSTEM SET NAME = 'on'; SELECT pg_reload_conf(); and for the role of database.url: ALTER ROLE ... RESET NAME",
    reads: ['database'],
    judge: ({ database: { fsync, fullPageWrites, synchronousCommit } }) => {
      const off = [
        ...(fsync ? [] : ['fsync']),
        ...(fullPageWrites ? [] : ['full_page_writes']),
        ...(synchronousCommit === 'off' ? ['synchronous_commit'] : []),
      ];
      return off.length === 0
        ? ok('fsync, full_page_writes and synchronous_commit are on')
        : wrong(`${off.join(' and ')} off`);
    },
  }),
  check({
    code: 'database_connections',
    why: 'a server that has no connection left for us defers mail',
    mend: 'raise max_connections of PostgreSQL, or lower database.pool_size',
    reads: ['database', 'config'],
    judge: ({ database: { maxConnections, connections }, config: { config } }) => {
      // The filter's pool, that of the lookups, and one listener of changes each.
      const ours = 2 * config.database.pool_size + 2;
      const left = maxConnections - connections;
      if (ours > maxConnections)
        return warning(`max_connections is ${maxConnections}, and serve may open ${ours}`);
      return left < 5
        ? warning(`${connections} of ${maxConnections} connections are open`)
        : ok(`${connections} of ${maxConnections} connections are open, serve opens up to ${ours}`);
    },
  }),
  check({
    code: 'database_notifications',
    why: 'changes reach a running serve by them: without, each message asks the database again, and lookups are a second behind',
    mend: 'let database.listen_url name the server itself: a pooler in transaction mode passes no LISTEN on',
    reads: ['notification'],
    judge: ({ notification }) =>
      notification === null
        ? warning(
            'a notification that was sent through the pool did not come back on the listening connection',
          )
        : ok(`a notification through the pool came back after ${notification} ms`),
  }),
  check({
    code: 'database_clock',
    why: 'expiry of keys, of acceptances and of claims is judged by both clocks',
    mend: 'run an NTP client on both machines (timedatectl set-ntp true)',
    reads: ['database'],
    judge: ({ database: { ahead } }) =>
      Math.abs(ahead) <= MOST_SKEW_MS
        ? ok(`the clocks differ by ${Math.abs(ahead)} ms`)
        : warning(
            `the clock of the database is ${Math.abs(ahead / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'} ours`,
          ),
  }),
  check({
    code: 'database_replica',
    why: 'a replica that is far behind is asked in vain, and one that is no replica has another truth',
    mend: 'let database.read_url name a streaming standby of database.url, or take the key out',
    reads: ['config', 'replica'],
    judge: ({ config: { config }, replica: { standby, behind } }) => {
      if (config.database.read_url === undefined) return nothingToLookAt('database.read_url is not set');
      if (!standby) return warning('database.read_url is no standby');
      return behind > MOST_BEHIND_S
        ? warning(`the replica is ${Math.round(behind)} s behind`)
        : ok(`the replica is ${Math.round(behind)} s behind`);
    },
  }),
];

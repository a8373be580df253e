// The machine: who may read what, room on the disks, backups.
import { formatEndpoint } from '../../config/units.ts';
import { check, noneOf, nothingToLookAt, notLooked, ok, warning, wrong } from '../check.ts';
import type { DiskFacts, FileFacts } from '../facts.ts';

const DAY_MS = 86_400_000;
const MOST_BACKUP_AGE_MS = 7 * DAY_MS;
/** Below both, a disk is nearly full. */
const LEAST_SHARE = 0.1;
const LEAST_FREE = 2_000_000_000;
const NO_ROOM = 200_000_000;

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

const others = ({ mode }: FileFacts, bits: number): boolean => mode !== null && (mode & bits) !== 0;

const fileNamed = (files: readonly FileFacts[], what: string): FileFacts | undefined =>
  files.find((file) => file.what === what && file.mode !== null);

export const MACHINE_CHECKS = [
  check({
    code: 'state_dir_permissions',
    why: 'whoever writes there replaces the database, the sockets or the key of the log',
    mend: 'chown sealpost: STATE_DIR && chmod 0750 STATE_DIR',
    reads: ['files'],
    judge: ({ files }) => {
      const folder = fileNamed(files, 'state_dir');
      if (folder === undefined) return wrong('state_dir is not there', 'sealpost init');
      return others(folder, 0o002)
        ? wrong(
            `${folder.path} can be written by everybody (${octal(folder.mode ?? 0)})`,
            `chmod o-w ${folder.path}`,
          )
        : ok(`${folder.path} ${octal(folder.mode ?? 0)}`);
    },
  }),
  check({
    code: 'config_permissions',
    why: 'whoever writes the configuration chooses the database, and with it every key',
    mend: 'chown root:sealpost sealpost.toml && chmod 0640 sealpost.toml',
    reads: ['files'],
    judge: ({ files }) => {
      const there = files.filter(({ what, mode }) => what === 'config' && mode !== null);
      if (there.length === 0) return nothingToLookAt('there is no configuration file');
      const inWords = ({ path, mode }: FileFacts): string => `${path} ${octal(mode ?? 0)}`;
      return noneOf(
        there.filter((each) => others(each, 0o022)).map(inWords),
        there.map(inWords).join(', '),
        (list) => `others may write: ${list}`,
        wrong,
      );
    },
  }),
  check({
    code: 'log_key_permissions',
    why: 'with this key the digits of foreign addresses in the log can be matched against a list',
    mend: 'chmod 0600 STATE_DIR/log.key',
    reads: ['files'],
    judge: ({ files }) => {
      const file = fileNamed(files, 'log.key');
      if (file === undefined) return nothingToLookAt('there is no log.key yet: the first serve makes it');
      return others(file, 0o077)
        ? warning(`${file.path} is open to others (${octal(file.mode ?? 0)})`, `chmod 0600 ${file.path}`)
        : ok(`${file.path} ${octal(file.mode ?? 0)}`);
    },
  }),
  check({
    code: 'socket_permissions',
    why: 'a socket that everybody may write to takes mail from every account of the machine; XFORWARD is believed there',
    mend: 'mode = "0660" and group = "postfix" at the listener in sealpost.toml',
    reads: ['files', 'config'],
    judge: ({ files, config: { config } }) => {
      const sockets = files.filter(({ what }) => what === 'socket');
      if (sockets.length === 0)
        return ok(
          `no unix socket: ${config.filter.listen.map(({ address }) => formatEndpoint(address)).join(', ')}`,
        );
      const missing = sockets.filter(({ mode }) => mode === null);
      if (missing.length > 0)
        return notLooked(`there is no ${missing.map(({ path }) => path).join(', ')}: serve does not run`);
      return noneOf(
        sockets
          .filter((socket) => others(socket, 0o002))
          .map(({ path, mode }) => `${path} (${octal(mode ?? 0)})`),
        `${sockets.length} unix sockets are closed to others`,
        (list) => `open to everybody: ${list}`,
      );
    },
  }),
  check({
    code: 'spool_permissions',
    why: 'the spool holds mail in plaintext until it is sealed',
    mend: 'chown -R sealpost: SPOOL && chmod 0700 SPOOL',
    reads: ['files'],
    judge: ({ files }) => {
      const spools = files.filter(({ what }) => what === 'spool');
      if (spools.length === 0) return nothingToLookAt('receiver.spool is not set');
      return noneOf(
        spools
          .filter((spool) => others(spool, 0o007))
          .map(({ path, mode }) => `${path} (${octal(mode ?? 0)})`),
        `${spools.length} spools are closed to others`,
        (list) => `open to others: ${list}`,
        wrong,
      );
    },
  }),
  check({
    code: 'embedded_owner',
    why: 'every process of that account can open the database',
    mend: 'adduser --system --group --home /var/lib/sealpost sealpost, then restart sealpost',
    reads: ['machine', 'config'],
    judge: ({ machine: { embeddedOwner }, config: { config } }) => {
      if (!config.database.url.startsWith('embedded:'))
        return nothingToLookAt('the database is not embedded');
      if (embeddedOwner === null) return notLooked('the data of the embedded database cannot be seen');
      return embeddedOwner === 'nobody'
        ? wrong('the embedded database belongs to nobody, whom every program shares')
        : ok(`the embedded database belongs to ${embeddedOwner}`);
    },
  }),
  check({
    code: 'disk_space',
    why: 'a full disk defers all mail, and stops PostgreSQL',
    mend: 'make room, or move state_dir to a larger disk',
    reads: ['disks'],
    judge: ({ disks }) => {
      const full = disks.filter(({ free }) => free < NO_ROOM);
      if (full.length > 0) return wrong(full.map(roomOf).join('; '));
      const low = disks.filter(({ free, total }) => free < LEAST_FREE && free < total * LEAST_SHARE);
      return noneOf(low.map(roomOf), disks.map(roomOf).join('; '), (list) => list);
    },
  }),
  check({
    code: 'disk_inodes',
    why: 'each message in a queue or spool takes an inode: without one, none is accepted',
    mend: 'remove small files, or make the file system anew with more inodes',
    reads: ['disks'],
    judge: ({ disks }) =>
      noneOf(
        disks
          .filter(({ freeInodes, totalInodes }) => totalInodes > 0 && freeInodes < totalInodes * 0.05)
          .map(({ what, path, freeInodes }) => `${what} (${path}): ${freeInodes} free inodes`),
        'there are inodes enough',
        (list) => list,
      ),
  }),
  check({
    code: 'backup_age',
    why: 'who loses the database loses every key, and mail to their owners goes on in plaintext or waits',
    mend: 'sealpost backup FILE.tar; a backup of your own ends with: touch STATE_DIR/last-backup',
    reads: ['machine'],
    judge: ({ machine: { lastBackup, now } }) => {
      if (lastBackup === null)
        return nothingToLookAt('none is known: there is no file last-backup in state_dir');
      const days = Math.floor((now - lastBackup) / DAY_MS);
      return now - lastBackup > MOST_BACKUP_AGE_MS
        ? warning(`the last backup is ${days} days old`)
        : ok(`the last backup is ${days} days old`);
    },
  }),
];

function roomOf({ what, path, free, total }: DiskFacts): string {
  return `${what} (${path}): ${(free / 1e9).toFixed(1)} of ${(total / 1e9).toFixed(1)} GB free`;
}

// mailcow's database, as data/web/inc/init_db.inc.php makes it.

import { type Panel, panelSource } from './panel.ts';
import { type Source, SourceRefused } from './rows.ts';
import { textOf } from './sql.ts';

const MAILCOW: Panel = {
  name: 'mailcow',
  tables: {
    versions: ['application', 'version'],
    domain: ['domain', 'backupmx', 'active'],
    alias_domain: ['alias_domain', 'target_domain', 'active'],
    mailbox: ['username', 'quota', 'domain', 'active', 'kind'],
    alias: ['address', 'goto', 'domain', 'active'],
  },
  async checkVersion(sql) {
    const [row] = await sql.query("SELECT version FROM versions WHERE application = 'db_schema'", []);
    const text = textOf(row?.version);
    // Day, month and year, and the time: 19022018_0839.
    if (/^\d{8}_\d{4}$/.test(text)) return;
    throw new SourceRefused(
      `the version ${JSON.stringify(text.slice(0, 40))} of mailcow's schema is not known; expected one such as 19022018_0839, see the table versions`,
    );
  },
  // Rooms and things are mailboxes too: their calendars need one.
  mailboxKind: 'kind',
  noDomains: new Set(),
  actions: new Set(['null@localhost', 'spam@localhost', 'ham@localhost']),
};

/** @param dsn mysql://; of the container: mysql://mailcow:...@localhost/mailcow?socket=/path/mysqld.sock */
export function mailcowSource(dsn: string): Source {
  return panelSource(MAILCOW, dsn);
}

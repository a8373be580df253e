// PostfixAdmin's database, as public/upgrade.php makes it.

import { type Panel, panelSource } from './panel.ts';
import { type Source, SourceRefused } from './rows.ts';
import { textOf } from './sql.ts';

/** Versions of the schema (config.version): the first one with alias domains as they are today, and the series of releases. */
const OLDEST = 740;
const SERIES_ENDS = 2000;

const POSTFIXADMIN: Panel = {
  name: 'postfixadmin',
  tables: {
    config: ['name', 'value'],
    domain: ['domain', 'backupmx', 'active'],
    alias_domain: ['alias_domain', 'target_domain', 'active'],
    mailbox: ['username', 'quota', 'domain', 'active'],
    alias: ['address', 'goto', 'domain', 'active'],
  },
  async checkVersion(sql) {
    const [row] = await sql.query("SELECT value FROM config WHERE name = 'version'", []);
    const text = textOf(row?.value);
    const version = Number(text);
    if (/^\d+$/.test(text) && version >= OLDEST && version < SERIES_ENDS) return;
    throw new SourceRefused(
      `the version ${JSON.stringify(text.slice(0, 40))} of PostfixAdmin's schema is not known; expected ${OLDEST} to ${SERIES_ENDS - 1}, see the table config`,
    );
  },
  mailboxKind: null,
  // What stands for all domains.
  noDomains: new Set(['all']),
  actions: new Set(),
};

/** @param dsn mysql://, postgres:// or sqlite:///, the three that PostfixAdmin runs on */
export function postfixadminSource(dsn: string): Source {
  return panelSource(POSTFIXADMIN, dsn);
}

// The tables of PostfixAdmin and mailcow, as far as anybody reads them, with a small site in them.

/** PostfixAdmin's, for PostgreSQL and MariaDB alike; booleans are PostgreSQL's there and numbers here. */
export function postfixadminTables(kind: 'postgres' | 'mysql'): string {
  const flag = kind === 'postgres' ? 'boolean' : 'tinyint(1)';
  const [on, off] = kind === 'postgres' ? ['true', 'false'] : ['1', '0'];
  return `
    CREATE TABLE config (id integer PRIMARY KEY, name varchar(20) NOT NULL UNIQUE, value varchar(20) NOT NULL);
    CREATE TABLE domain (domain varchar(255) PRIMARY KEY, description varchar(255), aliases integer, mailboxes integer, maxquota bigint, quota bigint, transport varchar(255), backupmx ${flag}, active ${flag});
    CREATE TABLE alias_domain (alias_domain varchar(255) PRIMARY KEY, target_domain varchar(255) NOT NULL, active ${flag});
    CREATE TABLE mailbox (username varchar(255) PRIMARY KEY, password varchar(255), name varchar(255), maildir varchar(255), quota bigint, local_part varchar(255), domain varchar(255), active ${flag});
    CREATE TABLE alias (address varchar(255) PRIMARY KEY, goto text NOT NULL, domain varchar(255) NOT NULL, active ${flag});
    INSERT INTO config VALUES (1, 'version', '1844');
    INSERT INTO domain VALUES ('ALL', '', 0, 0, 0, 0, '', ${off}, ${on}), ('panel.example', '', 0, 0, 0, 0, 'virtual', ${off}, ${on}),
      ('alias.example', '', 0, 0, 0, 0, '', ${off}, ${on}), ('backup.example', '', 0, 0, 0, 0, '', ${on}, ${on}), ('closed.example', '', 0, 0, 0, 0, '', ${off}, ${off});
    INSERT INTO alias_domain VALUES ('alias.example', 'panel.example', ${on});
    INSERT INTO mailbox VALUES ('ann@panel.example', '', 'Ann', '', 1024000000, 'ann', 'panel.example', ${on}),
      ('ben@panel.example', '', 'Ben', '', 0, 'ben', 'panel.example', ${off}), ('cas@closed.example', '', '', '', 0, 'cas', 'closed.example', ${on});
    INSERT INTO alias VALUES ('ann@panel.example', 'ann@panel.example,copy@abroad.example', 'panel.example', ${on}),
      ('ben@panel.example', 'ben@panel.example,ben#panel.example@autoreply.panel.example', 'panel.example', ${on}), ('team@panel.example', 'ann@panel.example,ben@panel.example', 'panel.example', ${on}),
      ('old@panel.example', 'ann@panel.example', 'panel.example', ${off}), ('@backup.example', 'ann@panel.example', 'backup.example', ${on});`;
}

/** mailcow's; MariaDB only. */
export const MAILCOW_TABLES = `
    CREATE TABLE versions (application varchar(255) PRIMARY KEY, version varchar(100) NOT NULL, created datetime);
    CREATE TABLE domain (domain varchar(255) PRIMARY KEY, description varchar(255), quota bigint(20), backupmx tinyint(1) NOT NULL DEFAULT 0, active tinyint(1) NOT NULL DEFAULT 1) DEFAULT CHARSET=utf8mb4;
    CREATE TABLE alias_domain (alias_domain varchar(255) PRIMARY KEY, target_domain varchar(255) NOT NULL, active tinyint(1) NOT NULL DEFAULT 1) DEFAULT CHARSET=utf8mb4;
    CREATE TABLE mailbox (username varchar(255) PRIMARY KEY, password varchar(255), name varchar(255), quota bigint(20), local_part varchar(255), domain varchar(255), attributes json, kind varchar(100) NOT NULL DEFAULT '', active tinyint(1) NOT NULL DEFAULT 1) DEFAULT CHARSET=utf8mb4;
    CREATE TABLE alias (id int AUTO_INCREMENT PRIMARY KEY, address varchar(255) NOT NULL UNIQUE, goto text NOT NULL, domain varchar(255) NOT NULL, active tinyint(1) NOT NULL DEFAULT 1) DEFAULT CHARSET=utf8mb4;
    INSERT INTO versions VALUES ('db_schema', '06052018_1839', NOW());
    INSERT INTO domain (domain) VALUES ('cow.example');
    INSERT INTO alias_domain (alias_domain, target_domain) VALUES ('cowalias.example', 'cow.example');
    INSERT INTO mailbox (username, quota, domain, kind, active) VALUES ('dora@cow.example', 3221225472, 'cow.example', '', 1), ('ed@cow.example', 0, 'cow.example', '', 2), ('room@cow.example', 0, 'cow.example', 'location', 1);
    INSERT INTO alias (address, goto, domain) VALUES ('dora@cow.example', 'dora@cow.example', 'cow.example'), ('ed@cow.example', 'ed@cow.example', 'cow.example'),
      ('both@cow.example', 'dora@cow.example,ed@cow.example', 'cow.example'), ('trash@cow.example', 'null@localhost', 'cow.example');`;

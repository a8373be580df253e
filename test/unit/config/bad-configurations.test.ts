// Bad configurations, each with the exact message that an administrator reads. FILE stands for the file's path.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/errors.ts';
import { loadConfig } from '../../../src/config/load.ts';

let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealpost-config-'));
  file = join(folder, 'sealpost.toml');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The message that loading this text gives, with the file's path replaced. */
function messageFor(toml: string | Uint8Array, env: Record<string, string> = {}): string {
  writeFileSync(file, toml);
  try {
    loadConfig({ path: file, env });
  } catch (error) {
    if (error instanceof ConfigError)
      return error.message.replaceAll(file, 'FILE').replaceAll(folder, 'FOLDER');
    throw error;
  }
  return 'accepted';
}

const AN_ADDRESS = 'an address such as "127.0.0.1:10024", "[::1]:10024" or "unix:/run/sealpost/lmtp.sock"';

interface BadConfiguration {
  readonly fault: string;
  readonly toml: string;
  readonly message: string;
}

const bad: readonly BadConfiguration[] = [
  {
    fault: 'a name that is no host name',
    toml: 'hostname = "mx 1"',
    message: 'FILE: hostname: found "mx 1"; expected a host name such as "mx1.example.org"',
  },
  {
    fault: 'a number as the name',
    toml: 'hostname = 5',
    message: 'FILE: hostname: found 5; expected a text in quotes',
  },
  {
    fault: 'an empty state_dir',
    toml: 'state_dir = ""',
    message: 'FILE: state_dir: found ""; expected a text that is not empty',
  },
  {
    fault: 'a delimiter that would cut the domain off',
    toml: 'recipient_delimiter = "@"',
    message: 'FILE: recipient_delimiter: found "@"; expected characters other than "@", quote and backslash',
  },
  {
    fault: 'a delimiter that stands in every id address',
    toml: 'recipient_delimiter = "_"',
    message:
      'FILE: recipient_delimiter: found "_"; expected characters other than "_", letters and digits, at which Postfix would split id addresses such as id_12',
  },
  {
    fault: 'a letter of id addresses as a delimiter',
    toml: 'recipient_delimiter = "+D"',
    message:
      'FILE: recipient_delimiter: found "+D"; expected characters other than "_", letters and digits, at which Postfix would split id addresses such as id_12',
  },
  {
    fault: 'a digit as a delimiter',
    toml: 'recipient_delimiter = "1"',
    message:
      'FILE: recipient_delimiter: found "1"; expected characters other than "_", letters and digits, at which Postfix would split id addresses such as id_12',
  },
  {
    fault: 'a mailbox domain with an at sign',
    toml: 'mailbox_domain = "@example.org"',
    message: 'FILE: mailbox_domain: found "@example.org"; expected a domain such as "example.org", or ""',
  },
  {
    fault: 'a misspelt key',
    toml: '[filter]\nbare_newlin = "reject"',
    message: 'FILE: filter.bare_newlin: found an unknown key; expected "bare_newline" (did you mean that?)',
  },
  {
    fault: 'a hyphen instead of an underscore',
    toml: '[filter]\nnext-hop = "smtp:127.0.0.1:10026"',
    message: 'FILE: filter.next-hop: found an unknown key; expected "next_hop" (did you mean that?)',
  },
  {
    fault: 'a key outside its section',
    toml: 'log_level = "debug"',
    message: 'FILE: log_level: found an unknown key; expected "observe.log_level" (did you mean that?)',
  },
  {
    fault: 'a key in the section above its own',
    toml: '[keys]\nallow_sha1 = true\nnext_hop = "smtp:127.0.0.1:10026"',
    message: 'FILE: keys.next_hop: found an unknown key; expected "filter.next_hop" (did you mean that?)',
  },
  {
    fault: 'a misspelt key outside its section',
    toml: '[filter]\nlog_levle = "debug"',
    message:
      'FILE: filter.log_levle: found an unknown key; expected "observe.log_level" (did you mean that?)',
  },
  {
    fault: 'a key that is like no other',
    toml: '[keys]\nxyzzy = 1',
    message: 'FILE: keys.xyzzy: found an unknown key; expected one of "allow_sha1"',
  },
  {
    fault: 'a misspelt section',
    toml: '[filters]\nnext_hop = "smtp:127.0.0.1:10026"',
    message: 'FILE: filters: found an unknown key; expected "filter" (did you mean that?)',
  },
  {
    fault: 'a section that is a text',
    toml: 'filter = "on"',
    message: 'FILE: filter: found "on"; expected the section [filter]',
  },
  {
    fault: 'a section that is a date',
    toml: 'filter = 2026-01-01',
    message: 'FILE: filter: found a date; expected no date: no key takes one',
  },
  {
    fault: 'a list that is one table',
    toml: '[filter.listen]\nprotocol = "lmtp"',
    message: 'FILE: filter.listen: found a table; expected a list of tables, each under [[filter.listen]]',
  },
  {
    fault: 'an unknown protocol',
    toml: '[[filter.listen]]\nprotocol = "esmtp"\naddress = "127.0.0.1:10024"',
    message: 'FILE: filter.listen[0].protocol: found "esmtp"; expected one of "lmtp", "smtp"',
  },
  {
    fault: 'a listener without address and protocol',
    toml: '[[filter.listen]]\nname = "lmtp"',
    message: `2 errors in the configuration:\n  FILE: filter.listen[0].protocol: found nothing; expected one of "lmtp", "smtp"\n  FILE: filter.listen[0].address: found nothing; expected ${AN_ADDRESS}`,
  },
  {
    fault: 'an address without a port',
    toml: '[[filter.listen]]\nprotocol = "lmtp"\naddress = "127.0.0.1"',
    message: `FILE: filter.listen[0].address: found "127.0.0.1"; expected ${AN_ADDRESS}`,
  },
  {
    fault: 'a port that does not exist',
    toml: '[[filter.listen]]\nprotocol = "lmtp"\naddress = "127.0.0.1:100240"',
    message: `FILE: filter.listen[0].address: found "127.0.0.1:100240"; expected ${AN_ADDRESS}`,
  },
  {
    fault: 'port zero',
    toml: '[[filter.listen]]\nprotocol = "lmtp"\naddress = "127.0.0.1:0"',
    message: 'FILE: filter.listen[0].address: found "127.0.0.1:0"; expected a port from 1 to 65535',
  },
  {
    fault: 'an IPv6 address without brackets',
    toml: '[observe]\nlisten = "::1:9321"',
    message: `FILE: observe.listen: found "::1:9321"; expected ${AN_ADDRESS}, or "" to switch it off`,
  },
  {
    fault: 'a socket path that is relative',
    toml: '[[filter.listen]]\nprotocol = "lmtp"\naddress = "unix:lmtp.sock"',
    message:
      'FILE: filter.listen[0].address: found "unix:lmtp.sock"; expected an absolute path after "unix:"',
  },
  {
    fault: 'a mode without quotes',
    toml: '[[filter.listen]]\nprotocol = "lmtp"\naddress = "unix:/run/lmtp.sock"\nmode = 432',
    message: 'FILE: filter.listen[0].mode: found 432; expected an octal mode in quotes, such as "0660"',
  },
  {
    fault: 'a mode that is not octal',
    toml: '[[filter.listen]]\nprotocol = "lmtp"\naddress = "unix:/run/lmtp.sock"\nmode = "rw-rw----"',
    message:
      'FILE: filter.listen[0].mode: found "rw-rw----"; expected an octal mode in quotes, such as "0660"',
  },
  {
    fault: 'a mode on a TCP port',
    toml: '[[filter.listen]]\nprotocol = "lmtp"\naddress = "127.0.0.1:10024"\nmode = "0660"',
    message: 'FILE: filter.listen[0].mode: found "0660"; expected none: it is for a unix socket only',
  },
  {
    fault: 'a group on a TCP port of the lookups',
    toml: '[policy.socketmap]\nlisten = "127.0.0.1:2525"\ngroup = "postfix"',
    message: 'FILE: policy.socketmap.group: found "postfix"; expected none: it is for a unix socket only',
  },
  {
    fault: 'a mode on the TCP port that is the default',
    toml: '[policy.delegation]\nmode = "0660"',
    message: 'FILE: policy.delegation.mode: found "0660"; expected none: it is for a unix socket only',
  },
  {
    fault: 'a mode on the TCP ports of the receiver',
    toml: '[receiver]\nlisten = ["127.0.0.1:10034", "127.0.0.1:10035"]\nmode = "0660"',
    message: 'FILE: receiver.mode: found "0660"; expected none: it is for a unix socket only',
  },
  {
    fault: 'a flag as a text',
    toml: '[[filter.listen]]\nprotocol = "smtp"\naddress = "127.0.0.1:10025"\nbefore_queue = "yes"',
    message: 'FILE: filter.listen[0].before_queue: found "yes"; expected true or false, without quotes',
  },
  {
    fault: 'two listeners on one address',
    toml: '[[filter.listen]]\nprotocol = "lmtp"\naddress = "127.0.0.1:10024"\n[[filter.listen]]\nprotocol = "smtp"\naddress = "localhost:10024"',
    message:
      'FILE: filter.listen[1].address: found "localhost:10024"; expected another address than filter.listen[0].address = "127.0.0.1:10024"',
  },
  {
    fault: 'two listeners of one name',
    toml: '[[filter.listen]]\nname = "in"\nprotocol = "lmtp"\naddress = "127.0.0.1:10024"\n[[filter.listen]]\nname = "in"\nprotocol = "smtp"\naddress = "127.0.0.1:10025"',
    message: 'FILE: filter.listen[1].name: found "in"; expected another name than filter.listen[0]',
  },
  {
    fault: 'a wildcard over another listener',
    toml: '[observe]\nlisten = "0.0.0.0:10024"\n[[filter.listen]]\nprotocol = "lmtp"\naddress = "127.0.0.1:10024"',
    message:
      'FILE: observe.listen: found "0.0.0.0:10024"; expected another address than filter.listen[0].address = "127.0.0.1:10024"',
  },
  {
    fault: 'a lookup daemon on the port of the metrics',
    toml: '[policy.socketmap]\nlisten = "127.0.0.1:9321"\n[observe]\nlisten = "127.0.0.1:9321"',
    message:
      'FILE: observe.listen: found "127.0.0.1:9321"; expected another address than policy.socketmap.listen = "127.0.0.1:9321"',
  },
  {
    fault: "a listener's next hop that is another listener of ours",
    toml: '[[filter.listen]]\nprotocol = "lmtp"\naddress = "127.0.0.1:10024"\n[[filter.listen]]\nprotocol = "lmtp"\naddress = "127.0.0.1:10034"\nnext_hop = "lmtp:127.0.0.1:10024"',
    message:
      'FILE: filter.listen[1].next_hop: found "lmtp:127.0.0.1:10024"; expected an address behind sealpost: this one is our own filter.listen[0].address, and mail would loop',
  },
  {
    fault: 'a next hop that is our own listener',
    toml: '[filter]\nnext_hop = "smtp:127.0.0.1:10025"',
    message:
      'FILE: filter.next_hop: found "smtp:127.0.0.1:10025"; expected an address behind sealpost: this one is our own filter.listen[1].address, and mail would loop',
  },
  {
    fault: 'a next hop without protocol',
    toml: '[filter]\nnext_hop = "127.0.0.1:10026"',
    message:
      'FILE: filter.next_hop: found "127.0.0.1:10026"; expected a next hop such as "smtp:127.0.0.1:10026" or "lmtp:unix:/run/dovecot/lmtp"',
  },
  {
    fault: 'a next hop that speaks something else',
    toml: '[filter]\nnext_hop = "submission:127.0.0.1:587"',
    message:
      'FILE: filter.next_hop: found "submission:127.0.0.1:587"; expected a next hop such as "smtp:127.0.0.1:10026" or "lmtp:unix:/run/dovecot/lmtp"',
  },
  {
    fault: 'a size in an unknown unit',
    toml: '[filter]\nmax_message_size = "50 potatoes"',
    message:
      'FILE: filter.max_message_size: found "50 potatoes"; expected a size such as "50MB", "256MiB" or "10240"',
  },
  {
    fault: 'a size of zero',
    toml: '[filter]\nmax_message_size = 0',
    message: 'FILE: filter.max_message_size: found 0; expected a size above zero, such as "50MB"',
  },
  {
    fault: 'a size that is true',
    toml: '[filter]\nmemory_budget = true',
    message: 'FILE: filter.memory_budget: found true; expected a size such as "50MB", "256MiB" or "10240"',
  },
  {
    fault: 'an unknown newline rule',
    toml: '[filter]\nbare_newline = "fix"',
    message: 'FILE: filter.bare_newline: found "fix"; expected one of "normalise", "reject"',
  },
  {
    fault: 'no recipients at all',
    toml: '[filter]\nmax_recipients = 0',
    message: 'FILE: filter.max_recipients: found 0; expected a whole number from 1 to 10000',
  },
  {
    fault: 'a fraction of a recipient',
    toml: '[filter]\nmax_recipients = 1.5',
    message: 'FILE: filter.max_recipients: found 1.5; expected a whole number from 1 to 10000',
  },
  {
    fault: 'too many recipients',
    toml: '[filter]\nmax_recipients = 1000000',
    message: 'FILE: filter.max_recipients: found 1000000; expected a whole number from 1 to 10000',
  },
  {
    fault: 'a number as a text',
    toml: '[filter]\nmax_connections = "500"',
    message: 'FILE: filter.max_connections: found "500"; expected a whole number from 1 to 100000',
  },
  {
    fault: 'a duration without unit',
    toml: '[filter]\nidle_timeout = 300',
    message: 'FILE: filter.idle_timeout: found 300; expected a duration such as "900s", "5m", "1h" or "6d"',
  },
  {
    fault: 'a time to keep events without unit',
    toml: '[trace]\nkeep = "14"',
    message: 'FILE: trace.keep: found "14"; expected a duration such as "900s", "5m", "1h" or "6d", or "0"',
  },
  {
    fault: 'a duration of zero',
    toml: '[filter]\nidle_timeout = "0s"',
    message: 'FILE: filter.idle_timeout: found "0s"; expected a duration above zero and at most "24d"',
  },
  {
    fault: 'a duration longer than a timer',
    toml: '[filter]\nconnect_timeout = "30d"',
    message: 'FILE: filter.connect_timeout: found "30d"; expected a duration above zero and at most "24d"',
  },
  {
    fault: 'a deadline that Postfix would not wait for',
    toml: '[filter]\ntransaction_deadline = "600s"',
    message: `FILE: filter.transaction_deadline: found "600s"; expected a duration above zero and below 600s, Postfix's smtp_data_done_timeout`,
  },
  {
    fault: 'a before-queue deadline that Postfix would not wait for',
    toml: '[filter]\nbefore_queue_deadline = "2m"',
    message: `FILE: filter.before_queue_deadline: found "2m"; expected a duration above zero and below 100s, Postfix's smtpd_proxy_timeout`,
  },
  {
    fault: 'a network that is a name',
    toml: '[filter]\nxforward_hosts = ["127.0.0.0/8", "mx.example.org"]',
    message:
      'FILE: filter.xforward_hosts[1]: found "mx.example.org"; expected an address or network such as "127.0.0.0/8", "192.0.2.7" or "::1"',
  },
  {
    fault: 'a network of 33 bits',
    toml: '[filter]\nxforward_hosts = ["10.0.0.0/33"]',
    message:
      'FILE: filter.xforward_hosts[0]: found "10.0.0.0/33"; expected an address or network such as "127.0.0.0/8", "192.0.2.7" or "::1"',
  },
  {
    fault: 'a pipe deadline that pipe(8) would not wait for',
    toml: '[pipe]\ndeadline = "1000s"',
    message: `FILE: pipe.deadline: found "1000s"; expected a duration above zero and below 1000s, Postfix's pipe_time_limit`,
  },
  {
    fault: 'an unknown re-injection',
    toml: '[pipe]\nreinject = "smtp"',
    message: 'FILE: pipe.reinject: found "smtp"; expected one of "next_hop", "sendmail"',
  },
  {
    fault: 'a sendmail to be searched for',
    toml: '[pipe]\nsendmail = "sendmail"',
    message: 'FILE: pipe.sendmail: found "sendmail"; expected an absolute path such as "/usr/sbin/sendmail"',
  },
  {
    fault: 'an unknown style',
    toml: '[encryption]\nstyle = "pgp"',
    message: 'FILE: encryption.style: found "pgp"; expected one of "mime", "inline"',
  },
  {
    fault: 'a missing key that encrypts',
    toml: '[encryption]\non_missing_key = "encrypt"',
    message: 'FILE: encryption.on_missing_key: found "encrypt"; expected one of "pass", "defer", "reject"',
  },
  {
    fault: 'a flag that is no flag',
    toml: '[encryption]\nencrypt = "maybe"',
    message: 'FILE: encryption.encrypt: found "maybe"; expected true or false (or "on", "off", "yes", "no")',
  },
  {
    fault: 'another database',
    toml: '[database]\nurl = "mysql://root@localhost/mail"',
    message:
      'FILE: database.url: found "mysql://root@localhost/mail"; expected "embedded:" or "postgres://user@host/name"',
  },
  {
    fault: 'a replica of the embedded database',
    toml: '[database]\nread_url = "postgres://replica.example.org/sealpost"',
    message:
      'FILE: database.read_url: found "postgres://replica.example.org/sealpost"; expected none while database.url is "embedded:", which has no replica',
  },
  {
    fault: 'no database connections',
    toml: '[database]\npool_size = 0',
    message: 'FILE: database.pool_size: found 0; expected a whole number from 1 to 1000',
  },
  {
    fault: 'an unknown lookup map',
    toml: '[policy.tcp]\nvirtual_aliases = "127.0.0.1:4242"',
    message:
      'FILE: policy.tcp.virtual_aliases: found an unknown key; expected "virtual_alias" (did you mean that?)',
  },
  {
    fault: 'a lookup map that is a port',
    toml: '[policy.tcp]\nvirtual_alias = 4242',
    message: `FILE: policy.tcp.virtual_alias: found 4242; expected ${AN_ADDRESS}, or "" to switch it off`,
  },
  {
    fault: 'a spool that is a number',
    toml: '[receiver]\nspool = 5',
    message: 'FILE: receiver.spool: found 5; expected a Maildir, or a list of them',
  },
  {
    fault: 'a receiver address without port',
    toml: '[receiver]\nlisten = ["127.0.0.1:10034", "127.0.0.1"]',
    message: `FILE: receiver.listen[1]: found "127.0.0.1"; expected ${AN_ADDRESS}`,
  },
  {
    fault: 'an age of nothing',
    toml: '[receiver]\nmax_age = "0d"',
    message: 'FILE: receiver.max_age: found "0d"; expected a duration above zero',
  },
  {
    fault: 'an unknown log level',
    toml: '[observe]\nlog_level = "verbose"',
    message:
      'FILE: observe.log_level: found "verbose"; expected one of "trace", "debug", "info", "warn", "error", "fatal", "silent"',
  },
  {
    fault: 'a text without its closing quote',
    toml: 'hostname = "mx1\n',
    message:
      'FILE: line 1, column 16: found a syntax error (control characters are not allowed in strings); expected TOML 1.0',
  },
  {
    fault: 'a key that is set twice',
    toml: 'hostname = "mx1"\nhostname = "mx2"\n',
    message:
      'FILE: line 2, column 1: found a syntax error (trying to redefine an already defined table or value); expected TOML 1.0',
  },
  {
    fault: 'a value that is missing',
    toml: '[filter]\nmax_recipients =\n',
    message: 'FILE: line 2, column 17: found a syntax error (invalid value); expected TOML 1.0',
  },
  {
    fault: 'an octal number as in C',
    toml: '[[filter.listen]]\nmode = 0660\n',
    message: 'FILE: line 2, column 8: found a syntax error (illegal leading zero); expected TOML 1.0',
  },
];

test.each(bad)('$fault is refused with its own message', ({ toml, message }) => {
  expect(messageFor(toml)).toBe(message);
});

describe('a file with many errors', () => {
  test('names every one of them at once, also those between two keys', () => {
    const toml = [
      'hostnam = "mx1"',
      '[filter]',
      'next_hop = "smtp:127.0.0.1:10025"',
      'bare_newline = "fix"',
      '[[filter.listen]]',
      'protocol = "lmtp"',
      'address = "127.0.0.1:10025"',
      '[[filter.listen]]',
      'protocol = "imap"',
      'address = "127.0.0.1:10025"',
    ].join('\n');
    expect(messageFor(toml).split('\n')).toEqual([
      '5 errors in the configuration:',
      '  FILE: filter.bare_newline: found "fix"; expected one of "normalise", "reject"',
      '  FILE: filter.listen[1].protocol: found "imap"; expected one of "lmtp", "smtp"',
      '  FILE: hostnam: found an unknown key; expected "hostname" (did you mean that?)',
      '  FILE: filter.listen[1].address: found "127.0.0.1:10025"; expected another address than filter.listen[0].address = "127.0.0.1:10025"',
      '  FILE: filter.next_hop: found "smtp:127.0.0.1:10025"; expected an address behind sealpost: this one is our own filter.listen[0].address, and mail would loop',
    ]);
  });

  test('counts errors of the environment among them', () => {
    const message = messageFor('hostname = 5', {
      SEALPOST_DATABASE_URL: 'embedded',
      SEALPOST_DATABASE_READ_URL: 'x',
    });
    expect(message.split('\n')).toEqual([
      '3 errors in the configuration:',
      '  FILE: hostname: found 5; expected a text in quotes',
      '  environment: SEALPOST_DATABASE_URL: found "embedded"; expected "embedded:" or "postgres://user@host/name"',
      '  environment: SEALPOST_DATABASE_READ_URL: found "x"; expected "postgres://user@host/name"',
    ]);
  });
});

describe('a file that cannot be read', () => {
  test('is refused when it does not exist', () => {
    expect(() => loadConfig({ path: join(folder, 'none.toml'), env: {} })).toThrow(
      `${join(folder, 'none.toml')}: found no such file; expected an existing file for --config; "sealpost init" writes one`,
    );
  });

  test('is refused when it is a directory, named or found', () => {
    const other = join(folder, 'other');
    mkdirSync(join(other, 'sealpost.toml'), { recursive: true });
    const message = `${join(other, 'sealpost.toml')}: found a directory; expected a TOML file`;
    expect(() => loadConfig({ path: join(other, 'sealpost.toml'), env: {} })).toThrow(message);
    expect(() => loadConfig({ cwd: other, env: {} })).toThrow(message);
  });

  test('is refused when it is not UTF-8', () => {
    const latin1 = Buffer.from('# Gr\xfc\xdfe\n', 'latin1');
    expect(messageFor(latin1)).toBe('FILE: found bytes that are not UTF-8; expected a TOML file in UTF-8');
  });
});

describe('a password', () => {
  const secret = 'c0rrecth0rse';
  const texts = [
    `postgres://mail:${secret}@db.example.org:54321x/mail`,
    `postgres://mail:${secret}/more@db.example.org/mail`,
    `postgres://mail:${secret}#more@db.example.org/mail`,
    `postgres://mail:12/${secret}@db.example.org/mail`,
    `mysql://mail:${secret}@db.example.org/mail`,
    `mail:${secret}@db.example.org/mail`,
    `host=db.example.org password=${secret}`,
    `mysql://db.example.org/mail?password=${secret}`,
  ];

  test.each(texts)('is not part of the error for a URL like %s', (text) => {
    const message = messageFor(`[database]\nurl = "${text}"`);
    expect(message).toContain('FILE: database.url: found ');
    expect(message).not.toContain(secret);
  });

  test('is not part of the error when the URL stands where a section belongs', () => {
    const message = messageFor(`database = "postgres://mail:${secret}@db.example.org/mail"`);
    expect(message).toBe(
      'FILE: database: found "postgres://mail:***@db.example.org/mail"; expected the section [database]',
    );
  });

  test('is not part of a syntax error in its own line', () => {
    const message = messageFor(`[database]\nurl = "postgres://mail:${secret}@db.example.org/mail\n`);
    expect(message).toContain('FILE: line 2, column');
    expect(message).not.toContain(secret);
  });

  test('is not part of the error for a variable of the environment', () => {
    const message = messageFor('', {
      SEALPOST_DATABASE_URL: `postgresq://mail:${secret}@db.example.org/mail`,
    });
    expect(message).toBe(
      'environment: SEALPOST_DATABASE_URL: found "postgresq://mail:***@db.example.org/mail"; expected "embedded:" or "postgres://user@host/name"',
    );
  });

  test('with unescaped signs is answered with how to write them', () => {
    expect(messageFor('[database]\nurl = "postgres://mail:a#b@db.example.org/mail"')).toBe(
      'FILE: database.url: found (a text that is not shown, since it may hold a password); expected "embedded:" or "postgres://user@host/name", with "/", "#", "?", "@" and "%" in the password written as %2F, %23, %3F, %40 and %25',
    );
  });
});

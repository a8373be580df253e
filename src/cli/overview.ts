// The lines of `sealpost --help`: each command as it names and describes itself. They stand here too, so that --help loads none
// of the commands; a test compares them.

/** The command's name; how it is called; what it does. */
export const OVERVIEW: ReadonlyMap<string, readonly [term: string, description: string]> = new Map([
  ['init', ['init [options]', 'write sealpost.toml, create the database, apply the migrations']],
  [
    'serve',
    [
      'serve [options]',
      'run the filter, the lookup daemons, the receiver and the metrics server until SIGTERM; SIGHUP re-reads the configuration',
    ],
  ],
  ['migrate', ['migrate [options]', 'apply the migrations that the database lacks']],
  ['database', ['database', 'the database server that sealpost uses']],
  ['config', ['config', 'check the configuration file, change a key of it, or print the default one']],
  ['postfix', ['postfix', 'wire sealpost into the Postfix of this machine, and take it out again']],
  ['domain', ['domain', 'domains whose mail arrives here']],
  ['user', ['user', 'mailbox owners']],
  ['alias', ['alias', 'aliases, forwards and catch-alls']],
  ['key', ['key', 'public keys: OpenPGP, and X.509 certificates for S/MIME']],
  [
    'rule',
    [
      'rule',
      'exceptions before sealing: the first rule that matches decides, the user’s before the domain’s',
    ],
  ],
  ['fingerprint', ['fingerprint', 'SMTP client certificates (client_fingerprint)']],
  [
    'explain',
    [
      'explain [options] <address>',
      'show user, settings, keys and decision for an address, with the reason for each',
    ],
  ],
  ['trace', ['trace [options] <what>', 'what became of a message, recipient by recipient']],
  [
    'lookup',
    [
      'lookup [options] <map> <key>',
      'ask what the lookup daemons answer: exit 0 and the value, 1 not found, 75 temporary',
    ],
  ],
  [
    'encrypt',
    ['encrypt [options] [file]', 'seal one message as the filter would, and write it to standard output'],
  ],
  ['queue', ['queue', 'sealed mail that waits for its user']],
  ['token', ['token', "tokens with which a user's client fetches mail"]],
  ['portal', ['portal', 'the pages on which users hand over their keys']],
  [
    'pull',
    [
      'pull [options]',
      "fetch a user's mail from the queue of a server, decrypt it, and write it to a local Maildir",
    ],
  ],
  ['notices', ['notices', 'mail that tells of keys before they expire']],
  [
    'doctor',
    [
      'doctor [options]',
      'look at program, database, keys, next hop, machine and Postfix; exit 0: well, 1: warnings, 2: errors',
    ],
  ],
  [
    'import',
    [
      'import',
      'move in users, keys and aliases that are there already: a report, and with --apply the change',
    ],
  ],
  [
    'sync',
    [
      'sync [options] <panel> <dsn>',
      'follow a panel: what changes there changes here; [[sync]] in sealpost.toml makes it a part of serve',
    ],
  ],
  [
    'backup',
    [
      'backup [options] <file>',
      'write database and configuration to a file while mail flows; docs/backup.md says what is in it',
    ],
  ],
  [
    'verify',
    [
      'verify [options] <file>',
      'look whether a backup is whole: hashes, keys, queued messages, counts; exit 1 names what is wrong',
    ],
  ],
  [
    'restore',
    [
      'restore [options] [file]',
      'put a backup into an empty database; mail that is not sealed waits then until --accept says that no key is missing',
    ],
  ],
  [
    'status',
    [
      'status [options]',
      'what runs, what it did in the last minute, hour and day, what the database holds, and what is wrong; exit 1 when no serve answers',
    ],
  ],
  ['completion', ['completion', 'print what a shell needs to complete commands and options']],
]);

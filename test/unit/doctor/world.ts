// Machines where all is well, as the checks of `sealpost doctor` see them: one for each of two wirings, made of the very files
// of postfix-examples/.
import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import { type Config, configSchema } from '../../../src/config/schema.ts';
import type { Facts, PostfixFacts } from '../../../src/doctor/facts.ts';
import { readMasterCf } from '../../../src/postfix/master-cf.ts';
import { mergeMasterCf, parseMainCf } from '../../support/master-cf.ts';

export type Example = 'delivery-virtual' | 'delivery-local' | 'after-queue-lmtp' | 'pipe';

const file = (example: Example, name: string): string =>
  readFileSync(new URL(`../../../postfix-examples/${example}/${name}`, import.meta.url), 'utf8');

/** What of Postfix's own defaults the checks look at. */
const DEFAULTS: Readonly<Record<string, string>> = {
  mail_version: '3.10.2',
  queue_directory: '/var/spool/postfix',
  default_process_limit: '100',
  message_size_limit: '10240000',
  maximal_queue_lifetime: '5d',
  myorigin: 'example.org',
  mydestination: 'localhost',
  virtual_transport: 'virtual',
  relay_transport: 'relay',
  virtual_mailbox_domains: 'example.org',
  mynetworks: '127.0.0.0/8',
  smtpd_forbid_bare_newline: 'normalize',
  notify_classes: 'resource, software',
  error_notice_recipient: 'postmaster',
  '2bounce_notice_recipient': 'postmaster',
  bounce_notice_recipient: 'postmaster',
  cleanup_service_name: 'cleanup',
  local_recipient_maps: 'proxy:unix:passwd.byname',
  address_verify_virtual_transport: 'virtual',
  command_time_limit: '1000s',
};

const MASTER = `
smtp inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
relay unix - - n - - smtp
virtual unix - n n - - virtual
local unix - n n - - local
lmtp unix - - n - - lmtp
`;

export function postfixOf(example: Example): PostfixFacts {
  const master = mergeMasterCf(MASTER, file(example, 'master.cf'));
  return {
    version: '3.10.2',
    configDir: null,
    main: new Map([...Object.entries(DEFAULTS), ...parseMainCf(file(example, 'main.cf'))]),
    services: readMasterCf(master).map(({ name, type, fields, command, options, others }) => ({
      name,
      type,
      maxproc: fields[4] ?? '',
      command,
      args: others.join(' '),
      overrides: options,
    })),
    warnings: [],
    addresses: {
      operators: { percent_hack: false, bangpath: false, dequote: example.startsWith('delivery') },
      localNames: ['localhost'],
      origin: 'example.org',
      unread: [],
    },
  };
}

export function configOf(example: Example): Config {
  const config = configSchema.parse(parse(file(example, 'sealpost.example.toml')));
  const postfix = { percent_hack: false, bangpath: false, dequote: example.startsWith('delivery') };
  return { ...config, state_dir: '/var/lib/sealpost', postfix };
}

const FILE = { path: '/x', uid: 100, gid: 100 };
const NOW = Date.parse('2026-11-30T10:00:00Z');

/** A machine where all is well. */
export function world(example: Example): Facts {
  const config = configOf(example);
  return {
    configuration: { name: '/etc/sealpost/sealpost.toml: 4 keys set', failure: null },
    config: {
      config,
      path: '/etc/sealpost/sealpost.toml',
      stateDir: config.state_dir,
      keysSet: 4,
      extraFiles: [],
      warnings: [],
    },
    machine: {
      node: '20.19.2',
      wanted: '20.19',
      version: '1.0.0',
      now: NOW,
      lastBackup: NOW - 3_600_000,
      embeddedOwner: 'sealpost',
    },
    files: [
      { ...FILE, what: 'state_dir', mode: 0o40750 },
      { ...FILE, what: 'config', mode: 0o100640 },
      { ...FILE, what: 'log.key', mode: 0o100600 },
      { ...FILE, what: 'socket', mode: 0o140660 },
      { ...FILE, what: 'spool', mode: 0o40700 },
    ],
    disks: [{ what: 'state_dir', path: '/x', free: 5e10, total: 1e11, freeInodes: 900, totalInodes: 1000 }],
    serveAnswer: { name: '127.0.0.1:9321', failure: null },
    serve: {
      version: '1.0.0',
      config: '/etc/sealpost/sealpost.toml',
      ready: true,
      reasons: [],
      openFiles: 65_536,
    },
    databaseAnswer: { name: 'embedded:', failure: null },
    database: {
      name: 'embedded:',
      version: 180_004,
      inRecovery: false,
      readOnly: false,
      fsync: true,
      fullPageWrites: true,
      synchronousCommit: 'on',
      maxConnections: 100,
      connections: 20,
      ahead: 3,
    },
    tables: { pending: [], unknown: [], restoredFrom: null, writeRefused: null, foldingTogether: [] },
    notification: 4,
    replica: { standby: true, behind: 0 },
    directory: {
      domains: [{ name: 'example.org', class: 'virtual', local: false, otherNames: [] }],
      users: 2,
      keyed: ['alice@example.org', 'postmaster@example.org'],
      cut: false,
      lacking: [],
      duties: new Map([
        ['postmaster@example.org', true],
        ['abuse@example.org', true],
      ]),
      hidesSubject: true,
    },
    keys: {
      keys: [
        {
          fingerprint: 'A'.repeat(40),
          owner: 'alice@example.org',
          state: 'usable',
          because: null,
          expires: null,
          unused: 0,
        },
      ],
      stored: 1,
    },
    listeners: [{ name: 'lmtp', address: '127.0.0.1:10024', failure: null }],
    lookups: [{ name: 'virtual_alias', address: '127.0.0.1:4242', failure: null }],
    hops: [
      {
        name: 'next hop',
        address: 'smtp:127.0.0.1:10026',
        failure: null,
        protocol: 'smtp',
        size: 70_000_000,
        eightBit: true,
        xforward: true,
      },
    ],
    portal: {
      page: { name: 'portal', address: '127.0.0.1:9323', failure: null },
      outside: { name: 'https://keys.example.org', failure: null },
      imap: { name: 'imaps://127.0.0.1:993', failure: null },
      trustedSocket: { ...FILE, what: 'socket', path: '/run/sealpost/portal-proxy.sock', mode: 0o660 },
    },
    publishing: {
      served: true,
      domains: [
        {
          name: 'example.org',
          keyFile: null,
          policy: null,
          submission: null,
          key: { address: 'alice@example.org', failure: null },
        },
      ],
    },
    probe: {
      recipient: 'postmaster@example.org',
      reply: '250 2.0.0 Ok: queued as 4X',
      accepted: true,
      seen: 1,
    },
    postfixAnswer: { name: 'Postfix 3.10.2', failure: null },
    postfix: postfixOf(example),
    aliases: { entries: [{ from: 'root', target: 'operator@elsewhere.example' }], unread: [] },
    transports: { answers: [{ key: 'example.org', value: ':' }], unread: [] },
    duties: { known: new Set(), unread: [] },
    filters: { texts: [], unread: [] },
    sieve: {
      scripts: [{ path: '/home/a/.dovecot.sieve', text: 'if header :is "List-Id" "x" { keep; }' }],
      unread: [],
    },
  };
}

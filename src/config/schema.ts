// The schema of sealpost.toml. Every key has a default and a description; `sealpost config describe` prints both from here.
import { hostname } from 'node:os';
import { z } from 'zod';
import { noticesSchema } from './notices.ts';
import { settingsShape } from './settings.ts';
import { parseEndpoint } from './units.ts';
import {
  databaseUrl,
  endpoint,
  graceTime,
  hostName,
  isHostName,
  lifetime,
  listOf,
  network,
  nextHop,
  optionalDomain,
  optionalEndpoint,
  optionalLifetime,
  parsePath,
  size,
  timer,
} from './values.ts';

const filterListener = z.strictObject({
  name: z.string().min(1).optional().meta({
    description: 'for logs, and the FileDescriptorName of systemd socket activation; default: the protocol',
  }),
  protocol: z.enum(['lmtp', 'smtp']).meta({
    description: 'LMTP answers per recipient and is the recommended one',
  }),
  address: endpoint().meta({ description: 'host:port or unix:/path' }),
  mode: z
    .string({ error: 'expected an octal mode in quotes, such as "0660"' })
    .regex(/^0?[0-7]{3}$/, 'expected an octal mode in quotes, such as "0660"')
    .optional()
    .meta({ description: 'mode of a unix socket', example: '0660' }),
  group: z.string().min(1).optional().meta({ description: 'group of a unix socket', example: 'postfix' }),
  before_queue: z
    .boolean()
    .default(false)
    .meta({ description: 'the listener is an smtpd_proxy_filter: every step stays below 100 s' }),
  next_hop: nextHop().optional().meta({
    description: "where this listener's mail goes; default: filter.next_hop",
    example: 'smtp:127.0.0.1:10027',
  }),
});

const filter = z.strictObject({
  next_hop: nextHop().prefault('smtp:127.0.0.1:10026').meta({
    description:
      'where sealed and passed mail goes, unless a listener says otherwise: smtp:host:port, lmtp:host:port or lmtp:unix:/path',
  }),
  max_message_size: size().prefault('50MB').meta({ description: 'larger messages get 552 5.3.4' }),
  memory_budget: size().prefault('256MB').meta({
    description: 'message bytes in flight over all connections; beyond it 452 4.3.1',
  }),
  bare_newline: z.enum(['normalise', 'reject']).default('normalise').meta({
    description: 'bare CR and bare LF become CRLF, or the message gets 550 5.5.2',
  }),
  max_recipients: z.number().int().min(1).max(10_000).default(1000).meta({
    description: 'recipients per transaction; more get 452 4.5.3',
  }),
  max_connections: z.number().int().min(1).max(100_000).default(500).meta({
    description: 'client connections; more get 421',
  }),
  idle_timeout: timer().prefault('300s').meta({ description: 'a silent client is closed with 421' }),
  xforward_hosts: z.array(network()).default(['127.0.0.0/8', '::1']).meta({
    description: 'addresses that may send XFORWARD (unix sockets always may)',
  }),
  transaction_deadline: timer({ text: '600s', because: "Postfix's smtp_data_done_timeout" })
    .prefault('540s')
    .meta({ description: "from end of data to our reply; below Postfix's smtp_data_done_timeout (600 s)" }),
  before_queue_deadline: timer({ text: '100s', because: "Postfix's smtpd_proxy_timeout" })
    .prefault('90s')
    .meta({ description: 'the same on a before_queue listener' }),
  connect_timeout: timer()
    .prefault('30s')
    .meta({ description: 'to reach the next hop and read its greeting' }),
  command_timeout: timer().prefault('60s').meta({
    description: "the next hop's replies to MAIL, RCPT and DATA",
  }),
  next_hop_connections: z.number().int().min(1).max(1000).default(50).meta({
    description: 'open connections to each next hop at once',
  }),
  next_hop_idle: timer().prefault('30s').meta({
    description: 'an unused next-hop connection is closed after this',
  }),
  next_hop_max_age: timer().prefault('60s').meta({
    description:
      'and none is used for a further message after this: `postfix reload` changes nothing for one that is open',
  }),
  duplicate_lifetime: lifetime().prefault('6d').meta({
    description: "how long an accepted recipient is remembered; above Postfix's maximal_queue_lifetime (5 d)",
  }),
  max_received: z.number().int().min(1).max(10_000).default(50).meta({
    description: 'Received fields; more are a loop: 5.4.6',
  }),
  shutdown_grace: graceTime()
    .prefault('25s')
    .meta({ description: 'time for what is in flight after SIGTERM' }),
  listen: z
    .array(filterListener, { error: 'expected a list of tables, each under [[filter.listen]]' })
    .prefault([
      { name: 'lmtp', protocol: 'lmtp', address: '127.0.0.1:10024' },
      { name: 'smtp', protocol: 'smtp', address: '127.0.0.1:10025' },
    ])
    .meta({
      description: 'the listeners that Postfix talks to; the first one written here replaces both defaults',
    }),
});

const pipe = z.strictObject({
  standalone: z
    .boolean()
    .default(false)
    .meta({ description: 'do the work in the pipe process, without a running serve' }),
  reinject: z.enum(['next_hop', 'sendmail']).default('next_hop').meta({
    description: 'to filter.next_hop, or by sendmail -G -i',
  }),
  sendmail: z
    .string()
    .refine((path) => path.startsWith('/'), 'expected an absolute path such as "/usr/sbin/sendmail"')
    .default('/usr/sbin/sendmail')
    .meta({ description: "Postfix's sendmail(1)" }),
  deadline: timer({ text: '1000s', because: "Postfix's pipe_time_limit" })
    .prefault('900s')
    .meta({ description: "for one call; below Postfix's 1000 s (pipe_time_limit)" }),
});

const encryption = z.strictObject({
  encrypt: settingsShape.encrypt.prefault(true),
  style: settingsShape.style.default('mime'),
  subject: settingsShape.subject.default('keep'),
  header_policy: settingsShape.header_policy.default('no_confidentiality'),
  on_missing_key: settingsShape.on_missing_key.default('pass'),
  on_expired_key: settingsShape.on_expired_key.default('encrypt'),
  on_unusable_key: settingsShape.on_unusable_key.default('defer'),
  hide_key_ids: settingsShape.hide_key_ids.prefault(false),
  prefer: settingsShape.prefer.default('openpgp'),
  smime_cipher: settingsShape.smime_cipher.default('gcm'),
});

const database = z.strictObject({
  url: databaseUrl(true).default('embedded:').meta({
    description:
      'embedded: is a private PostgreSQL below state_dir; or postgres://... ($SEALPOST_DATABASE_URL and _FILE override it)',
  }),
  read_url: databaseUrl(false).optional().meta({
    description: 'a streaming replica for look-ups ($SEALPOST_DATABASE_READ_URL and _FILE override it)',
    example: 'postgres://sealpost@replica.example.org/sealpost',
  }),
  pool_size: z.number().int().min(1).max(1000).default(10).meta({
    description:
      'connections of the filter, and as many of the lookup daemons; `serve --workers` divides them, each worker has at least 2; one more of each listens for changes, and a receiver opens up to four for each spool',
  }),
  connect_timeout: timer().prefault('5s').meta({ description: 'to open a database connection' }),
  query_timeout: timer()
    .prefault('10s')
    .meta({ description: 'for one query; then it is a temporary failure' }),
});

const keys = z.strictObject({
  allow_sha1: z.boolean().default(false).meta({
    description: 'accept keys whose self-signatures are SHA-1 or MD5 only',
  }),
});

const smime = z.strictObject({
  trust: listOf('"system" or a PEM file of trusted authorities', parsePath).prefault('system').meta({
    description:
      'who may issue X.509 certificates: "system" (the machine\'s certificate authorities), a PEM file (relative to the folder of this file), or a list of them; "": nobody, every certificate needs key import --pin',
    example: '/etc/sealpost/our-ca.pem',
  }),
});

const mapAddress = (map: string) =>
  optionalEndpoint().meta({ description: `address of the ${map} map; empty: not offered` });

const tcpTables = z.strictObject({
  check_recipient: mapAddress('check_recipient').prefault('127.0.0.1:2244'),
  virtual_alias: mapAddress('virtual_alias').prefault('127.0.0.1:4242'),
  virtual_mailbox: mapAddress('virtual_mailbox').prefault(''),
  virtual_domains: mapAddress('virtual_domains').prefault(''),
  relay_domains: mapAddress('relay_domains').prefault(''),
  transport: mapAddress('transport').prefault(''),
  sender_login: mapAddress('sender_login').prefault(''),
  client_fingerprint: mapAddress('client_fingerprint').prefault('127.0.0.1:2424'),
});

const socketMode = () =>
  z
    .string({ error: 'expected an octal mode in quotes, such as "0660"' })
    .regex(/^0?[0-7]{3}$/, 'expected an octal mode in quotes, such as "0660"')
    .optional()
    .meta({
      description: 'mode of a unix socket; default: every local user may ask, as on a TCP port',
      example: '0660',
    });
const socketGroup = () =>
  z.string().min(1).optional().meta({ description: 'group of a unix socket', example: 'postfix' });

const policy = z.strictObject({
  tcp: tcpTables.prefault({}).meta({ description: 'tcp_table(5) lookups, one address per map' }),
  socketmap: z
    .strictObject({
      listen: optionalEndpoint().prefault('127.0.0.1:2525').meta({
        description: 'one address for every map, the map name is in the request; empty: off',
      }),
      mode: socketMode(),
      group: socketGroup(),
    })
    .prefault({})
    .meta({ description: 'socketmap_table(5) lookups' }),
  delegation: z
    .strictObject({
      listen: optionalEndpoint().prefault('127.0.0.1:2526').meta({
        description: 'address for check_policy_service; empty: off',
      }),
      mode: socketMode(),
      group: socketGroup(),
    })
    .prefault({})
    .meta({ description: 'Postfix policy delegation (SMTPD_POLICY_README)' }),
  stale_max: lifetime().prefault('1h').meta({
    description: 'while the database is away, cached answers are given for so long',
  }),
  cache_entries: z.number().int().min(1).max(10_000_000).default(50_000).meta({
    description: 'answers kept in memory, found or not, about 2 KB each',
  }),
  replica_lag: lifetime().prefault('10s').meta({
    description: 'after a change, database.url is asked for so long in place of database.read_url',
  }),
  propagate_extension: z.boolean().default(false).meta({
    description:
      "virtual_alias appends an extension that no entry has, as Postfix's own maps do: id_1+ext@...",
  }),
});

const receiver = z.strictObject({
  spool: listOf('a Maildir', parsePath).prefault([]).meta({
    description: 'a Maildir that Postfix delivers to, or a list of them',
    example: '/var/spool/sealpost/in',
  }),
  listen: listOf('an address such as "127.0.0.1:10034"', parseEndpoint)
    .prefault([])
    .meta({ description: 'LMTP into the queue; an address or a list of them', example: '127.0.0.1:10034' }),
  sweep_interval: timer()
    .prefault('60s')
    .meta({ description: 'how often the spool is read without being told' }),
  mode: socketMode(),
  group: socketGroup(),
  max_age: lifetime().prefault('5d').meta({ description: 'what could not be filed for so long is bounced' }),
  minimal_backoff: timer().prefault('30s').meta({
    description: 'a spool file that could not be filed waits so long, and twice as long after each attempt',
  }),
  maximal_backoff: timer().prefault('1h').meta({ description: 'and never longer than this' }),
  health_age: lifetime().prefault('1h').meta({
    description: '/readyz turns red when the oldest spool file has waited longer',
  }),
  retention: optionalLifetime().prefault('').meta({
    description: 'messages that nobody fetched for so long leave the queue; empty: never',
    example: '90d',
  }),
  api: z
    .strictObject({
      listen: optionalEndpoint().prefault('').meta({
        description: 'address of the HTTP interface; empty: off',
        example: '127.0.0.1:9322',
      }),
      trusted_proxies: z
        .array(network())
        .default([])
        .meta({
          description:
            'where X-Forwarded-For is believed: the proxy that speaks TLS (on a unix socket: whoever opens it)',
          example: ['127.0.0.1', '::1'],
        }),
      max_connections: z.number().int().min(1).max(100_000).default(1000).meta({
        description: 'open connections at most',
      }),
      max_events: z.number().int().min(1).max(1000).default(10).meta({
        description: 'event streams of one user at most',
      }),
      token_rate: z.number().int().min(1).max(10_000_000).default(6000).meta({
        description: 'requests a minute with one token; then 429',
      }),
      address_rate: z.number().int().min(1).max(10_000_000).default(12_000).meta({
        description: 'requests a minute from one address (IPv6: a /64), with or without a token; then 429',
      }),
      refused_rate: z.number().int().min(1).max(10_000_000).default(60).meta({
        description: 'refused tokens a minute from one address, answered 401; further ones 429',
      }),
    })
    .prefault({})
    .meta({ description: 'HTTP for `sealpost pull`' }),
});

const observe = z.strictObject({
  listen: optionalEndpoint().prefault('127.0.0.1:9321').meta({
    description: 'address of /metrics, /healthz, /readyz and /status; empty: off',
  }),
  log_level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info').meta({
    description: 'logs go to standard error, one JSON object a line',
  }),
});

/** os.hostname() may be anything; what cannot stand in a greeting or a header field is replaced. */
const ownName = isHostName(hostname()) ? hostname() : 'localhost';

/** systemd.exec(5), StateDirectory=: a service that is not root has its state where root's commands look for it. */
function defaultStateDir(): string {
  const [given = ''] = (process.env.STATE_DIRECTORY ?? '').split(':');
  if (given !== '') return given;
  return process.getuid?.() === 0 ? '/var/lib/sealpost' : './.sealpost';
}

/** The whole of sealpost.toml. Unknown keys are errors. */
export const configSchema = z.strictObject({
  hostname: hostName().default(ownName).meta({
    description: "our name in greetings, Sealpost-Status and bounces; default: the machine's own name",
    example: 'mx1.example.org',
  }),
  state_dir: z.string().min(1).default(defaultStateDir()).meta({
    description:
      'database and sockets; relative to the folder of this file; default: what systemd gives (StateDirectory=), else /var/lib/sealpost for root, ./.sealpost for others',
    example: '/var/lib/sealpost',
  }),
  recipient_delimiter: z
    .string()
    .max(4)
    .regex(/^[!-~]*$/, 'expected printable ASCII characters such as "+"')
    .regex(/^[^@"\\]*$/, 'expected characters other than "@", quote and backslash')
    // Postfix itself would take "id" for the user of id_12: no order of lookups here could undo that.
    .regex(
      /^[^_a-z0-9]*$/i,
      'expected characters other than "_", letters and digits, at which Postfix would split id addresses such as id_12',
    )
    .default('+')
    .meta({ description: "as Postfix's recipient_delimiter; empty: no extensions" }),
  mailbox_domain: optionalDomain().default('').meta({
    description: "appended to id_123; empty: the address's own domain",
  }),
  database: database.prefault({}).meta({ description: 'the one place of truth: PostgreSQL 14 or newer' }),
  filter: filter.prefault({}).meta({ description: 'the proxy filter (advanced content filter)' }),
  pipe: pipe.prefault({}).meta({ description: 'the pipe filter (simple content filter): sealpost-pipe' }),
  encryption: encryption.prefault({}).meta({
    description: 'global settings; domains and users override them, setting by setting',
  }),
  keys: keys.prefault({}).meta({ description: 'which keys are accepted' }),
  notices: noticesSchema.prefault({}).meta({
    description: 'mail to users and the administrator before a key expires; off unless administrator is set',
  }),
  smime: smime.prefault({}).meta({ description: 'which X.509 (S/MIME) certificates are accepted' }),
  policy: policy.prefault({}).meta({ description: 'the lookup daemons' }),
  receiver: receiver.prefault({}).meta({
    description: 'spool or LMTP into encrypted per-user queues; off unless a spool or a listener is named',
  }),
  observe: observe.prefault({}).meta({ description: 'logs, metrics and health' }),
});

/** The validated configuration: sizes in bytes, durations in milliseconds, addresses parsed. */
export type Config = z.output<typeof configSchema>;
export type FilterConfig = Config['filter'];
export type FilterListener = FilterConfig['listen'][number];
export type DatabaseConfig = Config['database'];
export type PolicyConfig = Config['policy'];
export type ReceiverConfig = Config['receiver'];

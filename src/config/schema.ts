// The schema of sealpost.toml. Every key has a default and a description; `sealpost config describe` prints both from here.
import { hostname } from 'node:os';
import { z } from 'zod';
import { settingsShape } from './settings.ts';
import { type Parsed, parseDuration, parseEndpoint, parseNextHop, parseSize } from './units.ts';

/** A string that one of the unit parsers turns into a typed value; the parser's sentence becomes the error. */
function parsedBy<T>(parse: (text: string) => Parsed<T>) {
  return z.union([z.string(), z.number()]).transform((input, context): T => {
    const parsed = parse(String(input));
    if (parsed.ok) return parsed.value;
    context.addIssue({ code: 'custom', message: `expected ${parsed.expected}`, input });
    return z.NEVER;
  });
}

const size = parsedBy(parseSize);
const duration = parsedBy(parseDuration);
const endpoint = parsedBy(parseEndpoint);
const nextHop = parsedBy(parseNextHop);

const filterListener = z.strictObject({
  name: z.string().min(1).optional().meta({
    description: 'for logs, and the FileDescriptorName of systemd socket activation; default: the protocol',
  }),
  protocol: z.enum(['lmtp', 'smtp']).meta({ description: 'LMTP answers per recipient and is the recommended one' }),
  address: endpoint.meta({ description: 'host:port or unix:/path' }),
  mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'expected an octal mode such as "0660"')
    .optional()
    .meta({ description: 'mode of a unix socket' }),
  group: z.string().optional().meta({ description: 'group of a unix socket' }),
  before_queue: z
    .boolean()
    .default(false)
    .meta({ description: 'the listener is an smtpd_proxy_filter: every step stays below 100 s' }),
});

const filter = z.strictObject({
  next_hop: nextHop.prefault('smtp:127.0.0.1:10026').meta({
    description: 'where sealed and passed mail goes: smtp:host:port, lmtp:host:port or lmtp:unix:/path',
  }),
  max_message_size: size.prefault('50MB').meta({ description: 'larger messages get 552 5.3.4' }),
  memory_budget: size.prefault('256MB').meta({
    description: 'message bytes in flight over all connections; beyond it 452 4.3.1',
  }),
  bare_newline: z.enum(['normalise', 'reject']).default('normalise').meta({
    description: 'bare CR and bare LF become CRLF, or the message gets 550 5.5.2',
  }),
  max_recipients: z.number().int().min(1).max(10_000).default(1000).meta({
    description: 'recipients per transaction; more get 452 4.5.3',
  }),
  max_connections: z.number().int().min(1).default(500).meta({ description: 'client connections; more get 421' }),
  idle_timeout: duration.prefault('300s').meta({ description: 'a silent client is closed with 421' }),
  xforward_hosts: z
    .array(z.string())
    .default(['127.0.0.0/8', '::1'])
    .meta({ description: 'addresses that may send XFORWARD (unix sockets always may)' }),
  transaction_deadline: duration.prefault('540s').meta({
    description: "from end of data to our reply; below Postfix's smtp_data_done_timeout (600 s)",
  }),
  before_queue_deadline: duration.prefault('90s').meta({ description: 'the same on a before_queue listener' }),
  connect_timeout: duration.prefault('30s').meta({ description: 'to reach the next hop and read its greeting' }),
  command_timeout: duration.prefault('60s').meta({ description: "the next hop's replies to MAIL, RCPT and DATA" }),
  next_hop_connections: z.number().int().min(1).max(1000).default(50).meta({
    description: 'open connections to the next hop at once',
  }),
  next_hop_idle: duration.prefault('30s').meta({ description: 'an unused next-hop connection is closed after this' }),
  duplicate_lifetime: duration.prefault('6d').meta({
    description: "how long an accepted recipient is remembered; above Postfix's maximal_queue_lifetime (5 d)",
  }),
  max_received: z.number().int().min(1).default(50).meta({ description: 'Received fields; more are a loop: 5.4.6' }),
  shutdown_grace: duration.prefault('25s').meta({ description: 'time for what is in flight after SIGTERM' }),
  listen: z
    .array(filterListener)
    .prefault([
      { name: 'lmtp', protocol: 'lmtp', address: '127.0.0.1:10024' },
      { name: 'smtp', protocol: 'smtp', address: '127.0.0.1:10025' },
    ])
    .meta({ description: 'the listeners that Postfix talks to' }),
});

const pipe = z.strictObject({
  standalone: z
    .boolean()
    .default(false)
    .meta({ description: 'do the work in the pipe process, without a running serve' }),
  reinject: z.enum(['next_hop', 'sendmail']).default('next_hop').meta({
    description: 'to filter.next_hop, or by sendmail -G -i',
  }),
  sendmail: z.string().default('/usr/sbin/sendmail').meta({ description: "Postfix's sendmail(1)" }),
  deadline: duration.prefault('900s').meta({ description: "below Postfix's 1000 s (pipe_time_limit)" }),
});

const encryption = z.strictObject({
  encrypt: settingsShape.encrypt.default(true),
  style: settingsShape.style.default('mime'),
  subject: settingsShape.subject.default('keep'),
  on_missing_key: settingsShape.on_missing_key.default('pass'),
  on_expired_key: settingsShape.on_expired_key.default('encrypt'),
  on_unusable_key: settingsShape.on_unusable_key.default('defer'),
  hide_key_ids: settingsShape.hide_key_ids.default(false),
});

const database = z.strictObject({
  url: z
    .string()
    .regex(/^(embedded:|postgres(ql)?:\/\/)/, 'expected "embedded:" or "postgres://user@host/name"')
    .default('embedded:')
    .meta({ description: 'embedded: runs a private PostgreSQL below state_dir' }),
  read_url: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'expected "postgres://user@host/name"')
    .optional()
    .meta({ description: 'a streaming replica for look-ups' }),
  pool_size: z.number().int().min(1).max(1000).default(10).meta({ description: 'connections per process' }),
  connect_timeout: duration.prefault('5s').meta({ description: 'to open a database connection' }),
  query_timeout: duration.prefault('10s').meta({ description: 'for one query; then it is a temporary failure' }),
});

const keys = z.strictObject({
  allow_sha1: z.boolean().default(false).meta({ description: 'accept keys whose self-signatures are SHA-1 or MD5 only' }),
});

const observe = z.strictObject({
  listen: endpoint.prefault('127.0.0.1:9321').meta({ description: '/metrics, /healthz and /readyz' }),
  log_level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info').meta({
    description: 'logs go to standard error, one JSON object a line',
  }),
});

/** The whole of sealpost.toml. Unknown keys are errors. */
export const configSchema = z.strictObject({
  hostname: z
    .string()
    .min(1)
    .default(hostname())
    .meta({ description: 'our name in greetings, Sealpost-Status and bounces' }),
  state_dir: z
    .string()
    .min(1)
    .default(process.getuid?.() === 0 ? '/var/lib/sealpost' : './.sealpost')
    .meta({ description: 'database and sockets; relative to the configuration file' }),
  recipient_delimiter: z.string().max(4).default('+').meta({ description: "as Postfix's recipient_delimiter" }),
  mailbox_domain: z.string().default('').meta({
    description: "appended to id_123; empty: the address's own domain",
  }),
  database: database.prefault({}),
  filter: filter.prefault({}),
  pipe: pipe.prefault({}),
  encryption: encryption.prefault({}),
  keys: keys.prefault({}),
  observe: observe.prefault({}),
});

/** The validated configuration: sizes in bytes, durations in milliseconds, addresses parsed. */
export type Config = z.output<typeof configSchema>;
export type FilterConfig = Config['filter'];
export type FilterListener = FilterConfig['listen'][number];
export type DatabaseConfig = Config['database'];

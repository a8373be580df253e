// The schema of sealpost.toml, its larger sections from files of their own. Every key has a default and a description, from
// which `sealpost config describe` prints both.
import { hostname } from 'node:os';
import * as z from 'zod';
import { encryptionSchema } from './encryption.ts';
import { filterSchema, pipeSchema } from './filter.ts';
import { noticesSchema } from './notices.ts';
import { policySchema } from './policy.ts';
import { portalSchema } from './portal.ts';
import { postfixSchema } from './postfix.ts';
import { receiverSchema } from './receiver.ts';
import { syncSchema } from './sync.ts';
import {
  databaseUrl,
  hostName,
  hostNames,
  isHostName,
  keepTime,
  listOf,
  optionalDomain,
  optionalEndpoint,
  parseFilePath,
  timer,
  wholeNumber,
} from './values.ts';

const database = z.strictObject({
  url: databaseUrl(true).default('embedded:').register(z.globalRegistry, {
    description:
      'embedded: is a private PostgreSQL below state_dir; or postgres://..., several hosts as libpq takes them: postgres://db1:5432,db2:5432/sealpost ($SEALPOST_DATABASE_URL and _FILE override it)',
  }),
  read_url: databaseUrl(false).optional().register(z.globalRegistry, {
    description: 'a streaming replica for look-ups ($SEALPOST_DATABASE_READ_URL and _FILE override it)',
    example: 'postgres://sealpost@replica.example.org/sealpost',
  }),
  listen_url: databaseUrl(false).optional().register(z.globalRegistry, {
    description:
      'the server of url without the pooler that lies before it, for change notifications, which a pooler in transaction mode loses ($SEALPOST_DATABASE_LISTEN_URL and _FILE override it)',
    example: 'postgres://sealpost@db.example.org/sealpost',
  }),
  pool_size: wholeNumber(1, 1000).default(10).register(z.globalRegistry, {
    description:
      'connections of the filter, and as many of the lookup daemons; `serve --workers` divides them, each worker has at least 2; one more of each listens for changes, and a receiver opens up to four for each spool',
  }),
  connect_timeout: timer().prefault('5s').register(z.globalRegistry, {
    description: 'to open a database connection; with several hosts, for all of them together',
  }),
  connection_max_age: timer().prefault('10m').register(z.globalRegistry, {
    description:
      'how long a connection is used at most: after a failover an old one may still lead to the old server',
  }),
  query_timeout: timer()
    .prefault('10s')
    .register(z.globalRegistry, { description: 'for one query; then it is a temporary failure' }),
});

const keys = z.strictObject({
  allow_sha1: z.boolean().default(false).register(z.globalRegistry, {
    description: 'accept keys whose self-signatures are SHA-1 or MD5 only',
  }),
});

const smime = z.strictObject({
  trust: listOf('"system" or a PEM file of trusted authorities', parseFilePath)
    .prefault('system')
    .register(z.globalRegistry, {
      description:
        'who may issue X.509 certificates: "system" (the machine\'s certificate authorities), a PEM file (relative to the folder of this file), or a list of them; "": nobody, every certificate needs key import --pin',
      example: '/etc/sealpost/our-ca.pem',
    }),
});

const observe = z.strictObject({
  listen: optionalEndpoint().prefault('127.0.0.1:9321').register(z.globalRegistry, {
    description:
      'address of the page that shows how things stand, and of /metrics, /healthz, /readyz and /status; empty: off',
  }),
  hosts: hostNames().register(z.globalRegistry, {
    description:
      'names by which it is asked beside our own, localhost and IP addresses; requests for other hosts get 421',
    example: ['metrics.example.org'],
  }),
  log_level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .register(z.globalRegistry, {
      description: 'what is less important than this is not logged',
    }),
});

const log = z.strictObject({
  format: z.enum(['json', 'text']).default('json').register(z.globalRegistry, {
    description: 'one JSON object a line, or a line for people; both on standard error',
  }),
  addresses: z.enum(['own', 'hmac', 'none']).default('own').register(z.globalRegistry, {
    description:
      'recipients in the log: those of our domains as they are and others as pseudonyms, all as pseudonyms, or none',
  }),
});

const trace = z.strictObject({
  keep: keepTime().prefault('14d').register(z.globalRegistry, {
    description: 'how long "sealpost trace" can tell what became of a message; "0" keeps nothing',
    example: '30d',
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
  hostname: hostName().default(ownName).register(z.globalRegistry, {
    description: "our name in greetings, Sealpost-Status and bounces; default: the machine's own name",
    example: 'mx1.example.org',
  }),
  state_dir: z.string().min(1).default(defaultStateDir()).register(z.globalRegistry, {
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
    .register(z.globalRegistry, { description: "as Postfix's recipient_delimiter; empty: no extensions" }),
  mailbox_domain: optionalDomain().default('').register(z.globalRegistry, {
    description: "appended to id_123; empty: the address's own domain",
  }),
  database: database
    .prefault({})
    .register(z.globalRegistry, { description: 'the one place of truth: PostgreSQL 14 or newer' }),
  postfix: postfixSchema.prefault({}).register(z.globalRegistry, {
    description: "how main.cf has Postfix read addresses; the defaults are Postfix's own",
  }),
  filter: filterSchema
    .prefault({})
    .register(z.globalRegistry, { description: 'the proxy filter (advanced content filter)' }),
  pipe: pipeSchema
    .prefault({})
    .register(z.globalRegistry, { description: 'the pipe filter (simple content filter): sealpost-pipe' }),
  encryption: encryptionSchema.prefault({}).register(z.globalRegistry, {
    description: 'global settings; domains and users override them, setting by setting',
  }),
  keys: keys.prefault({}).register(z.globalRegistry, { description: 'which keys are accepted' }),
  notices: noticesSchema.prefault({}).register(z.globalRegistry, {
    description: 'mail to users and the administrator before a key expires; off unless administrator is set',
  }),
  smime: smime
    .prefault({})
    .register(z.globalRegistry, { description: 'which X.509 (S/MIME) certificates are accepted' }),
  policy: policySchema.prefault({}).register(z.globalRegistry, { description: 'the lookup daemons' }),
  receiver: receiverSchema.prefault({}).register(z.globalRegistry, {
    description: 'spool or LMTP into encrypted per-user queues; off unless a spool or a listener is named',
  }),
  portal: portalSchema.prefault({}).register(z.globalRegistry, {
    description: 'where users hand over their keys themselves; off unless listen is set',
  }),
  sync: syncSchema.register(z.globalRegistry, {
    description:
      'panels to follow, each as [[sync]] with source ("postfixadmin" or "mailcow"), url, every ("5m") and remove (false); see "sealpost sync --help"',
  }),
  observe: observe.prefault({}).register(z.globalRegistry, { description: 'logs, metrics and health' }),
  log: log
    .prefault({})
    .register(z.globalRegistry, { description: 'how the log is written, and whom it names' }),
  trace: trace
    .prefault({})
    .register(z.globalRegistry, { description: 'what became of each message, kept in the database' }),
});

/**
 * Validates what a document says. Interpreted: zod would compile a parser for each table when it is first used, which costs more
 * than the one parsing that a command does.
 */
export function parseConfig(document: unknown): z.ZodSafeParseResult<Config> {
  return configSchema.safeParse(document, { jitless: true });
}

/** The validated configuration: sizes in bytes, durations in milliseconds, addresses parsed. */
export type Config = z.output<typeof configSchema>;
export type FilterConfig = Config['filter'];
export type FilterListener = FilterConfig['listen'][number];
export type DatabaseConfig = Config['database'];
export type PolicyConfig = Config['policy'];
export type ReceiverConfig = Config['receiver'];

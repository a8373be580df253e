// [filter] and [pipe]: the two filters that Postfix talks to. Sizes and times as in values.ts.
import * as z from 'zod';
import {
  endpoint,
  graceTime,
  lifetime,
  network,
  nextHop,
  size,
  socketGroup,
  socketMode,
  timer,
  wholeNumber,
} from './values.ts';

const filterListener = z.strictObject({
  name: z.string().min(1).optional().register(z.globalRegistry, {
    description: 'for logs, and the FileDescriptorName of systemd socket activation; default: the protocol',
  }),
  protocol: z.enum(['lmtp', 'smtp']).register(z.globalRegistry, {
    description: 'LMTP answers per recipient and is the recommended one',
  }),
  address: endpoint().register(z.globalRegistry, { description: 'host:port or unix:/path' }),
  mode: socketMode('mode of a unix socket'),
  group: socketGroup(),
  before_queue: z.boolean().default(false).register(z.globalRegistry, {
    description: 'the listener is an smtpd_proxy_filter: every step stays below 100 s',
  }),
  next_hop: nextHop().optional().register(z.globalRegistry, {
    description: "where this listener's mail goes; default: filter.next_hop",
    example: 'smtp:127.0.0.1:10027',
  }),
});

export const filterSchema = z.strictObject({
  next_hop: nextHop().prefault('smtp:127.0.0.1:10026').register(z.globalRegistry, {
    description:
      'where sealed and passed mail goes, unless a listener says otherwise: smtp:host:port, lmtp:host:port or lmtp:unix:/path',
  }),
  max_message_size: size()
    .prefault('50MB')
    .register(z.globalRegistry, { description: 'larger messages get 552 5.3.4' }),
  memory_budget: size().prefault('256MB').register(z.globalRegistry, {
    description: 'message bytes in flight over all connections; beyond it 452 4.3.1',
  }),
  bare_newline: z.enum(['normalise', 'reject']).default('normalise').register(z.globalRegistry, {
    description: 'bare CR and bare LF become CRLF, or the message gets 550 5.5.2',
  }),
  max_recipients: wholeNumber(1, 10_000).default(1000).register(z.globalRegistry, {
    description: 'recipients per transaction; more get 452 4.5.3',
  }),
  max_connections: wholeNumber(1, 100_000).default(500).register(z.globalRegistry, {
    description: 'client connections; more get 421',
  }),
  idle_timeout: timer()
    .prefault('300s')
    .register(z.globalRegistry, { description: 'a silent client is closed with 421' }),
  xforward_hosts: z.array(network()).default(['127.0.0.0/8', '::1']).register(z.globalRegistry, {
    description: 'addresses that may send XFORWARD (unix sockets always may)',
  }),
  transaction_deadline: timer({ text: '600s', because: "Postfix's smtp_data_done_timeout" })
    .prefault('540s')
    .register(z.globalRegistry, {
      description: "from end of data to our reply; below Postfix's smtp_data_done_timeout (600 s)",
    }),
  before_queue_deadline: timer({ text: '100s', because: "Postfix's smtpd_proxy_timeout" })
    .prefault('90s')
    .register(z.globalRegistry, { description: 'the same on a before_queue listener' }),
  connect_timeout: timer()
    .prefault('30s')
    .register(z.globalRegistry, { description: 'to reach the next hop and read its greeting' }),
  command_timeout: timer().prefault('60s').register(z.globalRegistry, {
    description: "the next hop's replies to MAIL, RCPT and DATA",
  }),
  next_hop_connections: wholeNumber(1, 1000).default(50).register(z.globalRegistry, {
    description: 'open connections to each next hop at once',
  }),
  next_hop_idle: timer().prefault('30s').register(z.globalRegistry, {
    description: 'an unused next-hop connection is closed after this',
  }),
  next_hop_max_age: timer().prefault('60s').register(z.globalRegistry, {
    description:
      'and none is used for a further message after this: `postfix reload` changes nothing for one that is open',
  }),
  duplicate_lifetime: lifetime().prefault('6d').register(z.globalRegistry, {
    description: "how long an accepted recipient is remembered; above Postfix's maximal_queue_lifetime (5 d)",
  }),
  claim_lease: timer().prefault('30s').register(z.globalRegistry, {
    description:
      'where several nodes deliver from one database: how long what one has in hand is left to it after it was last heard of',
  }),
  max_received: wholeNumber(1, 10_000).default(50).register(z.globalRegistry, {
    description: 'Received fields; more are a loop: 5.4.6',
  }),
  shutdown_grace: graceTime()
    .prefault('25s')
    .register(z.globalRegistry, { description: 'time for what is in flight after SIGTERM' }),
  listen: z
    .array(filterListener, { error: 'expected a list of tables, each under [[filter.listen]]' })
    .prefault([
      { name: 'lmtp', protocol: 'lmtp', address: '127.0.0.1:10024' },
      { name: 'smtp', protocol: 'smtp', address: '127.0.0.1:10025' },
    ])
    .register(z.globalRegistry, {
      description: 'the listeners that Postfix talks to; the first one written here replaces both defaults',
    }),
});

export const pipeSchema = z.strictObject({
  standalone: z
    .boolean()
    .default(false)
    .register(z.globalRegistry, { description: 'do the work in the pipe process, without a running serve' }),
  reinject: z.enum(['next_hop', 'sendmail']).default('next_hop').register(z.globalRegistry, {
    description: 'to filter.next_hop, or by sendmail -G -i',
  }),
  sendmail: z
    .string()
    .refine((path) => path.startsWith('/'), 'expected an absolute path such as "/usr/sbin/sendmail"')
    .default('/usr/sbin/sendmail')
    .register(z.globalRegistry, { description: "Postfix's sendmail(1)" }),
  deadline: timer({ text: '1000s', because: "Postfix's pipe_time_limit" })
    .prefault('900s')
    .register(z.globalRegistry, { description: "for one call; below Postfix's 1000 s (pipe_time_limit)" }),
});

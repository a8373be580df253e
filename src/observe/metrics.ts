// The metrics of one process, in a registry of its own: names, labels and what each of them counts.
import { collectDefaultMetrics, Registry } from 'prom-client';
import { counter, gauge, histogram, type Registers } from './metric-kinds.ts';
import { ofStanding } from './standing-metrics.ts';

/** Encrypting 4 KB takes about a millisecond, 50 MB some seconds. */
const SEAL_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** A transaction ends before Postfix's 600 s. */
const TRANSACTION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

/** A cached lookup takes microseconds; 5 s is the longest that one may take. */
const LOOKUP_BUCKETS = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1, 5,
];

/**
 * Milliseconds between two samples of the event loop. What nodejs_eventloop_lag_*_seconds tell is the time from one sample to
 * the next: of a process that has nothing to do, just this.
 */
export const EVENT_LOOP_SAMPLING_MS = 10;

/** From Postfix through the filter to the next hop. */
function ofDelivery(registers: Registers) {
  return {
    messages: counter(
      registers,
      'sealpost_messages_total',
      'Final replies to Postfix, one per recipient on LMTP, by listener and outcome',
      'listener',
      'outcome',
    ),
    copies: counter(
      registers,
      'sealpost_copies_total',
      "Recipients' copies by action (seal, pass, take, defer, reject) and reason",
      'action',
      'because',
    ),
    plaintextByChoice: counter(
      registers,
      'sealpost_plaintext_by_choice_total',
      'Copies that passed in plaintext although a key exists, because a setting says so',
      'because',
    ),
    plaintextUnknown: counter(
      registers,
      'sealpost_plaintext_unknown_address_total',
      'Copies that passed in plaintext to an address that nobody has, in a domain of ours or at a name of this machine',
    ),
    // In a worker or in this process.
    sealSeconds: histogram(
      registers,
      'sealpost_seal_seconds',
      'Seconds to build and encrypt one copy',
      SEAL_BUCKETS,
    ),
    transactionSeconds: histogram(
      registers,
      'sealpost_transaction_seconds',
      'Seconds from the end of data to our reply',
      TRANSACTION_BUCKETS,
    ),
    nextHopReplies: counter(
      registers,
      'sealpost_next_hop_replies_total',
      "The next hop's final replies, one per recipient, by class",
      'class',
    ),
    duplicatesSuppressed: counter(
      registers,
      'sealpost_duplicates_suppressed_total',
      'Recipients that a retry did not send again',
    ),
    events: counter(
      registers,
      'sealpost_events_total',
      'What became of messages, one per recipient, by event (docs/log-events.md)',
      'event',
    ),
    outcomes: counter(
      registers,
      'sealpost_outcomes_total',
      'What became of messages, one per recipient, by the listener that they came in by (spool: a file of the receiver) and event',
      'listener',
      'event',
    ),
    eventsLost: counter(
      registers,
      'sealpost_events_lost_total',
      'Events that could not be written: "sealpost trace" lacks them',
    ),
    bytesInFlight: gauge(
      registers,
      'sealpost_bytes_in_flight',
      'Message bytes that filter.memory_budget bounds',
    ),
    connections: gauge(registers, 'sealpost_connections', 'Open client connections by listener', 'listener'),
  };
}

/** Who is behind an address, and what is said to people about their keys. */
function ofDirectory(registers: Registers) {
  return {
    // hit: from the cache; miss: from the database; error: in vain.
    directoryLookups: counter(
      registers,
      'sealpost_directory_lookups_total',
      'Recipient look-ups by result (hit, miss, error)',
      'result',
    ),
    keyNotices: counter(
      registers,
      'sealpost_key_notices_total',
      'Mails about keys that expire, by reader (user, administrator) and outcome (sent, postponed, refused)',
      'audience',
      'outcome',
    ),
  };
}

/** The lookup daemons. */
function ofLookups(registers: Registers) {
  return {
    lookups: counter(
      registers,
      'sealpost_lookups_total',
      'Answers of the lookup daemons by map, protocol and result (found, not found, temporary)',
      'map',
      'protocol',
      'result',
    ),
    lookupSeconds: histogram(
      registers,
      'sealpost_lookup_seconds',
      'Seconds from a lookup request to its answer, by map',
      LOOKUP_BUCKETS,
      'map',
    ),
    // error: the facts could not be read.
    lookupCache: counter(
      registers,
      'sealpost_lookup_cache_total',
      'Where the facts of a lookup came from: hit, miss, merged, stale, or error',
      'result',
    ),
    lookupErrors: counter(
      registers,
      'sealpost_lookup_malformed_total',
      'Lookup requests that could not be read, by protocol',
      'protocol',
    ),
    lookupConnectionsRefused: counter(
      registers,
      'sealpost_lookup_connections_refused_total',
      'Connections to the lookup daemons beyond policy.max_connections, by listener',
      'listener',
    ),
  };
}

/** The receiver: from the spool into the queue, and out of it by its HTTP interface. */
function ofReceiver(registers: Registers) {
  return {
    receiverFiled: counter(
      registers,
      'sealpost_receiver_filed_total',
      'Sealed copies committed to the queue, by source (spool, lmtp)',
      'source',
    ),
    receiverRetried: counter(
      registers,
      'sealpost_receiver_retried_total',
      'Attempts in vain to file a spool file that will be repeated, by reason',
      'because',
    ),
    receiverFailed: counter(
      registers,
      'sealpost_receiver_failed_total',
      'Spool files set aside in failed/, by reason',
      'because',
    ),
    receiverBounced: counter(
      registers,
      'sealpost_receiver_bounced_total',
      'Spool files returned to their senders, by reason',
      'because',
    ),
    spoolFiles: gauge(registers, 'sealpost_receiver_spool_files', 'Files that wait in the spools'),
    spoolOldest: gauge(
      registers,
      'sealpost_receiver_spool_oldest_seconds',
      'Seconds that the oldest spool file has waited',
    ),
    queueMessages: gauge(
      registers,
      'sealpost_queue_messages',
      "Messages in the queue, waiting for their users' clients",
    ),
    queueBytes: gauge(
      registers,
      'sealpost_queue_bytes',
      "Bytes in the queue, waiting for their users' clients",
    ),
    queueOldest: gauge(
      registers,
      'sealpost_queue_oldest_seconds',
      'Seconds that the oldest message has been in the queue',
    ),
    apiRequests: counter(
      registers,
      'sealpost_api_requests_total',
      'Answers of the HTTP interface of the queue by route and status',
      'route',
      'status',
    ),
  };
}

/** Every metric that the programs count, by the name under which the code uses it. */
export type Metrics = Readonly<
  {
    /** Holds all of them; `registry.metrics()` is the text of /metrics. */
    registry: Registry;
  } & ReturnType<typeof ofDelivery> &
    ReturnType<typeof ofDirectory> &
    ReturnType<typeof ofLookups> &
    ReturnType<typeof ofReceiver> &
    ReturnType<typeof ofStanding>
>;

/**
 * Makes a registry and its metrics; nothing is global, so that several may live in one process.
 * @param options `processMetrics: false` leaves out memory, CPU and event loop of this process (for short-lived programs)
 */
export function createMetrics(options: { readonly processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.processMetrics !== false)
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLING_MS });
  const metrics = {
    registry,
    ...ofDelivery(registers),
    ...ofDirectory(registers),
    ...ofLookups(registers),
    ...ofReceiver(registers),
    ...ofStanding(registers),
  };
  // The first of what is seldom must be seen as an increase from 0.
  for (const because of ['rule', 'key expired', 'key unusable'])
    metrics.plaintextByChoice.inc({ because }, 0);
  for (const audience of ['user', 'administrator'])
    metrics.keyNotices.inc({ audience, outcome: 'refused' }, 0);
  return metrics;
}

// The metrics of one process, in a registry of its own: names, labels and what each of them counts.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Every metric that the programs count, by the name under which the code uses it. */
export interface Metrics {
  /** Holds all of them; `registry.metrics()` is the text of /metrics. */
  readonly registry: Registry;
  /** sealpost_messages_total: final replies to Postfix, one per recipient on LMTP, by listener and reply class. */
  readonly messages: Counter<'listener' | 'outcome'>;
  /** sealpost_copies_total: recipients' copies, by what the plan decided for them and why. */
  readonly copies: Counter<'action' | 'because'>;
  /** sealpost_seal_seconds: time to build and encrypt one copy, in the worker or in the process. */
  readonly sealSeconds: Histogram;
  /** sealpost_transaction_seconds: from the end of data to our reply. */
  readonly transactionSeconds: Histogram;
  /** sealpost_next_hop_replies_total: the next hop's final replies, one per recipient, by class. */
  readonly nextHopReplies: Counter<'class'>;
  /** sealpost_bytes_in_flight: message bytes that filter.memory_budget bounds. */
  readonly bytesInFlight: Gauge;
  /** sealpost_connections: client connections that are open now, by listener. */
  readonly connections: Gauge<'listener'>;
  /** sealpost_duplicates_suppressed_total: recipients that a retry did not send again. */
  readonly duplicatesSuppressed: Counter;
  /** sealpost_plaintext_by_choice_total: copies that passed in plaintext though a key exists, by setting (expired, unusable). */
  readonly plaintextByChoice: Counter<'because'>;
  /** sealpost_key_notices_total: mails about keys that expire, by reader and outcome (sent, postponed, refused). */
  readonly keyNotices: Counter<'audience' | 'outcome'>;
  /** sealpost_directory_lookups_total: recipients looked up: from the cache (hit), the database (miss), or in vain (error). */
  readonly directoryLookups: Counter<'result'>;
  /** sealpost_lookups_total: answers of the lookup daemons, by map, protocol and result (found, not found, temporary). */
  readonly lookups: Counter<'map' | 'protocol' | 'result'>;
  /** sealpost_lookup_seconds: from a request to its answer, by map. */
  readonly lookupSeconds: Histogram<'map'>;
  /** sealpost_lookup_cache_total: where facts came from (hit, miss, merged, stale), or that they could not be read (error). */
  readonly lookupCache: Counter<'result'>;
  /** sealpost_lookup_malformed_total: requests that could not be read, by protocol. */
  readonly lookupErrors: Counter<'protocol'>;
  /** sealpost_api_requests_total: answers of the HTTP interface of the queue, by route and status. */
  readonly apiRequests: Counter<'route' | 'status'>;
  /** sealpost_receiver_filed_total: sealed copies that were committed to the queue, by source (spool, lmtp). */
  readonly receiverFiled: Counter<'source'>;
  /** sealpost_receiver_retried_total: attempts in vain that will be repeated, by reason. */
  readonly receiverRetried: Counter<'because'>;
  /** sealpost_receiver_failed_total: spool files that were set aside in failed/, by reason. */
  readonly receiverFailed: Counter<'because'>;
  /** sealpost_receiver_bounced_total: spool files that were returned to their senders, by reason. */
  readonly receiverBounced: Counter<'because'>;
  /** sealpost_receiver_spool_files: files that wait in the spools. */
  readonly spoolFiles: Gauge;
  /** sealpost_receiver_spool_oldest_seconds: how long the oldest of them has waited. */
  readonly spoolOldest: Gauge;
  /** sealpost_queue_messages, sealpost_queue_bytes: what waits in the queue for its users' clients. */
  readonly queueMessages: Gauge;
  readonly queueBytes: Gauge;
  /** sealpost_queue_oldest_seconds: how long the oldest message has been there. */
  readonly queueOldest: Gauge;
}

/** Encrypting 4 KB takes about a millisecond, 50 MB some seconds. */
const SEAL_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** A transaction ends before Postfix's 600 s. */
const TRANSACTION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

/** A cached lookup takes microseconds; 5 s is what policy.md promises at most. */
const LOOKUP_BUCKETS = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1, 5,
];

/**
 * Milliseconds between two samples of the event loop. What nodejs_eventloop_lag_*_seconds tell is the time from one sample to
 * the next: of a process that has nothing to do, just this.
 */
export const EVENT_LOOP_SAMPLING_MS = 10;

/**
 * Makes a registry and its metrics; nothing is global, so that several may live in one process.
 * @param options `processMetrics: false` leaves out memory, CPU and event loop of this process (for short-lived programs)
 */
export function createMetrics(options: { readonly processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.processMetrics !== false)
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLING_MS });
  return {
    registry,
    messages: new Counter({
      name: 'sealpost_messages_total',
      help: 'Final replies to Postfix, one per recipient on LMTP, by listener and outcome',
      labelNames: ['listener', 'outcome'],
      registers,
    }),
    copies: new Counter({
      name: 'sealpost_copies_total',
      help: "Recipients' copies by action (seal, pass, defer, reject) and reason",
      labelNames: ['action', 'because'],
      registers,
    }),
    sealSeconds: new Histogram({
      name: 'sealpost_seal_seconds',
      help: 'Seconds to build and encrypt one copy',
      buckets: SEAL_BUCKETS,
      registers,
    }),
    transactionSeconds: new Histogram({
      name: 'sealpost_transaction_seconds',
      help: 'Seconds from the end of data to our reply',
      buckets: TRANSACTION_BUCKETS,
      registers,
    }),
    nextHopReplies: new Counter({
      name: 'sealpost_next_hop_replies_total',
      help: "The next hop's final replies, one per recipient, by class",
      labelNames: ['class'],
      registers,
    }),
    bytesInFlight: new Gauge({
      name: 'sealpost_bytes_in_flight',
      help: 'Message bytes that filter.memory_budget bounds',
      registers,
    }),
    connections: new Gauge({
      name: 'sealpost_connections',
      help: 'Open client connections by listener',
      labelNames: ['listener'],
      registers,
    }),
    duplicatesSuppressed: new Counter({
      name: 'sealpost_duplicates_suppressed_total',
      help: 'Recipients that a retry did not send again',
      registers,
    }),
    plaintextByChoice: new Counter({
      name: 'sealpost_plaintext_by_choice_total',
      help: 'Copies that passed in plaintext although a key exists, because a setting says so',
      labelNames: ['because'],
      registers,
    }),
    keyNotices: new Counter({
      name: 'sealpost_key_notices_total',
      help: 'Mails about keys that expire, by reader (user, administrator) and outcome (sent, postponed, refused)',
      labelNames: ['audience', 'outcome'],
      registers,
    }),
    directoryLookups: new Counter({
      name: 'sealpost_directory_lookups_total',
      help: 'Recipient look-ups by result (hit, miss, error)',
      labelNames: ['result'],
      registers,
    }),
    lookups: new Counter({
      name: 'sealpost_lookups_total',
      help: 'Answers of the lookup daemons by map, protocol and result (found, not found, temporary)',
      labelNames: ['map', 'protocol', 'result'],
      registers,
    }),
    lookupSeconds: new Histogram({
      name: 'sealpost_lookup_seconds',
      help: 'Seconds from a lookup request to its answer, by map',
      labelNames: ['map'],
      buckets: LOOKUP_BUCKETS,
      registers,
    }),
    lookupCache: new Counter({
      name: 'sealpost_lookup_cache_total',
      help: 'Where the facts of a lookup came from: hit, miss, merged, stale, or error',
      labelNames: ['result'],
      registers,
    }),
    apiRequests: new Counter({
      name: 'sealpost_api_requests_total',
      help: 'Answers of the HTTP interface of the queue by route and status',
      labelNames: ['route', 'status'],
      registers,
    }),
    lookupErrors: new Counter({
      name: 'sealpost_lookup_malformed_total',
      help: 'Lookup requests that could not be read, by protocol',
      labelNames: ['protocol'],
      registers,
    }),
    receiverFiled: new Counter({
      name: 'sealpost_receiver_filed_total',
      help: 'Sealed copies committed to the queue, by source (spool, lmtp)',
      labelNames: ['source'],
      registers,
    }),
    receiverRetried: new Counter({
      name: 'sealpost_receiver_retried_total',
      help: 'Attempts in vain to file a spool file that will be repeated, by reason',
      labelNames: ['because'],
      registers,
    }),
    receiverFailed: new Counter({
      name: 'sealpost_receiver_failed_total',
      help: 'Spool files set aside in failed/, by reason',
      labelNames: ['because'],
      registers,
    }),
    receiverBounced: new Counter({
      name: 'sealpost_receiver_bounced_total',
      help: 'Spool files returned to their senders, by reason',
      labelNames: ['because'],
      registers,
    }),
    spoolFiles: new Gauge({
      name: 'sealpost_receiver_spool_files',
      help: 'Files that wait in the spools',
      registers,
    }),
    spoolOldest: new Gauge({
      name: 'sealpost_receiver_spool_oldest_seconds',
      help: 'Seconds that the oldest spool file has waited',
      registers,
    }),
    queueMessages: new Gauge({
      name: 'sealpost_queue_messages',
      help: "Messages in the queue, waiting for their users' clients",
      registers,
    }),
    queueBytes: new Gauge({
      name: 'sealpost_queue_bytes',
      help: "Bytes in the queue, waiting for their users' clients",
      registers,
    }),
    queueOldest: new Gauge({
      name: 'sealpost_queue_oldest_seconds',
      help: 'Seconds that the oldest message has been in the queue',
      registers,
    }),
  };
}

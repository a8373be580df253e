// What one of several processes may use of the limits that sealpost.toml gives for the whole serve.
import type { Config } from '../config/schema.ts';

/** A transaction may ask the directory while the memory of deliveries is written. */
const LEAST_POOL = 2;

/**
 * The configuration of one of `workers` processes: memory, connections, next-hop connections and database connections are
 * divided among them. The memory is never less than one message of the largest size takes: else such a message would be
 * taken only by a worker that has nothing else to do. What only one worker runs (the receiver) is not divided: give it the
 * whole configuration.
 */
export function shareOf(config: Config, workers: number): Config {
  const share = (limit: number): number => Math.max(1, Math.ceil(limit / workers));
  const { max_connections, next_hop_connections } = config.filter;
  const { pool_size } = config.database;
  return {
    ...config,
    database: { ...config.database, pool_size: Math.min(pool_size, Math.max(LEAST_POOL, share(pool_size))) },
    filter: {
      ...config.filter,
      memory_budget: memoryShare(config, workers),
      max_connections: share(max_connections),
      next_hop_connections: share(next_hop_connections),
    },
  };
}

function memoryShare({ filter }: Config, workers: number): number {
  const largest = Math.min(filter.max_message_size, filter.memory_budget);
  return Math.max(largest, Math.ceil(filter.memory_budget / workers));
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)}MB`;

/** What the configuration says and so many workers cannot keep, one sentence each. */
export function warningsAboutShares(config: Config, workers: number): readonly string[] {
  const { memory_budget, max_message_size } = config.filter;
  const share = memoryShare(config, workers);
  if (share <= Math.ceil(memory_budget / workers)) return [];
  return [
    `filter.memory_budget: found ${megabytes(memory_budget)} for ${workers} workers; expected ` +
      `${megabytes(max_message_size * workers)} (${workers} times filter.max_message_size): each worker takes ` +
      `${megabytes(share)}, ${megabytes(share * workers)} in all; raise it, or start fewer workers`,
  ];
}

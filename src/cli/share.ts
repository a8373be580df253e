// What one of several processes may use of the limits that sealpost.toml gives for the whole serve.
import type { Config } from '../config/schema.ts';

/** The configuration of one of `workers` processes: memory, connections and next-hop connections are divided among them. */
export function shareOf(config: Config, workers: number): Config {
  const share = (limit: number): number => Math.max(1, Math.ceil(limit / workers));
  const { memory_budget, max_connections, next_hop_connections } = config.filter;
  return {
    ...config,
    filter: {
      ...config.filter,
      memory_budget: share(memory_budget),
      max_connections: share(max_connections),
      next_hop_connections: share(next_hop_connections),
    },
  };
}

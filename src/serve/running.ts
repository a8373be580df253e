// What a running serve tells of itself: whether it can work (/readyz), and what it does (/status).
import type { ProxyFilter } from '../../filters/proxy.ts';
import type { PolicyDaemons } from '../../policy/daemons.ts';
import type { Api } from '../../receiver/api/server.ts';
import type { Receiver } from '../../receiver/receiver.ts';
import { describeNextHops } from '../config/next-hops.ts';
import { packageVersion } from '../config/package.ts';
import type { Config } from '../config/schema.ts';
import type { Engine } from '../delivery/engine.ts';
import type { Health } from '../http/observe.ts';
import type { Rates } from '../observe/rates.ts';

/** What is open; undefined: not yet, or not wanted. */
export interface Running {
  readonly engine: Engine;
  readonly rates: Rates;
  proxy?: ProxyFilter;
  policy?: PolicyDaemons;
  receiver?: Receiver;
  api?: Api;
}

/** The listeners that are open now. */
export function listenersOf({ proxy, policy, receiver, api }: Running) {
  return [
    ...(proxy?.listeners() ?? []),
    ...(policy?.listeners() ?? []),
    ...(receiver?.listeners() ?? []),
    ...(api === undefined ? [] : [api]),
  ];
}

/** @param parts what was asked to run */
export async function readiness(running: Running, parts: ReadonlySet<string>): Promise<Health> {
  const reasons: string[] = [];
  try {
    await running.engine.database.pool.query('SELECT 1');
  } catch {
    reasons.push('the database does not answer');
  }
  if (parts.has('filter') && running.proxy === undefined)
    reasons.push('the filter listeners are not open yet');
  if (parts.has('policy') && running.policy === undefined)
    reasons.push('the lookup listeners are not open yet');
  reasons.push(...((await running.receiver?.complaints()) ?? []));
  return { ready: reasons.length === 0, reasons };
}

/**
 * @param path of the configuration file; null: there is none
 * @param started Unix milliseconds
 */
export async function describeRunning(
  running: Running,
  config: Config,
  path: string | null,
  started: number,
) {
  const { engine, rates, proxy, receiver } = running;
  return {
    version: packageVersion(),
    pid: process.pid,
    config: path,
    uptime_seconds: Math.round((Date.now() - started) / 1000),
    next_hop: describeNextHops(config.filter),
    listeners: listenersOf(running).map(({ name, address, connections }) => ({ name, address, connections })),
    in_flight: {
      transactions: proxy?.inFlight() ?? 0,
      bytes: proxy?.bytesInFlight() ?? 0,
      late: engine.deliverer.lateDeliveries(),
    },
    last_minute: await rates.lastMinute(),
    spools: (await receiver?.describe()) ?? [],
  };
}

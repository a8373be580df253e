// The proxy filter: the listeners of [[filter.listen]] in front of the delivery engine. LMTP answers for each recipient,
// SMTP once for all.
import type { Config, FilterListener } from '../src/config/schema.ts';
import { formatEndpoint } from '../src/config/units.ts';
import type { Engine } from '../src/delivery/engine.ts';
import type { Logger } from '../src/observe/log.ts';
import type { Metrics } from '../src/observe/metrics.ts';
import { createBudget } from '../src/smtp/budget.ts';
import { classOf } from '../src/smtp/replies.ts';
import type { Reply, Transaction } from '../src/smtp/types.ts';
import { type FilterListenerHandle, startListener } from './listener.ts';
import { PIPE_CLIENT } from './pipe-client.ts';

export interface ProxyFilter {
  listeners(): readonly FilterListenerHandle[];
  /** Transactions that have been received and not yet answered. */
  inFlight(): number;
  /** Bytes of messages in memory. */
  bytesInFlight(): number;
  /** Takes a new configuration: limits count from the next command on, new listeners open, removed ones end gracefully. */
  reconfigure(config: Config): Promise<void>;
  /** Stops accepting, lets what is in flight finish within the grace, then 421. */
  close(graceMs: number): Promise<void>;
}

function replyOf(outcome: { readonly reply: Reply }): Reply {
  return outcome.reply;
}

/** The address of a listener by its key in the table of open ones. */
function addressOf(key: string): string {
  const listener: FilterListener = JSON.parse(key);
  return formatEndpoint(listener.address);
}

const GAUGE_EVERY_MS = 1000;

/**
 * Opens every listener, or none: when one cannot be opened, the others are closed again.
 * @param passed file descriptors from systemd, by listener name
 * @throws Error with a sentence for the administrator when a listener cannot be opened
 */
export async function startProxyFilter(
  config: Config,
  engine: Engine,
  logger: Logger,
  metrics: Metrics,
  passed: ReadonlyMap<string, number> = new Map(),
): Promise<ProxyFilter> {
  const unused = new Map(passed);
  let current = config;
  const budget = createBudget(config.filter.memory_budget);
  const forgetting = new WeakMap<Transaction, () => void>();
  const open = new Map<string, FilterListenerHandle>();
  let inFlight = 0;

  async function answer(protocol: 'lmtp' | 'smtp', transaction: Transaction): Promise<readonly Reply[]> {
    const { deliverer } = engine;
    if (protocol === 'smtp' || transaction.client === PIPE_CLIENT) {
      const { reply, forget } = await deliverer.deliverAsOne(transaction);
      // Nobody confirms an exit code: what the pipe delivered stays remembered for its lifetime.
      if (transaction.client !== PIPE_CLIENT) forgetting.set(transaction, forget);
      return protocol === 'smtp' ? [reply] : transaction.envelope.recipients.map(() => reply);
    }
    const { outcomes, forget } = await deliverer.deliver(transaction);
    // Some have to wait: the client will come again, and may ask for all of them.
    if (outcomes.some((outcome) => classOf(outcome.reply) === 'temporary')) return outcomes.map(replyOf);
    forgetting.set(transaction, () =>
      forget(outcomes.flatMap((outcome, index) => (classOf(outcome.reply) === 'accepted' ? [index] : []))),
    );
    return outcomes.map(replyOf);
  }

  async function openListener(listener: FilterListener): Promise<FilterListenerHandle> {
    const name = listener.name ?? listener.protocol;
    const fd = unused.get(name);
    // Once closed, a passed socket is gone.
    unused.delete(name);
    return startListener({
      listener,
      config: current.filter,
      hostname: current.hostname,
      logger,
      admission: budget,
      ...(fd === undefined ? {} : { fd }),
      async deliver(transaction) {
        inFlight += 1;
        try {
          const replies = await answer(listener.protocol, transaction);
          for (const reply of replies) metrics.messages.inc({ listener: name, outcome: classOf(reply) });
          return replies;
        } finally {
          inFlight -= 1;
        }
      },
      acknowledged: (transaction) => forgetting.get(transaction)?.(),
      abandoned: engine.deliverer.abandon,
      lost: (transaction) =>
        logger.debug(
          { transaction: transaction.id },
          'our reply may not have reached the client; a retry will be recognised',
        ),
    });
  }

  async function openAll(listeners: readonly FilterListener[]): Promise<void> {
    const fresh: string[] = [];
    try {
      for (const listener of listeners) {
        const key = JSON.stringify(listener);
        if (open.has(key)) continue;
        open.set(key, await openListener(listener));
        fresh.push(key);
      }
    } catch (error) {
      await Promise.all(fresh.map((key) => closeListener(key, 0)));
      throw error;
    }
  }

  async function closeListener(key: string, graceMs: number): Promise<void> {
    const handle = open.get(key);
    open.delete(key);
    await handle?.close({ graceMs });
  }

  await openAll(config.filter.listen);
  const gauges = setInterval(() => {
    metrics.bytesInFlight.set(budget.used());
    for (const handle of open.values())
      metrics.connections.set({ listener: handle.name }, handle.connections);
  }, GAUGE_EVERY_MS);
  gauges.unref();
  return {
    listeners: () => [...open.values()],
    inFlight: () => inFlight,
    bytesInFlight: () => budget.used(),
    async reconfigure(next) {
      const before = current;
      current = next;
      const wanted = new Set(next.filter.listen.map((listener) => JSON.stringify(listener)));
      const gone = [...open.keys()].filter((key) => !wanted.has(key));
      const addresses = next.filter.listen.map((listener) => formatEndpoint(listener.address));
      // A listener that keeps its address must free it first; the others serve on until the new ones are open.
      const moved = gone.filter((key) => addresses.includes(addressOf(key)));
      const closing = moved.map((key) => closeListener(key, next.filter.shutdown_grace));
      try {
        await openAll(next.filter.listen);
      } catch (error) {
        current = before;
        // What was closed for its address opens again, as it was.
        await Promise.allSettled(closing);
        await openAll(before.filter.listen);
        throw error;
      }
      for (const handle of open.values()) handle.reconfigure(next.filter);
      const rest = gone.filter((key) => !moved.includes(key));
      await Promise.all([...closing, ...rest.map((key) => closeListener(key, next.filter.shutdown_grace))]);
    },
    async close(graceMs) {
      clearInterval(gauges);
      await Promise.all([...open.keys()].map((key) => closeListener(key, graceMs)));
    },
  };
}

// The proxy filter: the listeners of [[filter.listen]] in front of the delivery engine. LMTP answers for each recipient,
// SMTP once for all.
import type { Config, FilterListener } from '../src/config/schema.ts';
import { formatEndpoint } from '../src/config/units.ts';
import type { Engine } from '../src/delivery/engine.ts';
import { tellNotTaken } from '../src/delivery/tell-not-taken.ts';
import { queueIdOf } from '../src/delivery/transaction.ts';
import type { Logger } from '../src/observe/log.ts';
import type { Metrics } from '../src/observe/metrics.ts';
import { classOf } from '../src/smtp/replies.ts';
import { type Budget, createBudget } from '../src/smtp/server/budget.ts';
import { type FilterListenerHandle, startListener } from '../src/smtp/server/listener.ts';
import type { Reply, Transaction } from '../src/smtp/types.ts';
import { PIPE_CLIENT } from './pipe/client.ts';

export interface ProxyFilter {
  listeners(): readonly FilterListenerHandle[];
  /** Transactions that have been received and not yet answered. */
  inFlight(): number;
  /** Bytes of messages in memory. */
  bytesInFlight(): number;
  /**
   * Takes a new configuration: limits count from the next command on, and new listeners open. Resolves then; removed
   * listeners end gracefully meanwhile.
   * @throws Error with a sentence for the administrator when a listener cannot be opened; everything is as it was then
   */
  reconfigure(config: Config): Promise<void>;
  /** Stops accepting, lets what is in flight finish within the grace, then 421. */
  close(graceMs: number): Promise<void>;
}

/** The same text for listeners that are the same in everything. */
const keyOf = (listener: FilterListener): string => JSON.stringify(listener);
const nameOf = (listener: FilterListener): string => listener.name ?? listener.protocol;
const addressOf = (listener: FilterListener): string => formatEndpoint(listener.address);

interface OpenListener {
  readonly listener: FilterListener;
  readonly handle: FilterListenerHandle;
}

/**
 * Which listener of a new configuration takes over a socket that systemd passed: closed, it could not be opened again.
 * @returns by the key of the one that is open
 * @throws Error with one sentence when the socket is elsewhere than the new listener is to be
 */
function successorsOf(
  open: ReadonlyMap<string, OpenListener>,
  wanted: readonly FilterListener[],
): ReadonlyMap<string, FilterListener> {
  const successors = new Map<string, FilterListener>();
  const keys = new Set(wanted.map(keyOf));
  for (const [key, { listener, handle }] of open) {
    if (keys.has(key) || handle.passed === null) continue;
    const successor = wanted.find(
      (next) => nameOf(next) === handle.name || addressOf(next) === addressOf(listener),
    );
    if (successor === undefined) continue;
    const problem =
      nameOf(successor) === handle.name
        ? handle.passed.disagreement(successor.address)
        : `systemd passes its socket under the name "${handle.name}" (FileDescriptorName=): keep the name, or restart both units`;
    if (problem !== null) throw new Error(`listener "${nameOf(successor)}" cannot be opened: ${problem}`);
    successors.set(key, successor);
  }
  return successors;
}

const GAUGE_EVERY_MS = 1000;

/** What the filter needs, and does not own. */
interface ProxyContext {
  readonly engine: Engine;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface ProxyState extends ProxyContext {
  current: Config;
  readonly budget: Budget;
  /** Passed sockets that no listener has had yet, by its name: once closed, one is gone. */
  readonly unused: Map<string, number>;
  readonly open: Map<string, OpenListener>;
  /** Listeners that were removed and still end. */
  readonly ending: Set<Promise<void>>;
  /** What is to be forgotten of a delivery when the client has the replies. */
  readonly forgetting: WeakMap<Transaction, () => void>;
  inFlight: number;
}

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
  const state: ProxyState = {
    engine,
    logger,
    metrics,
    current: config,
    budget: createBudget(config.filter.memory_budget),
    unused: new Map(passed),
    open: new Map(),
    ending: new Set(),
    forgetting: new WeakMap(),
    inFlight: 0,
  };
  await openAll(state, config.filter.listen);
  const gauges = setInterval(() => measure(state), GAUGE_EVERY_MS);
  gauges.unref();
  return {
    listeners: () => [...state.open.values()].map(({ handle }) => handle),
    inFlight: () => state.inFlight,
    bytesInFlight: () => state.budget.used(),
    reconfigure: (next) => reconfigure(state, next),
    async close(graceMs) {
      clearInterval(gauges);
      const closing = [...state.open.keys()].map((key) => closeListener(state, key, graceMs));
      await Promise.all([...closing, ...state.ending]);
    },
  };
}

function measure({ metrics, budget, open }: ProxyState): void {
  metrics.bytesInFlight.set(budget.used());
  for (const { handle } of open.values())
    metrics.connections.set({ listener: handle.name }, handle.connections);
}

/** What a listener does with a message: one function for each, so that it may differ from the others. */
function deliverFor(state: ProxyState, listener: FilterListener) {
  return async (transaction: Transaction): Promise<readonly Reply[]> => {
    state.inFlight += 1;
    try {
      const replies = await answer(state, listener, transaction);
      for (const reply of replies)
        state.metrics.messages.inc({ listener: nameOf(listener), outcome: classOf(reply) });
      return replies;
    } finally {
      state.inFlight -= 1;
    }
  };
}

function replyOf(outcome: { readonly reply: Reply }): Reply {
  return outcome.reply;
}

async function answer(
  { engine, forgetting }: ProxyState,
  { protocol }: FilterListener,
  transaction: Transaction,
): Promise<readonly Reply[]> {
  const { deliverer } = engine;
  if (protocol === 'smtp' || transaction.client === PIPE_CLIENT) {
    const { reply, forget } = await deliverer.deliverAsOne(transaction);
    // Nobody confirms an exit code: what the pipe delivered stays remembered for its lifetime. Without a queue ID a retry cannot be
    // told from another letter with the same text, which must not be taken for delivered.
    const retryIsKnown = transaction.client === PIPE_CLIENT && queueIdOf(transaction) !== '';
    if (!retryIsKnown) forgetting.set(transaction, forget);
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

function openFilterListener(state: ProxyState, listener: FilterListener): Promise<FilterListenerHandle> {
  const { engine, logger, current, unused, forgetting } = state;
  const fd = unused.get(nameOf(listener));
  unused.delete(nameOf(listener));
  return startListener({
    listener,
    config: current.filter,
    hostname: current.hostname,
    logger,
    admission: state.budget,
    ...(fd === undefined ? {} : { fd }),
    deliver: deliverFor(state, listener),
    acknowledged: (transaction) => forgetting.get(transaction)?.(),
    abandoned: engine.deliverer.abandon,
    notTaken: (what) => void tellNotTaken(what, engine),
    lost: (transaction) =>
      logger.debug(
        { transaction: transaction.id },
        'our reply may not have reached the client; a retry will be recognised',
      ),
  });
}

/** Opens those that are not open yet, or none of them. */
async function openAll(state: ProxyState, listeners: readonly FilterListener[]): Promise<void> {
  const fresh: string[] = [];
  try {
    for (const listener of listeners) {
      const key = keyOf(listener);
      if (state.open.has(key)) continue;
      state.open.set(key, { listener, handle: await openFilterListener(state, listener) });
      fresh.push(key);
    }
  } catch (error) {
    await Promise.all(fresh.map((key) => closeListener(state, key, 0)));
    throw error;
  }
}

/** Its address is free when this returns, its connections are gone when it resolves. */
async function closeListener(
  { open, ending, metrics }: ProxyState,
  key: string,
  graceMs: number,
): Promise<void> {
  const handle = open.get(key)?.handle;
  if (handle === undefined) return;
  open.delete(key);
  metrics.connections.remove({ listener: handle.name });
  const ended = handle.close({ graceMs });
  ending.add(ended);
  await ended;
  ending.delete(ended);
}

/** The passed socket of one listener becomes that of another. */
function takeOver(state: ProxyState, key: string, listener: FilterListener, filter: Config['filter']): void {
  const handle = state.open.get(key)?.handle;
  if (handle === undefined) return;
  const next = { listener, config: filter, deliver: deliverFor(state, listener) };
  handle.passed?.become(next, filter.shutdown_grace);
  state.open.delete(key);
  state.open.set(keyOf(listener), { listener, handle });
}

async function reconfigure(state: ProxyState, next: Config): Promise<void> {
  const { open, current: before } = state;
  const { listen, shutdown_grace } = next.filter;
  const successors = successorsOf(open, listen);
  state.current = next;
  const wanted = new Set(listen.map(keyOf));
  const gone = [...open].filter(([key]) => !wanted.has(key) && !successors.has(key));
  const addresses = listen.map(addressOf);
  // A listener that keeps its address must free it first; the others serve on until the new ones are open.
  for (const [key, { listener }] of gone)
    if (addresses.includes(addressOf(listener))) void closeListener(state, key, shutdown_grace);
  const taken = new Set(successors.values());
  try {
    await openAll(
      state,
      listen.filter((listener) => !taken.has(listener)),
    );
  } catch (error) {
    state.current = before;
    // What was closed for its address opens again, as it was; one that cannot does not hinder the others.
    for (const listener of before.filter.listen)
      await openAll(state, [listener]).catch((failure: unknown) =>
        state.logger.error(
          { event: 'listener_not_reopened', err: failure },
          'a listener could not be opened again',
        ),
      );
    throw error;
  }
  for (const [key, listener] of successors) takeOver(state, key, listener, next.filter);
  for (const { handle } of open.values()) handle.reconfigure(next.filter);
  for (const [key] of gone) void closeListener(state, key, shutdown_grace);
}

// The lookup daemons of one process: their database connections, the cache that change notifications keep true, and the
// listeners of [policy.tcp], [policy.socketmap] and [policy.delegation].
import type { Config } from '../src/config/schema.ts';
import { createVersionTracker } from '../src/database/directory-version.ts';
import { listenForChanges } from '../src/database/notifications.ts';
import { openDatabase } from '../src/database/open.ts';
import { openFilesLimit } from '../src/host/descriptors.ts';
import type { Logger } from '../src/observe/log.ts';
import type { Metrics } from '../src/observe/metrics.ts';
import { keepConnectionAtHand } from './connection-at-hand.ts';
import { createLookupDatabase, type LookupDatabase } from './database.ts';
import { policyDelegation } from './delegation.ts';
import { MAPS } from './facts.ts';
import { type ListenOptions, type LookupListener, listenForLookups } from './listen.ts';
import { createLookups, type Lookups } from './lookups.ts';
import { type ListenerProtocol, putOff } from './put-off.ts';
import { openReplica } from './replica.ts';
import { createRoom, lookupConnections } from './room.ts';
import { serveRequests } from './serve-requests.ts';
import { socketmap } from './socketmap.ts';
import { tcpTable } from './tcp-table.ts';

export interface PolicyDaemons {
  readonly lookups: Lookups;
  listeners(): readonly LookupListener[];
  close(): Promise<void>;
}

/** A query that takes longer is given up, so that an answer comes within 5 s. Milliseconds. */
const QUERY_TIMEOUT = 3000;
const CONNECT_TIMEOUT = 3000;

/** The configuration with deadlines for lookups, which Postfix waits for. */
function withLookupDeadlines(config: Config): Config {
  const { database } = config;
  return {
    ...config,
    database: {
      ...database,
      query_timeout: Math.min(database.query_timeout, QUERY_TIMEOUT),
      connect_timeout: Math.min(database.connect_timeout, CONNECT_TIMEOUT),
    },
  };
}

/** The connections that lookups are answered from: the primary, and the replica of database.read_url where it is set. */
export async function openLookupDatabase(
  config: Config,
  logger: Logger,
): Promise<{ readonly database: LookupDatabase; close(): Promise<void> }> {
  const ours = withLookupDeadlines(config);
  const primary = await openDatabase(ours, { logger, keepsServer: true });
  const replica =
    ours.database.read_url === undefined
      ? null
      : await openReplica(() => openDatabase(ours, { logger, replica: true }), logger);
  const fromPrimary = keepConnectionAtHand(primary.pool);
  const database = createLookupDatabase({
    primary: fromPrimary,
    replica: replica?.pool ?? null,
    replicaLag: config.policy.replica_lag,
    logger,
    versions: createVersionTracker(),
  });
  return {
    database,
    async close() {
      fromPrimary.release();
      await replica?.close();
      await primary.close();
    },
  };
}

/**
 * Opens every configured listener, or none: when one cannot be opened, everything is closed again.
 * @param passed file descriptors from systemd, by listener name (the map, `socketmap`, `policy`)
 * @throws DatabaseUnavailable, DatabaseNotMigrated; Error with a sentence for the administrator for a listener
 */
export async function startPolicyDaemons(
  config: Config,
  logger: Logger,
  metrics: Metrics,
  passed: ReadonlyMap<string, number> = new Map(),
): Promise<PolicyDaemons> {
  const own = logger.child({ part: 'policy' });
  const opened = await openLookupDatabase(config, own);
  const open: LookupListener[] = [];
  let changes: { close(): Promise<void> } | undefined;
  const close = async (): Promise<void> => {
    await Promise.all(open.map((listener) => listener.close()));
    await changes?.close();
    await opened.close();
  };
  try {
    const lookups = createLookups({ config, database: opened.database, logger: own, metrics });
    changes = await listenForChanges(
      config,
      {
        onChange: (change) => lookups.invalidate(change),
        onLost: () => lookups.lost(),
        onRestored: () => lookups.restored(),
      },
      { logger: own },
    );
    // What changed before anybody listened may not have reached the replica, and nobody would ever say so.
    opened.database.changed();
    // The first version that is known makes everything untrue that was read before it.
    await opened.database.freshness.refresh();
    for (const listener of listenersOf(config, lookups, own, metrics)) {
      open.push(await listenForLookups({ ...listener, fd: passed.get(listener.name) }));
    }
    return { lookups, listeners: () => open, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** How many connections there may be; says so where that is less than configured. */
function lookupRoom(config: Config, logger: Logger): number {
  const openFiles = openFilesLimit();
  const most = lookupConnections(config, openFiles);
  if (most < config.policy.max_connections)
    logger.warn(
      { event: 'open_files_low', most, open_files: openFiles },
      'policy.max_connections is above what the limit of open files leaves for lookups: raise LimitNOFILE, or lower it',
    );
  return most;
}

/** The listeners that a configuration names. */
function listenersOf(
  config: Config,
  lookups: Lookups,
  logger: Logger,
  metrics: Metrics,
): readonly ListenOptions[] {
  const { tcp, socketmap: sockets, delegation } = config.policy;
  const counted = (name: string) => (connections: number) =>
    metrics.connections.set({ listener: name }, connections);
  const room = createRoom(lookupRoom(config, logger), logger, (name) =>
    metrics.lookupConnectionsRefused.inc({ listener: name }),
  );
  const malformed = (protocol: string) => () => metrics.lookupErrors.inc({ protocol });
  const listener = <R>(
    name: string,
    at: {
      readonly listen: ListenOptions['endpoint'] | null;
      readonly mode?: string | undefined;
      readonly group?: string | undefined;
    },
    protocol: ListenerProtocol<R>,
  ): readonly ListenOptions[] => {
    if (at.listen === null) return [];
    const log = logger.child({ listener: name });
    const serve: ListenOptions['serve'] = (socket) => serveRequests(socket, protocol, log);
    const { listen: endpoint, mode, group } = at;
    return [
      {
        name,
        endpoint,
        mode,
        group,
        serve,
        putOff: (socket) => putOff(socket, protocol),
        room,
        counted: counted(name),
        logger: log,
      },
    ];
  };
  return [
    ...MAPS.flatMap((map) =>
      listener(map, { listen: tcp[map] }, tcpTable(map, lookups, malformed('tcp_table'))),
    ),
    ...listener('socketmap', sockets, socketmap(lookups, malformed('socketmap'))),
    ...listener('policy', delegation, policyDelegation(lookups, malformed('policy'))),
  ];
}

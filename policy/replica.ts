// The replica of database.read_url, which may be away when the daemons start: it is opened when it is there.
import { type Database, DatabaseUnavailable } from '../src/database/open.ts';
import type { Logger } from '../src/observe/log.ts';
import { keepConnectionAtHand, type QueryPool } from './connection-at-hand.ts';

export interface Replica {
  /** Fails at once with DatabaseUnavailable while the replica is not open; each such question has it tried again. */
  readonly pool: QueryPool;
  close(): Promise<void>;
}

interface Opening {
  readonly open: () => Promise<Database>;
  readonly logger: Logger;
  opened: { readonly database: Database; readonly kept: ReturnType<typeof keepConnectionAtHand> } | null;
  /** An attempt that is under way. */
  attempt: Promise<void> | null;
  /** The log has been told that the replica is away. */
  told: boolean;
  closed: boolean;
}

/**
 * Opens the replica, or has it opened later.
 * @param open rejects where the replica cannot be asked now, whatever the reason
 */
export async function openReplica(open: () => Promise<Database>, logger: Logger): Promise<Replica> {
  const state: Opening = { open, logger, opened: null, attempt: null, told: false, closed: false };
  await tryToOpen(state);
  return {
    pool: { query: ((statement: never) => query(state, statement)) as unknown as QueryPool['query'] },
    async close() {
      state.closed = true;
      await state.attempt;
      state.opened?.kept.release();
      await state.opened?.database.close();
    },
  };
}

async function query(state: Opening, statement: never): Promise<unknown> {
  if (state.opened !== null) return state.opened.kept.query(statement);
  if (!state.closed) state.attempt ??= tryToOpen(state);
  throw new DatabaseUnavailable('the replica is not open');
}

async function tryToOpen(state: Opening): Promise<void> {
  const { open, logger, told } = state;
  try {
    const database = await open();
    state.opened = { database, kept: keepConnectionAtHand(database.pool) };
    if (told) logger.info({ event: 'replica_back' }, 'the replica of database.read_url can be asked');
  } catch (error) {
    const what = 'the replica of database.read_url cannot be asked; lookups go to database.url';
    logger[told ? 'debug' : 'warn']({ event: 'replica_lost', err: error }, what);
    state.told = true;
  } finally {
    state.attempt = null;
  }
}

// The replica of database.read_url, which may be away when the daemons start: it is opened when it is there.
import { type Database, DatabaseUnavailable } from '../src/database/open.ts';
import type { Logger } from '../src/observe/log.ts';
import { keepConnectionAtHand, type QueryPool } from './connection-at-hand.ts';

export interface Replica {
  /** Fails at once with DatabaseUnavailable while the replica is not open; each such question has it tried again. */
  readonly pool: QueryPool;
  close(): Promise<void>;
}

/**
 * Opens the replica, or has it opened later.
 * @param open rejects where the replica cannot be asked now, whatever the reason
 */
export async function openReplica(open: () => Promise<Database>, logger: Logger): Promise<Replica> {
  let opened: { readonly database: Database; readonly kept: ReturnType<typeof keepConnectionAtHand> } | null =
    null;
  let opening: Promise<void> | null = null;
  let closed = false;
  let told = false;

  async function tryToOpen(): Promise<void> {
    try {
      const database = await open();
      opened = { database, kept: keepConnectionAtHand(database.pool) };
      if (told) logger.info('the replica of database.read_url can be asked');
    } catch (error) {
      const what = 'the replica of database.read_url cannot be asked; lookups go to database.url';
      logger[told ? 'debug' : 'warn']({ err: error }, what);
      told = true;
    } finally {
      opening = null;
    }
  }

  const query = async (statement: never): Promise<unknown> => {
    if (opened !== null) return opened.kept.query(statement);
    if (!closed) opening ??= tryToOpen();
    throw new DatabaseUnavailable('the replica is not open');
  };

  await tryToOpen();
  return {
    pool: { query: query as unknown as QueryPool['query'] },
    async close() {
      closed = true;
      await opening;
      opened?.kept.release();
      await opened?.database.close();
    },
  };
}

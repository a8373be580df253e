// What serve looks at by itself: the next hop, whether state_dir and the database can be written to, whether notifications come
// back, and whether a restored state waits to be accepted.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { formatNextHop } from '../config/units.ts';
import { rootReason } from '../database/errors.ts';
import { notAccepted, restoredFrom } from '../database/restored.ts';
import { LOSES_STATEMENTS, losesStatements } from '../database/statements.ts';
import { writeRefusal } from '../database/transaction.ts';
import type { Engine } from '../delivery/engine.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Watched } from './vigil.ts';

/** A next hop that is restarted is away for a while; that is no reason to take a node out of service. */
const NEXT_HOP_PATIENCE_MS = 60_000;
/** So that one look in vain, on a machine that is busy for ten seconds, turns nothing red. */
const SECOND_LOOK_MS = 10_000;
/** More than a name: a full disk takes empty files. */
const PROBE_BYTES = 4096;

/** @param takesMail mail comes in here, so that the next hop matters */
export function watchedBy(
  engine: Engine,
  config: Pick<Config, 'state_dir'>,
  takesMail: boolean,
  logger: Logger,
  metrics: Pick<Metrics, 'watchedUp'>,
): readonly Watched[] {
  return [
    ...(takesMail ? [shown('next_hop', nextHop(engine, logger), metrics)] : []),
    shown('state_dir', stateDir(config.state_dir, logger), metrics),
    shown('database', databaseWrites(engine, logger), metrics),
    shown('notifications', notifications(engine, logger), metrics),
    shown('statements', statements(engine, logger), metrics),
    shown('restored', restored(engine, logger), metrics),
  ];
}

/** The same, with its state as a metric. What was not looked at yet has none. */
function shown(what: string, watched: Watched, { watchedUp }: Pick<Metrics, 'watchedUp'>): Watched {
  return {
    ...watched,
    async look() {
      const because = await watched.look();
      if (because === null) watchedUp.set({ what }, 1);
      return because;
    },
    lost(because) {
      watchedUp.set({ what }, 0);
      watched.lost(because);
    },
    back() {
      watchedUp.set({ what }, 1);
      watched.back();
    },
  };
}

function nextHop(engine: Engine, logger: Logger): Watched {
  return {
    patienceMs: NEXT_HOP_PATIENCE_MS,
    async look() {
      const [first] = await engine.lookAtNextHops();
      return first === undefined
        ? null
        : `the next hop ${formatNextHop(first.nextHop)} gives no session: ${first.reply.text}`;
    },
    lost: (because) =>
      logger.warn(
        { event: 'next_hop_refuses', because },
        'the next hop gives no session; Postfix keeps the mail',
      ),
    back: () => logger.info({ event: 'next_hop_back' }, 'the next hop takes mail again'),
  };
}

function stateDir(folder: string, logger: Logger): Watched {
  const path = join(folder, `.writable.${process.pid}`);
  return {
    patienceMs: 0,
    async look() {
      try {
        await writeFile(path, Buffer.alloc(PROBE_BYTES, 1), { mode: 0o600 });
        return null;
      } catch (error) {
        return `state_dir cannot be written to: ${rootReason(error)}`;
      } finally {
        await rm(path, { force: true }).catch(() => undefined);
      }
    },
    lost: (because) =>
      logger.error({ event: 'state_dir_unwritable', because }, 'state_dir cannot be written to'),
    back: () => logger.info({ event: 'state_dir_writable' }, 'state_dir can be written to again'),
  };
}

function databaseWrites({ database: { pool }, memory }: Engine, logger: Logger): Watched {
  return {
    patienceMs: SECOND_LOOK_MS,
    async look() {
      const refusal = await writeRefusal(pool);
      if (refusal === null) return null;
      // The next message need not be sent, and its acceptance lost, to find that out.
      memory.heard(refusal);
      return `the database takes no rows: ${rootReason(refusal)}`;
    },
    lost: (because) => logger.error({ event: 'database_lost', because }, 'the database cannot be written to'),
    back: () => logger.info({ event: 'database_back' }, 'the database takes rows again'),
  };
}

function restored({ database: { pool } }: Engine, logger: Logger): Watched {
  return {
    patienceMs: 0,
    onlyAnswers: true,
    async look() {
      const from = await restoredFrom(pool);
      return from === null ? null : notAccepted(from);
    },
    lost: (because) =>
      logger.warn(
        { event: 'restored_not_accepted', because },
        'the database was restored from a backup: mail that is not sealed waits until that is accepted',
      ),
    back: () =>
      logger.info({ event: 'restored_accepted' }, 'the restored state was accepted: the settings hold again'),
  };
}

function statements({ database: { pool } }: Engine, logger: Logger): Watched {
  return {
    patienceMs: 0,
    onlyAnswers: true,
    look: async () => ((await losesStatements(pool)) ? LOSES_STATEMENTS : null),
    lost: (because) =>
      logger.error(
        { event: 'pooler_too_old', because },
        'the pooler before the database loses prepared statements',
      ),
    back: () => logger.info({ event: 'pooler_fit' }, 'prepared statements are kept'),
  };
}

function notifications(engine: Engine, logger: Logger): Watched {
  return {
    patienceMs: SECOND_LOOK_MS,
    onlyAnswers: true,
    look: async () =>
      (await engine.hearsItself())
        ? null
        : 'a notification through the pool did not come back: before database.url lies a pooler in transaction mode (database.listen_url must name the server itself), or database.listen_url leads to another server',
    lost: (because) =>
      logger.warn(
        { event: 'notifications_silent', because },
        'changes are not told of; what is known is checked with each message',
      ),
    back: () => logger.info({ event: 'notifications_back' }, 'notifications come back again'),
  };
}

// What serve does before anybody needs it: it connects to the next hop, plans the statements of a message, reads the keys of a
// small server, and goes on warming up. It begins before the first greeting, and gives way to the mail that comes after it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/schema.ts';
import { formatNextHop } from '../config/units.ts';
import type { Engine } from '../delivery/engine.ts';
import type { Logger } from '../observe/log.ts';
import { within } from '../pacing/within.ts';
import { readAhead } from './read-ahead.ts';
import { warmUpDatabase, warmUpFurther } from './warm-up.ts';

/** The first greeting waits no longer than this for the keys: on a server of a few users all have been read by then. */
const HEAD_START_MS = 60;
/** After each address, once clients may be there: whatever else the process has to do comes in between. */
const PAUSE_MS = 1;
/** The mail that has waited for the start comes right after it, and has the process for itself. */
const FIRST_MAIL_MS = 250;
/** How often it is looked whether the clients are gone. */
const LOOK_AGAIN_MS = 50;

export interface GetReadyOptions {
  readonly config: Config;
  readonly engine: Engine;
  /** Connections of clients that are open now; undefined before the listeners are. */
  readonly clients: () => number | undefined;
  readonly stopping: () => boolean;
  readonly logger: Logger;
}

/** Resolves when the listeners may open; the rest goes on beside them. Never rejects. */
export function getReady(options: GetReadyOptions): Promise<void> {
  return within(HEAD_START_MS, prepare(options), undefined);
}

async function prepare({ config, engine, clients, stopping, logger }: GetReadyOptions): Promise<void> {
  void connect(engine, logger);
  let opened = false;
  const gaveWay = async (pauseMs = 0): Promise<boolean> => {
    if (clients() !== undefined) {
      await sleep(opened ? pauseMs : FIRST_MAIL_MS);
      opened = true;
    }
    while ((clients() ?? 0) > 0 && !stopping()) await sleep(LOOK_AGAIN_MS);
    return !stopping();
  };
  await warmUpDatabase(engine);
  const addresses = await readAhead(engine, () => gaveWay(PAUSE_MS));
  logger.debug({ addresses }, 'read ahead');
  void warmUpFurther(config, gaveWay);
}

async function connect(engine: Engine, logger: Logger): Promise<void> {
  for (const { nextHop, reply } of await engine.connect())
    logger.info(
      { event: 'next_hop_refuses', next_hop: formatNextHop(nextHop), reply: reply.text },
      'the next hop does not answer yet; until it does, Postfix keeps the mail',
    );
}

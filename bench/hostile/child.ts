// The process that one hostile letter goes through: the filter's listener and the filter. It measures itself, and
// tells its parent.
import { writeFileSync } from 'node:fs';
import { createNextHops } from '../../src/delivery/next-hops.ts';
import { createLogger } from '../../src/observe/log.ts';
import { createBudget } from '../../src/smtp/server/budget.ts';
import { startListener } from '../../src/smtp/server/listener.ts';
import { BOMBS } from './bombs.ts';
import { watchLoop } from './loop-meter.ts';
import { ownMegabytes } from './own-memory.ts';
import { createStage, stageConfig } from './stage.ts';

/** What the parent says: the letter has been taken, and what follows is measured; or the letter is over. */
export type Told = 'measure' | 'over';

/** What the child says. */
export type Measured = 'ready' | 'measuring' | { readonly blockMs: number; readonly memoryMegabytes: number };

const [index = '', listenAt = '', nextHopAt = ''] = process.argv.slice(2);
const bomb = BOMBS[Number(index)];
if (bomb === undefined) throw new Error(`there is no bomb ${index}`);
const config = stageConfig({
  next_hop: `lmtp:127.0.0.1:${nextHopAt}`,
  listen: [{ protocol: 'lmtp', address: `127.0.0.1:${listenAt}` }],
});
const logger = createLogger({ level: 'warn' });
const nextHops = createNextHops(config, logger);
const stage = await createStage(bomb, config, nextHops.client, logger);
const [listener] = config.filter.listen;
if (listener === undefined) throw new Error('there is no listener');
await startListener({
  listener,
  config: config.filter,
  hostname: config.hostname,
  logger,
  admission: createBudget(config.filter.memory_budget),
  deliver: async (transaction) =>
    (await stage.deliverer.deliver(transaction)).outcomes.map(({ reply }) => reply),
  acknowledged: () => undefined,
  lost: () => undefined,
});

let meter: ReturnType<typeof watchLoop> | undefined;
let before = 0;
process.on('message', (told: Told) => {
  if (told === 'measure') {
    writeFileSync('/proc/self/clear_refs', '5');
    before = ownMegabytes('VmRSS');
    meter = watchLoop();
    tell('measuring');
  } else tell({ blockMs: meter?.stop() ?? 0, memoryMegabytes: Math.max(0, ownMegabytes('VmHWM') - before) });
});
process.on('disconnect', () => process.exit(0));
tell('ready');

function tell(measured: Measured): void {
  process.send?.(measured);
}

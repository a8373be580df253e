// The replica of database.read_url: there at the start, later, or not before the end.
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { openReplica, type Replica } from '../../../policy/replica.ts';
import { type Database, DatabaseUnavailable } from '../../../src/database/open.ts';

const logger = pino({ level: 'silent' });
const ask = (replica: Replica) => replica.pool.query({ text: 'SELECT 1' }) as unknown as Promise<string>;
const settled = () => new Promise((resolve) => setImmediate(resolve));

function played() {
  const world = { away: false, opened: 0, closed: 0 };
  const open = async (): Promise<Database> => {
    world.opened += 1;
    if (world.away) throw new DatabaseUnavailable('refused');
    const pool = { options: { max: 1 }, query: async () => 'replica' };
    const close = async () => {
      world.closed += 1;
    };
    return { pool, close } as unknown as Database;
  };
  return { world, open };
}

describe('a replica', () => {
  it('that is there at the start answers, and is closed at the end', async () => {
    const { world, open } = played();
    const replica = await openReplica(open, logger);
    expect(await ask(replica)).toBe('replica');
    await replica.close();
    expect(world).toMatchObject({ opened: 1, closed: 1 });
  });
  it('that comes later answers from then on', async () => {
    const { world, open } = played();
    world.away = true;
    const replica = await openReplica(open, logger);
    await expect(ask(replica)).rejects.toThrow(DatabaseUnavailable);
    world.away = false;
    await settled();
    await expect(ask(replica)).rejects.toThrow(DatabaseUnavailable);
    await settled();
    expect(await ask(replica)).toBe('replica');
    expect(world.opened).toBe(3);
  });
  it('is opened once, however many questions come meanwhile', async () => {
    const { world, open } = played();
    world.away = true;
    const replica = await openReplica(open, logger);
    await Promise.allSettled(Array.from({ length: 20 }, () => ask(replica)));
    await settled();
    expect(world.opened).toBe(2);
  });
  it('that is being opened at the end is closed all the same, and opened no more', async () => {
    const { world, open } = played();
    world.away = true;
    const replica = await openReplica(open, logger);
    world.away = false;
    await expect(ask(replica)).rejects.toThrow(DatabaseUnavailable);
    await replica.close();
    expect(world).toMatchObject({ opened: 2, closed: 1 });
  });
});

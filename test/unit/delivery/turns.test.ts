import { describe, expect, it } from 'vitest';
import { createTurns } from '../../../src/pacing/turns.ts';

describe('turns', () => {
  it('let so many run at once, in the order in which they came, whether they succeed or fail', async () => {
    const turns = createTurns(2, 60_000);
    const events: string[] = [];
    let running = 0;
    let most = 0;
    const work = (name: string, fails: boolean) =>
      turns(async () => {
        running += 1;
        most = Math.max(most, running);
        events.push(name);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        if (fails) throw new Error(name);
        return name;
      });
    const names = ['a', 'b', 'c', 'd', 'e'];
    const ended = await Promise.allSettled(names.map((name) => work(name, name === 'b')));
    expect(events).toEqual(names);
    expect(most).toBe(2);
    expect(ended.map((end) => end.status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ]);
    expect(await work('f', false)).toBe('f');
  });

  it('come all the same when those before take too long, and once for each', async () => {
    const turns = createTurns(1, 20);
    let end: () => void = () => undefined;
    const stuck = turns(() => new Promise<void>((resolve) => (end = resolve)));
    expect(await turns(async () => 'second')).toBe('second');
    end();
    await stuck;
    // The place of the one that was stuck was passed on already.
    let running = 0;
    const most: number[] = [];
    await Promise.all(
      [1, 2, 3].map(() =>
        turns(async () => {
          running += 1;
          most.push(running);
          await new Promise((resolve) => setImmediate(resolve));
          running -= 1;
        }),
      ),
    );
    expect(most).toEqual([1, 1, 1]);
  });
});

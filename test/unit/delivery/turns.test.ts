import { describe, expect, it } from 'vitest';
import { createTurns } from '../../../src/delivery/turns.ts';

describe('turns', () => {
  it('let so many run at once, in the order in which they came, whether they succeed or fail', async () => {
    const turns = createTurns(2);
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
});

import { describe, expect, it } from 'vitest';
import { createTicker, secondsLeft } from '../../../bench/progress.ts';

const PLAN = [
  { name: 'one', seconds: 10 },
  { name: 'two', seconds: 20 },
  { name: 'three', seconds: 30 },
];

describe('the progress of the benchmark', () => {
  it('knows the time left from the plan, and counts the running part down to nothing', () => {
    expect(secondsLeft(PLAN, { parts: 0, seconds: 0 }, 0)).toBe(60);
    expect(secondsLeft(PLAN, { parts: 0, seconds: 0 }, 4)).toBe(56);
    expect(secondsLeft(PLAN, { parts: 0, seconds: 0 }, 400)).toBe(50);
  });

  it('expects the rest to be as slow as the parts before', () => {
    expect(secondsLeft(PLAN, { parts: 1, seconds: 20 }, 0)).toBe(100);
    expect(secondsLeft(PLAN, { parts: 2, seconds: 30 }, 10)).toBe(20);
  });

  it('says what is done, for how long, and how long it will take', () => {
    let now = 0;
    const lines: string[] = [];
    const ticker = createTicker(
      PLAN,
      (line) => lines.push(line),
      () => now,
    );
    ticker.begin('one');
    now = 5;
    ticker.progress('half of it');
    now = 10;
    ticker.begin('two');
    ticker.progress('begun');
    expect(lines).toEqual([
      'bench [0:05, about 0:55 left] one: half of it\n',
      'bench [0:10, about 0:50 left] two: begun\n',
    ]);
    expect(ticker.elapsed()).toBe(10);
  });
});

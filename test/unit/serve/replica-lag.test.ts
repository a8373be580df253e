// How far a replica is behind, from what both servers say of their logs.
import { describe, expect, it } from 'vitest';
import { type Behind, heardOf } from '../../../src/serve/replica-lag.ts';

const from = (...positions: readonly (readonly [at: number, written: number])[]): Behind => ({
  has: 100,
  lacks: positions.map(([at, written]) => ({ at, written })),
});

describe('what a replica is known to have', () => {
  it.each([
    ['all of it, where it has replayed what was written', from(), [200, 5000], 5000, from(), 200],
    ['all of it, where it is no standby', from([150, 4000]), [200, 5000], null, from(), 200],
    [
      'nothing newer, where it stands still',
      from([150, 4000]),
      [200, 5000],
      3000,
      from([150, 4000], [200, 5000]),
      100,
    ],
    ['what it has reached since', from([150, 4000]), [200, 5000], 4500, from([200, 5000]), 150],
    ['what a new primary has, where the old one had more', from([150, 9000]), [200, 5000], 5000, from(), 200],
  ] as const)('is %s', (_what, before, [at, written], replayed, { lacks }, has) => {
    expect(heardOf(before, { at, written }, replayed)).toEqual({ has, lacks });
  });

  it('takes bounded room of one that stands still for ever', () => {
    let behind = from();
    for (let at = 101; at < 5000; at += 1) behind = heardOf(behind, { at, written: at }, 0);
    expect(behind.lacks.length).toBeLessThanOrEqual(500);
    expect(behind.has).toBe(100);
    expect(heardOf(behind, { at: 5000, written: 5000 }, 5000)).toEqual({ has: 5000, lacks: [] });
  });
});

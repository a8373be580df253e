import { describe, expect, it } from 'vitest';
import { createTally, tell } from '../../../src/import/outcome.ts';
import { makeReport, reportJson } from '../../../src/import/report.ts';

describe('the report for machines', () => {
  it.each([0, 1, 2500])('is the same in pieces, with %d rows', (count) => {
    const tally = createTally();
    for (let index = 0; index < count; index++)
      tell(tally, {
        kind: 'user',
        outcome: 'added',
        name: `"${index}"@example.org`,
        where: 'f:1',
        because: null,
      });
    const report = makeReport('csv "f"', true, tally);
    const pieces = [...reportJson(report)];
    expect(JSON.parse(pieces.join(''))).toEqual(report);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(200_000);
  });
});

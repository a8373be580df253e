// A day as a picture and in words.
import { describe, expect, it } from 'vitest';
import { CHART_HEIGHT, CHART_WIDTH, chartOf, hoursOf } from '../../../../src/http/page/chart.ts';
import { bytesOf, shownOf, spanOf } from '../../../../src/http/page/words.ts';

const FROM = Date.UTC(2026, 10, 29, 2, 14) / 60_000;
const quiet = new Array<number>(1440).fill(0);

describe('the picture of a day', () => {
  it('has one step for five minutes, as high as their mean, and what is not 0 is to be seen', () => {
    const minutes = [...quiet];
    minutes[0] = 100;
    minutes[1439] = 1;
    const { path, words, peak, total } = chartOf('sealed', minutes, FROM);
    const steps = [...path.matchAll(/V([\d.]+)h1/g)].map(([, height]) => Number(height));
    expect(steps).toHaveLength(CHART_WIDTH);
    expect([steps[0], steps[1], steps.at(-1)]).toEqual([0, CHART_HEIGHT, CHART_HEIGHT - 2]);
    expect({ peak, total }).toEqual({ peak: 'at most 100 a minute, at 02:14 UTC', total: 101 });
    expect(words).toBe(
      'sealed, for each minute of the last 24 hours: 101 recipients in all, at most 100 a minute, at 02:14 UTC; 1 in the last hour',
    );
  });

  it('of nothing is a line at the bottom', () => {
    const { path, peak } = chartOf('deferred', quiet, FROM);
    expect(new Set([...path.matchAll(/V([\d.]+)h1/g)].map(([, height]) => height))).toEqual(
      new Set([CHART_HEIGHT.toFixed(1)]),
    );
    expect(peak).toBe('none');
  });

  it('adds up to the same by the hour, the newest first', () => {
    const minutes = quiet.map((_, minute) => (minute < 60 ? 2 : minute === 1439 ? 5 : 0));
    const hours = hoursOf({ sealed: minutes }, ['sealed', 'passed'], FROM);
    expect(hours).toHaveLength(24);
    expect(hours[0]).toEqual({ from: '01:14 UTC', counts: [5, 0] });
    expect(hours.at(-1)).toEqual({ from: '02:14 UTC', counts: [120, 0] });
  });
});

describe('the words of the page', () => {
  it.each([
    [-3, '0 s'],
    [59, '59 s'],
    [3600, '1 h'],
    [4380, '1 h 13 min'],
    [86_400, '1 d'],
    [400_000, '4 d 15 h'],
  ])('%i seconds are %s', (seconds, words) => expect(spanOf(seconds)).toBe(words));

  it.each([
    [0, '0 bytes'],
    [1023, '1,023 bytes'],
    [1536, '1.5 KiB'],
    [98_765_432_100, '92.0 GiB'],
    [5e18, '4,547,474 TiB'],
  ])('%i bytes are %s', (bytes, words) => expect(bytesOf(bytes)).toBe(words));

  it('hide addresses and what nobody sees, and are bounded', () => {
    expect(shownOf('550 no bob@x.test \u202e\u0000')).toBe('550 no <address> \u{fffd}\u{fffd}');
    expect(shownOf('x'.repeat(100_000)).length).toBe(301);
  });
});

import { describe, expect, it } from 'vitest';
import { clock, median, percentile, threeDigits } from '../../../bench/statistics.ts';

describe('statistics of the benchmark', () => {
  it('takes the middle number as median, and the mean of the two in the middle', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it('gives the number below which a share of all lies, by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile([7, 3], 0.99)).toBe(7);
    expect(percentile([7], 0)).toBe(7);
    expect(percentile([], 0.5)).toBeNaN();
  });

  it.each([
    [0.01234, '0.0123'],
    [0.000012, '0.0000'],
    [1.234, '1.23'],
    [27.149, '27.1'],
    [1234.5, '1235'],
    [0, '0'],
    [Number.NaN, 'not measured'],
    [Number.POSITIVE_INFINITY, 'not measured'],
  ])('writes %d as %s', (value, text) => {
    expect(threeDigits(value)).toBe(text);
  });

  it('writes seconds as minutes and seconds', () => {
    expect(clock(425.4)).toBe('7:05');
    expect(clock(-1)).toBe('0:00');
  });
});

// How long an answer is waited for.
import { describe, expect, it } from 'vitest';
import { within } from '../../../src/pacing/within.ts';

const never = new Promise<string>(() => undefined);

describe('an answer', () => {
  it('in time counts', async () => {
    expect(await within(60_000, Promise.resolve('here'), 'late')).toBe('here');
  });

  it('that is late is replaced', async () => {
    expect(await within(1, never, 'late')).toBe('late');
  });

  it('that fails in time fails', async () => {
    await expect(within(60_000, Promise.reject(new Error('away')), 'late')).rejects.toThrow('away');
  });

  it('that fails later disturbs nobody', async () => {
    let fail: (error: Error) => void = () => undefined;
    const failing = new Promise<string>((_, reject) => {
      fail = reject;
    });
    expect(await within(1, failing, 'late')).toBe('late');
    fail(new Error('too late'));
    await new Promise((resolve) => setImmediate(resolve));
  });
});

// The numbers of the last minute in /status.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createFateCounts, sumOfFates } from '../../../src/observe/fates.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';
import { createRates } from '../../../src/observe/rates.ts';
import { sumOf } from '../../../src/observe/windows.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('count what happened within the last minute, not what was before', async () => {
  const metrics = createMetrics({ processMetrics: false });
  const rates = createRates(metrics);
  metrics.messages.inc({ listener: 'lmtp', outcome: 'accepted' }, 5);
  metrics.messages.inc({ listener: 'smtp', outcome: 'accepted' }, 2);
  metrics.messages.inc({ listener: 'smtp', outcome: 'temporary' });
  expect(await rates.lastMinute()).toEqual({
    accepted: 7,
    temporary: 1,
    permanent: 0,
    lookups: 0,
    filed: 0,
  });
  await vi.advanceTimersByTimeAsync(30_000);
  metrics.lookups.inc({ map: 'transport', protocol: 'socketmap', result: 'found' }, 3);
  metrics.receiverFiled.inc({ source: 'spool' });
  expect(await rates.lastMinute()).toMatchObject({ accepted: 7, lookups: 3, filed: 1 });
  await vi.advanceTimersByTimeAsync(40_000);
  expect(await rates.lastMinute()).toMatchObject({ accepted: 0, lookups: 3, filed: 1 });
  await vi.advanceTimersByTimeAsync(30_000);
  expect(await rates.lastMinute()).toMatchObject({ accepted: 0, lookups: 0, filed: 0 });
  rates.close();
});

it('of several workers are added up', () => {
  expect(sumOf([{ accepted: 1, lookups: 2 }, { accepted: 3 }])).toEqual({ accepted: 4, lookups: 2 });
});

it('what became of messages is counted for the last minute, hour and day', async () => {
  const metrics = createMetrics({ processMetrics: false });
  const fates = createFateCounts(metrics);
  metrics.events.inc({ event: 'sealed' }, 4);
  await vi.advanceTimersByTimeAsync(90_000);
  metrics.events.inc({ event: 'deferred' });
  const now = await fates.now();
  expect(now).toMatchObject({
    last_minute: { sealed: 0, deferred: 1, refused: 0 },
    last_hour: { sealed: 4, deferred: 1 },
    last_day: { sealed: 4, deferred: 1 },
  });
  expect(sumOfFates([now, now]).last_hour).toMatchObject({ sealed: 8, deferred: 2 });
  await vi.advanceTimersByTimeAsync(62 * 60_000);
  expect(await fates.now()).toMatchObject({ last_hour: { sealed: 0 }, last_day: { sealed: 4 } });
  await vi.advanceTimersByTimeAsync(24 * 3_600_000);
  expect(await fates.now()).toMatchObject({ last_day: { sealed: 0, deferred: 0 } });
  fates.close();
});

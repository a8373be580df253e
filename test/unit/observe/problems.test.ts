// The last problems: what the log has had at warn and above, by its code.
import { describe, expect, it } from 'vitest';
import { createLogger } from '../../../src/observe/log.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';
import { createPassedCounts, sumOfPassed } from '../../../src/observe/passed.ts';
import { createProblems, sumOfProblems } from '../../../src/observe/problems.ts';

describe('the problems', () => {
  it('are the codes of warnings and errors, of children of the logger too, the newest first', () => {
    const clock = { now: 1000 };
    const problems = createProblems(() => clock.now);
    const told: string[] = [];
    const lines: string[] = [];
    const logger = createLogger({
      level: 'info',
      destination: { write: (line: string) => void lines.push(line) },
      noticed: problems.note,
    });
    logger.warn({ event: 'database_lost' }, 'away');
    problems.follow((event, count) => told.push(`${event} ${count}`));
    clock.now = 2000;
    logger.child({ listener: 'lmtp' }).error({ event: 'mail_loop', to: 'bob@x.test' }, 'a loop');
    clock.now = 3000;
    logger.child({ a: 1 }).child({ b: 2 }).error({ event: 'database_lost' }, 'away');
    logger.info({ event: 'database_back' }, 'back');
    logger.warn('without a code');
    logger.warn({ event: '__proto__' }, 'no code of ours');
    expect(problems.recent()).toEqual([
      { event: 'database_lost', level: 'error', count: 2, last: 3000 },
      { event: 'mail_loop', level: 'error', count: 1, last: 2000 },
    ]);
    expect(told).toEqual(['database_lost 1', 'mail_loop 1', 'database_lost 1']);
    expect(lines).toHaveLength(6);
  });

  it('of several processes are one list', () => {
    const one = [{ event: 'mail_loop', level: 'error', count: 2, last: 5 }] as const;
    const other = [
      { event: 'config_odd', level: 'warn', count: 1, last: 9 },
      { event: 'mail_loop', level: 'warn', count: 3, last: 7 },
    ] as const;
    expect(sumOfProblems([one, other])).toEqual([
      { event: 'config_odd', level: 'warn', count: 1, last: 9 },
      { event: 'mail_loop', level: 'error', count: 5, last: 7 },
    ]);
  });
});

describe('what passed', () => {
  it('is counted by the word of the decision; by choice and unknown addresses beside it', async () => {
    const metrics = createMetrics({ processMetrics: false });
    const passed = createPassedCounts(metrics);
    metrics.copies.inc({ action: 'pass', because: 'no key' }, 3);
    metrics.copies.inc({ action: 'seal', because: 'usable key' }, 9);
    metrics.copies.inc({ action: 'pass', because: 'rule' });
    metrics.plaintextByChoice.inc({ because: 'rule' });
    metrics.plaintextUnknown.inc(2);
    const now = await passed.now();
    passed.close();
    const counts = { no_key: 3, rule: 1, by_choice: 1, unknown_address: 2 };
    expect(now).toEqual({ last_hour: counts, last_day: counts });
    expect(sumOfPassed([now, now]).last_day).toEqual({
      no_key: 6,
      rule: 2,
      by_choice: 2,
      unknown_address: 4,
    });
    expect(sumOfPassed([]).last_hour).toEqual({ by_choice: 0, unknown_address: 0 });
  });
});

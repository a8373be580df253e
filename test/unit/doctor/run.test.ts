// The runner of `sealpost doctor`: what cannot be seen is never green, and nothing holds it up.
import { describe, expect, it } from 'vitest';
import { type Check, check, ok, warning } from '../../../src/doctor/check.ts';
import { type FactName, type Facts, type Readers, Unseen } from '../../../src/doctor/facts.ts';
import { exitCodeOf, runChecks } from '../../../src/doctor/run.ts';
import { world } from './world.ts';

/** Readers that give what a well machine has, except for those that are named. */
function readers(others: Partial<Readers>): Readers {
  const facts = world('delivery-virtual');
  const names = Object.keys(facts) as FactName[];
  const all = Object.fromEntries(names.map((name) => [name, async () => facts[name]]));
  return { ...(all as unknown as Readers), ...others };
}

const looks = (code: string, ...reads: FactName[]): Check =>
  check({ code, why: 'it matters', mend: 'do it', reads, judge: () => ok('well') });

const LIMIT_MS = 50;

describe('the runner of doctor', () => {
  it('asks for each kind of facts once, and judges by them', async () => {
    let asked = 0;
    const seen: Partial<Facts>[] = [];
    const hears: Check = {
      ...looks('b', 'notification'),
      judge: (facts) => {
        seen.push(facts);
        return warning('late');
      },
    };
    const counted = readers({ notification: async () => (asked += 1) });
    const { results } = await runChecks({
      readers: counted,
      checks: [looks('a', 'notification'), hears],
      limitMs: LIMIT_MS,
    });
    expect(asked).toBe(1);
    expect(seen).toEqual([{ notification: 1 }]);
    expect(results.map(({ code, level }) => [code, level])).toEqual([
      ['a', 'ok'],
      ['b', 'warning'],
    ]);
  });

  it('says by name what was not looked at, and why', async () => {
    const blind = readers({
      postfix: async () => {
        throw new Unseen('there is no Postfix on this machine', true);
      },
      disks: async () => {
        throw new Error('EACCES: permission denied');
      },
      // What rests on others is not seen for the same reason.
      transports: async (ask) => {
        await ask('postfix');
        throw new Error('never');
      },
    });
    const { results } = await runChecks({
      readers: blind,
      checks: [looks('a', 'machine', 'postfix'), looks('b', 'disks'), looks('c', 'transports')],
      limitMs: LIMIT_MS,
    });
    const because = (reason: string, expected: boolean) => ({
      level: 'not_looked',
      found: `not looked at because ${reason}`,
      expected,
    });
    expect(results).toMatchObject([
      because('there is no Postfix on this machine', true),
      because('EACCES: permission denied', false),
      because('there is no Postfix on this machine', true),
    ]);
  });

  it('does not wait for what hangs', async () => {
    const hanging = readers({ hops: () => new Promise(() => undefined) });
    const { results, late } = await runChecks({
      readers: hanging,
      checks: [looks('a', 'hops'), looks('b', 'machine')],
      limitMs: LIMIT_MS,
    });
    expect(late).toBe(true);
    expect(results).toMatchObject([
      { level: 'not_looked', found: 'not looked at because it took longer than 0.05 s', expected: false },
      { level: 'ok' },
    ]);
  });

  it('calls a check that fails not looked at', async () => {
    const fails: Check = {
      ...looks('a', 'machine'),
      judge: () => {
        throw new TypeError('undefined is not a function');
      },
    };
    const { results } = await runChecks({ readers: readers({}), checks: [fails], limitMs: LIMIT_MS });
    expect(exitCodeOf(results)).toBe(1);
  });

  it.each([
    [0, ['ok', 'skipped']],
    [1, ['ok', 'warning']],
    [1, ['ok', 'blind']],
    [2, ['warning', 'error', 'ok']],
  ] as const)('ends with %i for %j', (code, levels) => {
    const findings = levels.map((level) =>
      level === 'skipped' || level === 'blind'
        ? { level: 'not_looked' as const, found: '', expected: level === 'skipped' }
        : { level, found: '' },
    );
    expect(exitCodeOf(findings)).toBe(code);
  });
});

// The last lines of `npm test`, which a machine reads: what failed, what was skipped and why, and the totals.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  count,
  createReport,
  finish,
  root,
  skip,
  type VitestResult,
  type VitestTest,
} from '../../../packaging/report.mjs';

const passed: VitestTest = { fullName: 'is well', status: 'passed', failureMessages: [] };
const failed: VitestTest = { fullName: 'is ill', status: 'failed', failureMessages: ['Error: 1\n  at x'] };
const again: VitestTest = { fullName: 'was ill', status: 'passed', failureMessages: ['Error: 2'] };
const without = (...needs: readonly string[]): VitestTest => ({
  fullName: 'is left out',
  status: 'skipped',
  failureMessages: [],
  meta: { needs },
});

function resultOf(tests: readonly VitestTest[], file = { status: 'passed', message: '' }): VitestResult {
  const having = (status: string) => tests.filter((test) => test.status === status).length;
  return {
    numPassedTests: having('passed'),
    numFailedTests: having('failed'),
    numPendingTests: having('skipped'),
    numTodoTests: 0,
    testResults: [{ name: join(root, 'test/e2e/x.test.ts'), ...file, assertionResults: tests }],
  };
}

function endOf(result: VitestResult, missing: readonly { name: string; reason: string }[] = []) {
  const report = createReport(missing);
  count(report, result);
  const lines: string[] = [];
  const code = finish(report, (text) => lines.push(...text.split('\n')));
  return { code, lines: lines.filter((line) => line !== '' && !line.startsWith('in ')) };
}

describe('the end of a run', () => {
  it('is one line of totals, and exit code 0, where all is well', () => {
    expect(endOf(resultOf([passed, passed]))).toEqual({
      code: 0,
      lines: ['total: 2 passed, 0 failed, 0 skipped'],
    });
  });

  it('names what failed, and what passed at the second attempt', () => {
    expect(endOf(resultOf([passed, failed, again]))).toEqual({
      code: 1,
      lines: [
        '  test/e2e/x.test.ts: is ill: Error: 1',
        'passed at the second attempt only, and to be looked at all the same:',
        '  test/e2e/x.test.ts: was ill: Error: 2',
        'total: 2 passed, 1 failed, 0 skipped',
      ],
    });
  });

  it('says once for each file and tool why tests were skipped, in the words of the installation where it tried', () => {
    const reason = 'apt-get could not install it: no such package';
    const tests = [
      passed,
      without('sq: /usr/bin/sq is not installed'),
      without('sq: x', 'npm: away: really'),
    ];
    expect(endOf(resultOf(tests), [{ name: 'sq', reason }])).toEqual({
      code: 0,
      lines: [
        `skipped: test/e2e/x.test.ts needs sq: ${reason} (2 tests)`,
        'skipped: test/e2e/x.test.ts needs npm: away: really',
        'total: 1 passed, 0 failed, 2 skipped',
      ],
    });
  });

  it('is a failure where a test is skipped without a reason', () => {
    expect(endOf(resultOf([passed, without()]))).toEqual({
      code: 1,
      lines: [
        '  test/e2e/x.test.ts: is left out: skipped without a reason',
        'total: 1 passed, 1 failed, 1 skipped',
      ],
    });
  });

  it('is a failure where a file fails outside of its tests, or nothing was run', () => {
    const broken = resultOf([passed, without()], { status: 'failed', message: 'Error: no stand\n at y' });
    expect(endOf(broken)).toEqual({
      code: 1,
      lines: ['  test/e2e/x.test.ts: Error: no stand', 'total: 1 passed, 1 failed, 1 skipped'],
    });
    expect(endOf(resultOf([])).code).toBe(1);
  });

  it('counts a step that the machine cannot make', () => {
    const report = createReport();
    count(report, resultOf([passed]));
    skip(report, 'the unit tests on Node.js 24', 'not installed');
    const lines: string[] = [];
    expect(finish(report, (text) => lines.push(text))).toBe(0);
    expect(lines).toContain('skipped: the unit tests on Node.js 24: not installed');
    expect(lines.at(-1)).toBe('total: 1 passed, 0 failed, 1 skipped');
  });
});

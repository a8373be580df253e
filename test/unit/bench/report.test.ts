import { describe, expect, it } from 'vitest';
import { isMet, type Report, renderReport } from '../../../bench/report.ts';

const part = { name: 'pipe', title: 'Pipe filter' };

const report = (more: Partial<Report>): Report => ({
  startedAt: new Date('2026-01-02T03:04:05Z'),
  seconds: 425,
  command: 'npm run bench',
  machine: {
    cores: 2,
    model: 'a processor',
    memoryGigabytes: 24,
    node: '20.20.2',
    load: 0.1,
    busyShare: 0.02,
    othersShare: 0.03,
    quiet: true,
  },
  outcomes: [],
  plots: [],
  ...more,
});

describe('the report of the benchmark', () => {
  it('judges a figure by its target, and takes the border as the words say', () => {
    expect(isMet(40, { is: 'at least', value: 40 })).toBe(true);
    expect(isMet(39.9, { is: 'at least', value: 40 })).toBe(false);
    expect(isMet(1.4, { is: 'at most', value: 1.4 })).toBe(true);
    expect(isMet(20, { is: 'below', value: 20 })).toBe(false);
    expect(isMet(1, { is: 'above', value: 1 })).toBe(false);
    expect(isMet(Number.NaN, { is: 'at least', value: 0 })).toBe(false);
  });

  it('begins with the targets, then the other ratios, then the tables', () => {
    const text = renderReport(
      report({
        outcomes: [
          {
            part,
            result: {
              rows: [{ work: 'sealpost-pipe', figures: { 'p50 ms': 63.4 } }],
              findings: [
                { what: 'over Python', measured: 1.7 },
                { what: 'over Node.js', measured: 1.5, target: { is: 'at most', value: 1.4 } },
                { what: 'delay', measured: 12, unit: 'ms', target: { is: 'below', value: 20 } },
              ],
              notes: ['A note.'],
            },
          },
        ],
        plots: [{ part: 'pipe', name: 'pipe', title: 'One call' }],
      }),
    );
    expect(text).toContain('| over Node.js | at most 1.4 | 1.50 | **not met** |');
    expect(text).toContain('| delay | below 20 ms | 12.0 ms | met |');
    expect(text).toContain('| over Python | 1.70 |');
    expect(text).toContain('| work | p50 ms |\n|---|---|\n| sealpost-pipe | 63.4 |');
    expect(text).toContain('![One call](pipe.svg)');
    const order = ['## Targets', '## More ratios', '## Pipe filter', 'A note.'].map((each) =>
      text.indexOf(each),
    );
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order).not.toContain(-1);
  });

  it('leaves a cell empty where a row has no such figure', () => {
    const rows = [
      { work: 'a', figures: { 'messages/s': 10, 'CPU ms/message': 2 } },
      { work: 'b', figures: { 'messages/s': 20 } },
    ];
    const text = renderReport(report({ outcomes: [{ part, result: { rows } }] }));
    expect(text).toContain(
      '| work | messages/s | CPU ms/message |\n|---|---|---|\n| a | 10.0 | 2.00 |\n| b | 20.0 |  |',
    );
  });

  it('prints no figure of a part that was refused, but the reason', () => {
    const text = renderReport(report({ outcomes: [{ part, refused: '20 were expected, 19 arrived' }] }));
    expect(text).toContain('**Without figures, for the reason given below: Pipe filter.**');
    expect(text).toContain('## Pipe filter\n\nNo figures: 20 were expected, 19 arrived');
  });

  it('warns when the machine was not quiet', () => {
    const { machine } = report({});
    const text = renderReport(report({ machine: { ...machine, busyShare: 0.6, quiet: false } }));
    expect(text).toContain('60 % of the processors in use');
    expect(text).toContain('**The machine was not quiet');
    expect(renderReport(report({}))).not.toContain('not quiet');
  });
});

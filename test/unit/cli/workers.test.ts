// What several workers say as one, and what each of them may use.
import { describe, expect, it } from 'vitest';
import { shareOf } from '../../../src/cli/share.ts';
import { combinedHealth, combinedStatus } from '../../../src/cli/worker-link.ts';
import { configSchema } from '../../../src/config/schema.ts';

describe('the share of a worker', () => {
  it('divides memory and connections, and leaves everything else as it is', () => {
    const config = configSchema.parse({ filter: { memory_budget: '256MB', max_connections: 501 } });
    const share = shareOf(config, 2);
    expect(share.filter.memory_budget).toBe(config.filter.memory_budget / 2);
    expect(share.filter.max_connections).toBe(251);
    expect(share.filter.next_hop_connections).toBe(25);
    expect(share.filter.max_message_size).toBe(config.filter.max_message_size);
    expect({ ...share, filter: null }).toEqual({ ...config, filter: null });
  });

  it('is never nothing', () => {
    const config = configSchema.parse({ filter: { next_hop_connections: 1 } });
    expect(shareOf(config, 8).filter.next_hop_connections).toBe(1);
  });
});

const status = (pid: number, connections: number) => ({
  pid,
  version: '1.0',
  listeners: [{ name: 'lmtp', address: '127.0.0.1:10024', connections }],
  in_flight: { transactions: connections, bytes: 100, late: 0 },
});

describe('the status of all workers', () => {
  it('adds up connections and what is in flight, and names each worker', () => {
    expect(combinedStatus([status(11, 2), status(12, 3)])).toEqual({
      version: '1.0',
      pid: process.pid,
      workers: [
        { pid: 11, in_flight: { transactions: 2, bytes: 100, late: 0 } },
        { pid: 12, in_flight: { transactions: 3, bytes: 100, late: 0 } },
      ],
      listeners: [{ name: 'lmtp', address: '127.0.0.1:10024', connections: 5 }],
      in_flight: { transactions: 5, bytes: 200, late: 0 },
    });
  });
});

describe('the health of all workers', () => {
  const well = { ready: true, reasons: [] };
  const ill = { ready: false, reasons: ['the database does not answer'] };
  it.each([
    ['all are ready', [well, well], { ready: true, reasons: [] }],
    ['one is not', [well, ill], ill],
    ['both have the same trouble: it is said once', [ill, ill], ill],
    ['one is missing', [well], { ready: false, reasons: ['1 of 2 workers are not running'] }],
    [
      'one is missing and the other in trouble',
      [ill],
      { ready: false, reasons: ['the database does not answer', '1 of 2 workers are not running'] },
    ],
  ])('%s', (_, healths, expected) => {
    expect(combinedHealth(healths, 2)).toEqual(expected);
  });
});

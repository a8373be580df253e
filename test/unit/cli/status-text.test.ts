// `sealpost status` as a person reads it.
import { describe, expect, it } from 'vitest';
import { type Status, statusInWords, timeInWords } from '../../../src/cli/status-text.ts';

const counts = { sealed: 3, passed: 1, deferred: 0, refused: 0, duplicate: 0, filed: 0, returned: 2 };
const STATUS: Status = {
  version: '1.0.0',
  config: '/etc/sealpost/sealpost.toml',
  database_name: 'postgres://sealpost@db/sealpost',
  running: true,
  serve: {
    version: '1.0.0',
    pid: 77,
    uptime_seconds: 7260,
    next_hop: 'smtp:127.0.0.1:10026',
    listeners: [{ name: 'lmtp', address: '127.0.0.1:10024', connections: 4 }],
    in_flight: { transactions: 2, bytes: 8000, late: 0 },
    fates: { last_minute: { ...counts, sealed: 1, returned: 0 }, last_hour: counts, last_day: counts },
  },
  database: { domains: 1, users: 12, users_with_keys: 10, users_without_keys: 2, queue_messages: 0 },
  problems: [],
};

describe('status', () => {
  it('tells what runs, what it did, and who has a key, and names configuration and database', () => {
    const lines = statusInWords(STATUS).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'configuration  /etc/sealpost/sealpost.toml',
        'database       postgres://sealpost@db/sealpost',
        'serve          running for 2 h 1 min (pid 77, version 1.0.0)',
        'listeners      lmtp 127.0.0.1:10024, 4 connections',
        'users          12: 10 with a key, 2 without',
        '* since serve was started, 2 h 1 min ago',
      ]),
    );
    const numbers = lines.map((line) => line.trim().split(/\s{2,}/));
    expect(numbers).toEqual(
      expect.arrayContaining([
        ['recipients', 'last minute', 'last hour', 'last day *'],
        ['sealed', '1', '3', '3'],
        ['deferred', '0', '0', '0'],
        ['returned', '0', '2', '2'],
      ]),
    );
    // What never happened is left out, except for what everybody looks for.
    expect(lines.join('\n')).not.toContain('duplicate');
    expect(lines.at(-1)).toMatch(/Nothing is wrong/);
  });

  it('tells what is left when serve or the database are away', () => {
    const away = statusInWords({
      ...STATUS,
      running: false,
      serve: null,
      problems: ['no serve answers on 127.0.0.1:9321'],
    });
    expect(away).toContain('not running; start it with: sealpost serve');
    expect(away).toContain('users          12');
    expect(away).toContain('Wrong:\n  no serve answers on 127.0.0.1:9321');
    const blind = statusInWords({ ...STATUS, database: null, problems: ['what it holds is not known'] });
    expect(blind).toContain('running for');
    expect(blind).not.toContain('users ');
  });

  it.each([
    [12, '12 s'],
    [600, '10 min'],
    [7260, '2 h 1 min'],
    [200_000, '2 d 7 h'],
  ])('%i seconds are %s', (seconds, words) => {
    expect(timeInWords(seconds)).toBe(words);
  });
});

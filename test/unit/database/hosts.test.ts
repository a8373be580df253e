import { describe, expect, it } from 'vitest';
import { createHosts, neededRoles, nextIndex, type RoleFacts, whyNot } from '../../../src/database/hosts.ts';
import { lifetimeSeconds } from '../../../src/database/open.ts';

const server = (name: string) => ({ name, settings: () => ({ host: name }) });

describe('the role of a server', () => {
  const STANDBY: RoleFacts = { standby: true, readOnly: false };
  const READ_ONLY: RoleFacts = { standby: false, readOnly: true };
  const PRIMARY: RoleFacts = { standby: false, readOnly: false };
  it.each([
    ['write', STANDBY, false],
    ['write', READ_ONLY, false],
    ['write', PRIMARY, true],
    // A pooler, or PostgreSQL 13, tells nothing: it is asked later.
    ['write', {}, true],
    ['any', STANDBY, true],
    ['any', READ_ONLY, true],
    ['primary', STANDBY, false],
    ['primary', READ_ONLY, true],
    ['standby', STANDBY, true],
    ['standby', PRIMARY, false],
    ['read-only', STANDBY, true],
    ['read-only', READ_ONLY, true],
    ['read-only', PRIMARY, false],
  ] as const)('%s of one that says %j: %j', (needed, facts, serves) => {
    expect(whyNot(needed, facts) === null).toBe(serves);
  });

  it('is to take writes for database.url, whatever its URL says, and as the URL says for database.read_url', () => {
    expect(neededRoles('any', 'write')).toEqual(['write']);
    expect(neededRoles('standby', 'read')).toEqual(['standby']);
    expect(neededRoles('prefer-standby', 'read')).toEqual(['standby', 'any']);
    expect(neededRoles(undefined, 'read')).toEqual(['any']);
    expect(neededRoles('read-write', 'look')).toEqual(['write', 'any']);
  });
});

describe('the server that is tried next', () => {
  it.each([
    ['the first one', [0, 0, 0], 0],
    ['the second one where the first has just failed', [9000, 0, 0], 1],
    ['the first one again after a while', [-2000, 0, 0], 0],
    ['the one that failed longest ago where all have', [9000, 8000, 8500], 1],
  ])('is %s', (_, failedAt, expected) => {
    expect(nextIndex(failedAt, 9500)).toBe(expected);
  });

  it('is another one after each failure, until all were tried, also within one millisecond', () => {
    const hosts = createHosts(['a', 'b', 'c'].map(server), {
      needed: ['write'],
      patience: 3000,
      now: () => 5,
    });
    const tried = Array.from({ length: 6 }, () => {
      const candidate = hosts.next();
      hosts.failed(candidate);
      return candidate.name;
    });
    expect(tried).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
    expect(hosts.patience).toBe(1000);
  });

  it('is a standby before any other where standbys are preferred', () => {
    const hosts = createHosts(['a', 'b'].map(server), { needed: ['standby', 'any'], patience: 1000 });
    const tried = Array.from({ length: hosts.count }, () => {
      const candidate = hosts.next();
      hosts.failed(candidate);
      return `${candidate.name} ${candidate.needed}`;
    });
    expect(tried).toEqual(['a standby', 'b standby', 'a any', 'b any']);
  });

  it('is drawn where hosts are balanced, and never one that has just failed', () => {
    const hosts = createHosts(['a', 'b', 'c'].map(server), {
      needed: ['any'],
      patience: 1000,
      balanced: true,
    });
    const first = hosts.next();
    hosts.failed(first);
    const names = new Set(Array.from({ length: 100 }, () => hosts.next().name));
    expect(names.size).toBe(2);
    expect(names).not.toContain(first.name);
  });
});

it('ends connections at different moments, none after connection_max_age', () => {
  expect([0, 0.5, 1].map((drawn) => lifetimeSeconds(600_000, () => drawn))).toEqual([480, 540, 600]);
  expect(lifetimeSeconds(500, () => 0)).toBe(1);
});

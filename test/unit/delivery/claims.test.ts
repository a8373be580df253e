// What is under way, here and in the other processes of one serve.
import { describe, expect, it } from 'vitest';
import { type Claims, createClaims } from '../../../src/delivery/claims.ts';

/** Two processes whose news reach each other at once. */
function pair(): { readonly first: Claims; readonly second: Claims; readonly news: string[] } {
  const news: string[] = [];
  const all: { first: Claims | null; second: Claims | null } = { first: null, second: null };
  const peersOf = (other: 'first' | 'second') => ({
    announce: (ids: readonly string[]) => {
      news.push(`announce ${ids.join(' ')}`);
      all[other]?.heard('announce', ids);
    },
    withdraw: (ids: readonly string[]) => {
      news.push(`withdraw ${ids.join(' ')}`);
      all[other]?.heard('withdraw', ids);
    },
  });
  const first = createClaims(peersOf('second'));
  const second = createClaims(peersOf('first'));
  all.first = first;
  all.second = second;
  return { first, second, news };
}

describe('a claim', () => {
  it('is taken once, until it is released', () => {
    const claims = createClaims(null);
    expect(claims.take('m r')).toBe(true);
    expect(claims.take('m r')).toBe(false);
    expect(claims.take('m other')).toBe(true);
    claims.release(['m r']);
    expect(claims.take('m r')).toBe(true);
  });

  it('of which somebody still waits for the end is not told to the other processes', () => {
    const { first, second, news } = pair();
    first.take('m r');
    expect(second.take('m r')).toBe(true);
    first.release(['m r']);
    expect(news).toEqual([]);
  });

  it('for which nobody waits any more holds in the other processes until its fate is known', () => {
    const { first, second, news } = pair();
    first.take('m r');
    first.abandon(['m r', 'm never taken']);
    first.abandon(['m r']);
    expect(second.take('m r')).toBe(false);
    expect(second.take('m never taken')).toBe(true);
    first.release(['m r']);
    expect(second.take('m r')).toBe(true);
    expect(news).toEqual(['announce m r', 'withdraw m r']);
  });

  it('that was released before it could be abandoned stays free', () => {
    const { first, second, news } = pair();
    first.take('m r');
    first.release(['m r']);
    first.abandon(['m r']);
    expect(second.take('m r')).toBe(true);
    expect(news).toEqual([]);
  });
});

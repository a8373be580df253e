// The memory budget, without a connection around it.
import { describe, expect, it } from 'vitest';
import { createBudget } from '../../../src/smtp/server/budget.ts';

describe('the memory budget', () => {
  it('admits up to its limit and counts what is held', () => {
    const budget = createBudget(100);
    const first = budget.request(60);
    expect(budget.request(41)).toBeNull();
    const second = budget.request(40);
    expect(budget.used()).toBe(100);
    expect(budget.request(0)).toBeNull();
    first?.release();
    second?.release();
    expect(budget.used()).toBe(0);
  });

  it('admits one message of any size when nothing is in flight, and lets it grow', () => {
    const budget = createBudget(100);
    const only = budget.request(500);
    expect(only?.grow(500)).toBe(true);
    expect(budget.request(1)).toBeNull();
    only?.release();
    expect(budget.request(1)).not.toBeNull();
  });

  it('lets nobody grow beyond the limit beside another, and keeps what was held', () => {
    const budget = createBudget(100);
    const first = budget.request(50);
    const second = budget.request(10);
    expect(second?.grow(41)).toBe(false);
    expect(second?.grow(40)).toBe(true);
    first?.release();
    expect(second?.grow(1000)).toBe(true);
    expect(budget.used()).toBe(1050);
  });

  it('counts the real size once it is known, and gives back only once', () => {
    const budget = createBudget(100);
    const lease = budget.request(90);
    lease?.settle(20);
    expect(budget.used()).toBe(20);
    lease?.release();
    lease?.release();
    lease?.settle(70);
    expect(lease?.grow(1)).toBe(false);
    expect(budget.used()).toBe(0);
  });
});

// What serve looks at by itself, and when /readyz says so.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createEcho } from '../../../src/delivery/echo.ts';
import { createVigil, type Watched } from '../../../src/serve/vigil.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Something whose state is set from outside, and what it was told. */
function thing(patienceMs: number) {
  const told: string[] = [];
  const state: { answer: () => Promise<string | null> } = { answer: async () => null };
  const watched: Watched = {
    patienceMs,
    look: () => state.answer(),
    lost: (because) => told.push(because),
    back: () => told.push('back'),
  };
  return { watched, told, state };
}

const EVERY = { everyMs: 15_000, limitMs: 10_000 };
const rounds = (count: number) => vi.advanceTimersByTimeAsync(15_000 * count + 1);

describe('the vigil', () => {
  it('complains of a next hop that refuses for a minute, and no sooner', async () => {
    const { watched, told, state } = thing(60_000);
    state.answer = async () => 'the next hop refuses';
    const vigil = createVigil([watched], EVERY);
    await rounds(3);
    expect({ told, complaints: vigil.complaints() }).toEqual({
      told: ['the next hop refuses'],
      complaints: [],
    });
    await rounds(1);
    expect(vigil.complaints()).toEqual(['the next hop refuses']);
    state.answer = async () => null;
    await rounds(1);
    expect(vigil.complaints()).toEqual([]);
    expect(told).toEqual(['the next hop refuses', 'back']);
    vigil.close();
  });

  it.each([
    ['that fails', async () => Promise.reject(new Error('Connection terminated unexpectedly'))],
    ['that does not end', () => new Promise<never>(() => undefined)],
  ])('takes a look %s for a finding, but not where only answers count', async (_how, look) => {
    const [plain, answers] = [thing(0), thing(0)];
    const vigil = createVigil([plain.watched, { ...answers.watched, onlyAnswers: true }], EVERY);
    await rounds(1);
    plain.state.answer = look;
    answers.state.answer = look;
    await rounds(3);
    expect([plain.told, answers.told]).toEqual([[expect.any(String)], []]);
    // And what was found stays until there is an answer.
    answers.state.answer = async () => 'the pooler is too old';
    await rounds(2);
    answers.state.answer = look;
    await rounds(3);
    expect(answers.told).toEqual(['the pooler is too old']);
    expect(vigil.complaints()).toContain('the pooler is too old');
    vigil.close();
  });

  it('begins anew after each recovery', async () => {
    const { watched, state } = thing(60_000);
    state.answer = async () => 'no';
    const vigil = createVigil([watched], EVERY);
    await rounds(3);
    state.answer = async () => null;
    await rounds(1);
    state.answer = async () => 'no';
    await rounds(3);
    expect(vigil.complaints()).toEqual([]);
    vigil.close();
  });

  it('takes a failure and a silence for trouble, each with its reason, and looks at the others all the same', async () => {
    const [fails, hangs, well] = [thing(0), thing(0), thing(0)];
    fails.state.answer = async () => {
      throw new Error('ENOSPC: no space left on device');
    };
    hangs.state.answer = () => new Promise(() => undefined);
    const vigil = createVigil([fails.watched, hangs.watched, well.watched], EVERY);
    await rounds(1);
    expect(vigil.complaints()).toEqual(['ENOSPC: no space left on device', 'no answer within 10 s']);
    expect(well.told).toEqual([]);
    vigil.close();
  });

  it('looks at nothing once it is closed', async () => {
    const { watched, state } = thing(0);
    const look = vi.fn(async () => null);
    state.answer = look;
    const vigil = createVigil([watched], EVERY);
    await rounds(1);
    vigil.close();
    const before = look.mock.calls.length;
    await rounds(3);
    expect(look).toHaveBeenCalledTimes(before);
  });
});

describe('the echo', () => {
  it('hears its own nonce, and not another one', async () => {
    const pool = { query: vi.fn(async (_text: string, _values: unknown[]) => ({ rows: [] })) };
    const echo = createEcho(pool as never, 5000);
    const heard = echo.hears();
    await vi.advanceTimersByTimeAsync(1);
    const [channel, nonce] = (pool.query.mock.calls[0]?.[1] ?? []) as [string?, string?];
    expect(channel).toBe(echo.channel);
    echo.onPayload(nonce ?? '');
    expect(await heard).toBe(true);
    const unheard = echo.hears();
    echo.onPayload('another');
    await vi.advanceTimersByTimeAsync(5001);
    expect(await unheard).toBe(false);
  });
});

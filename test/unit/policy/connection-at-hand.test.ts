// The connection kept at hand: one of the pool's, used when it is free, given back when it breaks or at the end.
import { EventEmitter } from 'node:events';
import type pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import { keepConnectionAtHand } from '../../../policy/connection-at-hand.ts';

class FakeClient extends EventEmitter {
  readonly releases: boolean[] = [];
  answer: () => Promise<unknown> = async () => 'by hand';
  query(): Promise<unknown> {
    return this.answer();
  }
  release(broken = false): void {
    this.releases.push(broken);
  }
}

function fakePool(max = 10, maxLifetimeSeconds = 0) {
  const clients: FakeClient[] = [];
  const pool = {
    options: { max, maxLifetimeSeconds },
    query: async () => 'by pool',
    connect: async () => {
      const client = new FakeClient();
      clients.push(client);
      return client;
    },
  };
  const kept = keepConnectionAtHand(pool as unknown as pg.Pool);
  const ask = () => kept.query({ text: 'SELECT 1' }) as unknown as Promise<string>;
  return { clients, kept, ask };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('a connection at hand', () => {
  it('is taken once, after the first question, and answers from then on', async () => {
    const { clients, ask } = fakePool();
    const answers = [];
    for (let round = 0; round < 5; round += 1) {
      answers.push(await ask());
      await settled();
    }
    expect(answers).toEqual(['by pool', 'by hand', 'by hand', 'by hand', 'by hand']);
    expect(clients).toHaveLength(1);
  });
  it('is taken once, however many questions come at the same time', async () => {
    const { clients, ask } = fakePool();
    await Promise.all(Array.from({ length: 20 }, ask));
    await settled();
    await Promise.all(Array.from({ length: 20 }, ask));
    expect(clients).toHaveLength(1);
  });
  it('is left to its question: others go to the pool', async () => {
    const { clients, ask } = fakePool();
    await ask();
    await settled();
    const [client] = clients;
    let answer: (value: string) => void = () => undefined;
    if (client !== undefined) client.answer = () => new Promise((resolve) => (answer = resolve));
    const first = ask();
    expect(await ask()).toBe('by pool');
    answer('late');
    expect(await first).toBe('late');
  });
  it('is given back as broken after an error, and another one is taken', async () => {
    const { clients, ask } = fakePool();
    await ask();
    await settled();
    const [client] = clients;
    if (client !== undefined) client.answer = () => Promise.reject(new Error('terminated'));
    await expect(ask()).rejects.toThrow('terminated');
    expect(client?.releases).toEqual([true]);
    expect(await ask()).toBe('by pool');
    await settled();
    expect(await ask()).toBe('by hand');
  });
  it('is given back once when it ends by itself', async () => {
    const { clients, ask } = fakePool();
    await ask();
    await settled();
    clients[0]?.emit('error', new Error('reset'));
    clients[0]?.emit('end');
    expect(clients[0]?.releases).toEqual([true]);
    expect(await ask()).toBe('by pool');
  });
  it('is left in a pool that has no other one', async () => {
    const { clients, ask } = fakePool(1);
    await ask();
    await settled();
    expect(await ask()).toBe('by pool');
    expect(clients).toEqual([]);
  });
  it('is given back at the end, also one that is still on its way', async () => {
    const { clients, kept, ask } = fakePool();
    await ask();
    kept.release();
    await settled();
    expect(clients.map(({ releases }) => releases)).toEqual([[false]]);
    await ask();
    await settled();
    expect(clients).toHaveLength(1);
  });
  it.each([
    ['10 s', 0, 10_000],
    ['10 s, whatever the longest life of a connection', 600, 10_000],
    ['the longest life of a connection', 1, 1000],
  ])('goes back to the pool, whole, after %s: the pool knows its age', async (_what, longest, kept) => {
    const { clients, ask } = fakePool(10, longest);
    await ask();
    await settled();
    const now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now + kept - 100);
    expect(await ask()).toBe('by hand');
    clock.mockReturnValue(now + kept + 100);
    expect(await ask()).toBe('by pool');
    clock.mockRestore();
    expect(clients[0]?.releases).toEqual([false]);
    expect(clients[0]?.listenerCount('end')).toBe(0);
  });
});

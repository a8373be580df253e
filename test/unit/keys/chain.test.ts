import { describe, expect, it } from 'vitest';
import { firstBroken, hashOf, type KeyEventView } from '../../../src/keys/chain.ts';

const OWNER = { kind: 'user', id: 7 } as const;

function event(id: number, more: Partial<KeyEventView> = {}): KeyEventView {
  return {
    id,
    at: `2026-11-30T10:00:0${id}.000000Z`,
    event: 'added',
    fingerprint: 'A'.repeat(40),
    status: 'active',
    source: 'cli',
    expires_at: null,
    revoked: false,
    actor: 'cli:root',
    hash: null,
    ...more,
  };
}

/** Three rows of the chain behind one from before it. */
function chain(): KeyEventView[] {
  const events = [event(1)];
  let previous = '';
  for (const id of [2, 3, 4]) {
    previous = hashOf(event(id), OWNER, previous);
    events.push(event(id, { hash: previous }));
  }
  return events;
}

describe('the chain of key events', () => {
  it('is whole as it was written, also behind rows that are older than it', () => {
    expect(firstBroken(chain(), OWNER)).toBeNull();
    expect(firstBroken([], OWNER)).toBeNull();
  });

  it.each([
    [
      'a row that was changed',
      (events: KeyEventView[]) => events.with(2, { ...(events[2] as KeyEventView), actor: 'x' }),
      3,
    ],
    ['a row that was taken out', (events: KeyEventView[]) => events.toSpliced(2, 1), 4],
    ['the first row taken out', (events: KeyEventView[]) => events.toSpliced(1, 1), 3],
    [
      'two rows in another order',
      (events: KeyEventView[]) => [...events.slice(0, 2), ...events.slice(2).reverse()],
      4,
    ],
    ['a row without a hash in between', (events: KeyEventView[]) => events.toSpliced(2, 0, event(9)), 9],
  ])('is broken by %s', (_name, change, id) => {
    expect(firstBroken(change(chain()), OWNER)?.id).toBe(id);
  });

  it('is the owner’s own', () => {
    expect(firstBroken(chain(), { kind: 'user', id: 8 })?.id).toBe(2);
  });
});

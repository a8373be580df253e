// docs/log-events.md has every code and every field of an event's line.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EVENTS, eventFields, type MessageEvent } from '../../../src/observe/events.ts';
import { addressForm, createPseudonym } from '../../../src/observe/pseudonym.ts';

const page = readFileSync(new URL('../../../docs/log-events.md', import.meta.url), 'utf8');
const rows = [...page.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, code, text]) => [code, text] as const);

const EVENT: MessageEvent = {
  event: 'sealed',
  at: 0,
  queueId: '4bXkQ21zzz',
  transaction: 't-1',
  messageId: () => 'secret-id@example.net',
  recipient: 'alice@example.org',
  ours: true,
  because: 'usable key',
  reason: '1 usable key',
  keys: ['AB'],
  size: 4000,
  duration: 12,
  reply: '250 2.0.0 Ok: queued as 5',
};
const pseudonym = createPseudonym(Buffer.alloc(32, 1));

describe('docs/log-events.md', () => {
  it('has every code, with the meaning that the source gives it', () => {
    const codes = rows.filter(([code]) => Object.hasOwn(EVENTS, code ?? ''));
    expect(Object.fromEntries(codes)).toEqual(EVENTS);
  });

  it('has every field', () => {
    const fields = Object.keys(eventFields(EVENT, addressForm('own', pseudonym)));
    const known = new Set([...rows.map(([code]) => code), 'event']);
    expect(fields.filter((field) => !known.has(field))).toEqual([]);
  });
});

describe('a recipient in the log', () => {
  const cases = [
    ['own', true, /^alice@example\.org$/],
    ['own', false, /^[0-9a-f]{16}$/],
    ['hmac', true, /^[0-9a-f]{16}$/],
    ['none', true, /^$/],
  ] as const;
  it.each(cases)('%s, ours: %s', (mode, ours, expected) => {
    const shown = eventFields({ ...EVENT, ours }, addressForm(mode, pseudonym));
    expect(String(shown.recipient ?? '')).toMatch(expected);
    expect(JSON.stringify(shown)).not.toContain('secret-id');
  });

  it('has the same digits in any case, and others with another key', () => {
    expect(pseudonym('Carol@example.net')).toBe(pseudonym('carol@EXAMPLE.net'));
    expect(createPseudonym(Buffer.alloc(32, 2))('carol@example.net')).not.toBe(
      pseudonym('carol@example.net'),
    );
  });
});

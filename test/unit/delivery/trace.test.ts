// What is looked for, as the table of events has it.
import { describe, expect, it } from 'vitest';
import { createShown, foldedRecipient, hashedMessageId } from '../../../src/delivery/tell.ts';
import { keptAs, readTraced } from '../../../src/delivery/trace.ts';
import { createPseudonym } from '../../../src/observe/pseudonym.ts';

const KEY = Buffer.alloc(32, 7);
const pseudonym = createPseudonym(KEY);

describe('what trace looks for', () => {
  it('is a queue ID where there is no @ and no bracket', () => {
    expect(readTraced(' 4bXkQ21zzz ', KEY, '+')).toEqual({ queueId: '4bXkQ21zzz' });
  });

  it('is an address, with any extension, or its pseudonym; and a Message-ID without brackets', () => {
    const asked = readTraced('Alice@Example.org', KEY, '+-');
    expect(asked.recipients).toEqual([
      'alice@example.org',
      'alice+%@example.org',
      'alice-%@example.org',
      pseudonym('alice@example.org'),
    ]);
    expect(asked.messageId).toBe(hashedMessageId(KEY, 'Alice@Example.org'));
  });

  it('is a Message-ID with brackets', () => {
    expect(readTraced('<a.b@example.net>', KEY, '+').messageId).toBe(hashedMessageId(KEY, 'a.b@example.net'));
  });

  it('takes the characters of LIKE as themselves', () => {
    expect(keptAs('a_b%c@example.org', KEY, '+')[0]).toBe('a\\_b\\%c@example.org');
  });

  it('is found under digits, with any extension, where the log shows nobody', () => {
    const mode = (addresses: 'hmac' | 'own') => ({
      log: { addresses, format: 'json' as const },
      recipient_delimiter: '+',
    });
    const shown = createShown({ config: () => mode('hmac'), key: KEY });
    const kept = keptAs('alice@example.org', KEY, '+');
    expect(kept).toContain(shown('Alice+Lists@Example.org', true));
    expect(keptAs('alice+lists@example.org', KEY, '+')).toContain(shown('alice+lists@example.org', true));
    // What an extension of a stranger's is, nobody here knows.
    const own = createShown({ config: () => mode('own'), key: KEY });
    expect(own('carol+a@example.net', false)).not.toBe(own('carol@example.net', false));
    expect(keptAs('carol+a@example.net', KEY, '+')).toContain(own('carol+a@example.net', false));
    expect(own('alice+a@example.org', true)).toBe('alice+a@example.org');
  });

  it('is an id address, too, under the domain of all mailboxes', () => {
    expect(keptAs('id_7@example.org', null, '+', 'mail.example')).toEqual([
      'id\\_7@example.org',
      'id\\_7+%@example.org',
      'id\\_7@mail.example',
      'id\\_7+%@mail.example',
    ]);
    expect(keptAs('alice@example.org', null, '', 'mail.example')).toEqual(['alice@example.org']);
  });

  it('is nothing that stands under a pseudonym where their key cannot be read', () => {
    expect(readTraced('Carol@example.net', null, '')).toEqual({ recipients: ['carol@example.net'] });
    expect(readTraced('4bXkQ21zzz', null, '')).toEqual({ queueId: '4bXkQ21zzz' });
  });
});

describe('a recipient in the table', () => {
  const cases = [
    ['Alice@EXAMPLE.org', 'alice@example.org'],
    ['"al ice"@example.org', '"al ice"@example.org'],
    ['no-domain', 'no-domain'],
  ] as const;
  it.each(cases)('%s is kept as %s', (path, kept) => expect(foldedRecipient(path)).toBe(kept));

  it('is bounded', () => expect(foldedRecipient('x'.repeat(100_000)).length).toBeLessThanOrEqual(400));
});

// `header_outside`: which header fields may be named, and what is said of the others.
import { describe, expect, it } from 'vitest';
import { encryptionSchema } from '../../../src/config/encryption.ts';

function read(names: unknown) {
  const parsed = encryptionSchema.safeParse({ header_outside: names });
  return parsed.success ? parsed.data.header_outside : parsed.error.issues.map(({ message }) => message);
}

describe('the fields that header_outside names', () => {
  it('are read without regard to case, one or a list of them, and none by default', () => {
    expect(read(['X-Ticket', 'x-QUEUE-Id'])).toEqual(['x-ticket', 'x-queue-id']);
    expect(read('X-Ticket')).toEqual(['x-ticket']);
    expect(encryptionSchema.parse({}).header_outside).toEqual([]);
  });

  it.each([
    ['X-Spam-Report', 'quotes the body'],
    ['x-acme-ham-report', 'quotes the body'],
    ['X-Mail-Preview', 'quotes the body'],
    ['Subject', 'hides'],
    ['Thread-Topic', 'hides'],
    ['X-Original-Subject', 'hides'],
    ['Comments', 'hides'],
    ['keywords', 'hides'],
    ['Content-Type', 'belongs to what is sealed'],
    ['MIME-Version', 'belongs to what is sealed'],
    ['Sealpost-Status', 'belongs to what is sealed'],
    ['HP-Outer', 'belongs to what is sealed'],
    ['X-Ticket:', 'no name of a header field'],
    ['X Ticket', 'no name of a header field'],
    ['X-Tïcket', 'no name of a header field'],
    ['', 'no name of a header field'],
    ['x'.repeat(77), 'no name of a header field'],
  ])('may not be %j', (name, reason) => {
    expect(read([name])).toEqual([expect.stringContaining(reason)]);
  });

  it('are at most a hundred', () => {
    expect(read(Array.from({ length: 101 }, (_, index) => `X-${index}`))).toEqual([
      'expected at most 100 names',
    ]);
  });
});

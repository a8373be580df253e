// Replies: their classes, and the shapes in which next hops send them.
import { describe, expect, it } from 'vitest';
import { classOf, createReplyParser, encodeReply, formatReply } from '../../../src/smtp/replies.ts';
import type { Reply } from '../../../src/smtp/types.ts';

function read(text: string): { replies: Reply[]; violation: string | null } {
  const replies: Reply[] = [];
  return { violation: createReplyParser().push(Buffer.from(text), replies), replies };
}

describe('the class of a reply', () => {
  it('is temporary for everything that is neither success nor a clear refusal', () => {
    expect([200, 250, 299].map((code) => classOf({ code }))).toEqual(['accepted', 'accepted', 'accepted']);
    expect([500, 550, 599].map((code) => classOf({ code }))).toEqual(['permanent', 'permanent', 'permanent']);
    for (const code of [0, 100, 354, 400, 421, 451, 600, 999])
      expect(classOf({ code }), String(code)).toBe('temporary');
  });
});

describe('reading', () => {
  it.each([
    ['250 ok\r\n', [{ code: 250, enhanced: '', text: 'ok' }]],
    ['250\r\n', [{ code: 250, enhanced: '', text: '' }]],
    ['250 2.1.5\r\n', [{ code: 250, enhanced: '2.1.5', text: '' }]],
    ['250-2.1.5 a\r\n250-2.1.5 b\r\n250 2.1.5 c\r\n', [{ code: 250, enhanced: '2.1.5', text: 'a\nb\nc' }]],
    ['250-a\r\n250 2.1.5 b\r\n', [{ code: 250, enhanced: '2.1.5', text: 'a\nb' }]],
    [
      '250 ok\n550 5.1.1 no\n',
      [
        { code: 250, enhanced: '', text: 'ok' },
        { code: 550, enhanced: '5.1.1', text: 'no' },
      ],
    ],
    ['550 4.1.1 mixed\r\n', [{ code: 550, enhanced: '', text: '4.1.1 mixed' }]],
    ['550 5.1.1 grüße\r\n', [{ code: 550, enhanced: '5.1.1', text: 'grüße' }]],
    ['250 a\tb\x01\r\n', [{ code: 250, enhanced: '', text: 'a b ' }]],
    ['250 5.5 apples\r\n', [{ code: 250, enhanced: '', text: '5.5 apples' }]],
  ])('understands %j', (wire, expected) => {
    expect(read(wire)).toEqual({ violation: null, replies: expected });
  });

  it.each([
    ['hello\r\n', 'a line that is no SMTP reply'],
    ['25 ok\r\n', 'a line that is no SMTP reply'],
    ['2500 ok\r\n', 'a line that is no SMTP reply'],
    ['650 ok\r\n', 'a line that is no SMTP reply'],
    ['250-a\r\n251 b\r\n', 'a reply whose code changes from line to line'],
    [`250 ${'x'.repeat(5000)}\r\n`, 'a reply line of more than 4096 bytes'],
    ['x'.repeat(5000), 'a reply line of more than 4096 bytes'],
    ['250-a\r\n'.repeat(300), 'a reply of more than 250 lines'],
  ])('takes %.20j for a violation', (wire, expected) => {
    expect(read(wire).violation).toBe(expected);
  });
});

describe('writing', () => {
  it('keeps UTF-8 only for clients that asked for it', () => {
    const reply = { code: 550, enhanced: '5.1.1', text: 'grüße' };
    expect(encodeReply(reply)).toBe('550 5.1.1 gr??e\r\n');
    expect(encodeReply(reply, true)).toBe('550 5.1.1 grüße\r\n');
  });

  it('folds long text into lines of at most 512 bytes, and ends somewhere', () => {
    const lines = encodeReply({ code: 451, enhanced: '4.3.0', text: 'x'.repeat(100_000) }).split('\r\n');
    expect(lines).toHaveLength(51);
    expect(lines[0]).toMatch(/^451-4\.3\.0 x+$/);
    expect(lines[49]).toMatch(/^451 4\.3\.0 x+$/);
  });

  it('puts everything on one line for logs', () => {
    expect(formatReply({ code: 550, enhanced: '5.1.1', text: 'a\nb\r\nc' })).toBe('550 5.1.1 a b c');
    expect(formatReply({ code: 550, enhanced: '', text: '' })).toBe('550');
  });
});

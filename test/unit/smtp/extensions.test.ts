// What is said to a next hop, by what it announced and what the mail needs.
import { describe, expect, it } from 'vitest';
import {
  type Extensions,
  NO_EXTENSIONS,
  parseExtensions,
  planTransaction,
} from '../../../src/smtp/client/extensions.ts';
import { envelope } from './next-hop-support.ts';

const ALL: Extensions = {
  pipelining: true,
  eightBitMime: true,
  smtpUtf8: true,
  dsn: true,
  size: 0,
  xforward: [],
};
const ascii = [Buffer.from('Subject: x\r\n\r\nbody\r\n')];
const eightBit = [Buffer.from('Subject: x\r\n\r\nbüdy\r\n')];
const utf8Header = [Buffer.from('Subject: ü\r\n\r\nbody\r\n')];
const UTF8 = Buffer.from('ü@x.test').toString('latin1');

function plan(
  mail: string,
  extensions: Extensions,
  message: readonly Buffer[] = ascii,
  paths: readonly string[] = ['a@x.test'],
  rcpt = '',
): ReturnType<typeof planTransaction> {
  return planTransaction(envelope(paths, mail, rcpt), {}, message, extensions, 'smtp:next.test:25');
}

describe('the reply to EHLO', () => {
  it('is read without regard to case and order', () => {
    expect(
      parseExtensions('name\nsize 1000\nPipelining\n8bitmime\nDSN\nXFORWARD NAME addr\nSMTPUTF8\nFUTURE x'),
    ).toEqual({
      ...ALL,
      size: 1000,
      xforward: ['NAME', 'ADDR'],
    });
    expect(parseExtensions('PIPELINING')).toEqual(NO_EXTENSIONS);
    expect(parseExtensions('name\nSIZE').size).toBe(0);
    expect(parseExtensions('name\nSIZE 0').size).toBe(0);
    expect(parseExtensions('name\nSIZE huge').size).toBe(0);
  });
});

describe('SMTPUTF8', () => {
  it('is passed on where it is announced', () => {
    expect(plan('SMTPUTF8', ALL, ascii, [UTF8]).rcpts).toEqual([{ index: 0, command: `RCPT TO:<${UTF8}>` }]);
    expect(plan('SMTPUTF8', ALL).mail).toBe(`MAIL FROM:<sender@x.test> SIZE=${ascii[0]?.length} SMTPUTF8`);
  });

  it('is dropped where it is not announced and nothing needs it', () => {
    expect(plan('SMTPUTF8', { ...ALL, smtpUtf8: false }).mail).not.toContain('SMTPUTF8');
  });

  it('refuses with 5.6.7 only the recipients that need it', () => {
    const planned = plan('SMTPUTF8', { ...ALL, smtpUtf8: false }, ascii, ['a@x.test', UTF8]);
    expect(planned.rcpts.map((rcpt) => rcpt.index)).toEqual([0]);
    expect(planned.refused).toEqual([
      { index: 1, reply: expect.objectContaining({ code: 553, enhanced: '5.6.7' }) },
    ]);
  });

  it('refuses everybody when sender or header need it', () => {
    const planned = plan('SMTPUTF8', { ...ALL, smtpUtf8: false }, utf8Header, ['a@x.test', 'b@x.test']);
    expect(planned.refused.map((refusal) => refusal.reply.enhanced)).toEqual(['5.6.7', '5.6.7']);
    const sender = planTransaction(
      { ...envelope(['a@x.test'], 'SMTPUTF8'), sender: UTF8 },
      {},
      ascii,
      NO_EXTENSIONS,
      'next',
    );
    expect(sender.refused).toHaveLength(1);
  });
});

describe('8BITMIME', () => {
  const lacking = { ...ALL, eightBitMime: false };
  it('is passed on where it is announced, dropped where it is not needed', () => {
    expect(plan('BODY=8BITMIME', ALL, eightBit).mail).toContain('BODY=8BITMIME');
    expect(plan('BODY=8BITMIME', lacking, ascii)).toMatchObject({
      mail: expect.not.stringContaining('BODY'),
      refused: [],
    });
  });

  it('is a 554 5.6.3 where the message has 8-bit bytes and declares them', () => {
    expect(plan('BODY=8BITMIME', lacking, eightBit).refused[0]?.reply).toMatchObject({
      code: 554,
      enhanced: '5.6.3',
    });
    expect(plan('', lacking, eightBit).refused).toEqual([]);
  });
});

describe('other parameters', () => {
  it('of DSN are dropped silently where DSN is not announced', () => {
    const planned = plan(
      'RET=HDRS ENVID=x',
      { ...ALL, dsn: false },
      ascii,
      ['a@x.test'],
      'NOTIFY=NEVER ORCPT=rfc822;a',
    );
    expect(planned.mail).toBe(`MAIL FROM:<sender@x.test> SIZE=${ascii[0]?.length}`);
    expect(planned.rcpts[0]?.command).toBe('RCPT TO:<a@x.test>');
  });

  it('SIZE is the size of this copy, and left out where it is not announced', () => {
    expect(plan('SIZE=1', ALL).mail).toContain(`SIZE=${ascii[0]?.length}`);
    expect(plan('SIZE=1', NO_EXTENSIONS).mail).toBe('MAIL FROM:<sender@x.test>');
    expect(plan('', { ...ALL, size: 5 }).refused[0]?.reply).toMatchObject({ code: 552, enhanced: '5.3.4' });
    expect(plan('', { ...ALL, size: ascii[0]?.length ?? 0 }).refused).toEqual([]);
  });
});

describe('paths', () => {
  it('that would end a command early are never sent, and never refused for good', () => {
    for (const path of ['a@x.test>\r\nRSET', 'a>b', 'a\nb@x', '', 'snow☃@x.test', '"open']) {
      const planned = plan('', ALL, ascii, [path, 'ok@x.test']);
      expect(
        planned.rcpts.map((rcpt) => rcpt.command),
        path,
      ).toEqual(['RCPT TO:<ok@x.test>']);
      expect(planned.refused[0]?.reply.code).toBe(451);
    }
  });
});

describe('XFORWARD', () => {
  it('is split into commands within 512 bytes, and never carries a line end', () => {
    const xforward = { NAME: 'n'.repeat(300), HELO: 'h'.repeat(300), IDENT: 'x\r\nRSET', ADDR: '192.0.2.1' };
    const planned = planTransaction(
      envelope(['a@x.test']),
      xforward,
      ascii,
      { ...ALL, xforward: ['NAME', 'HELO', 'IDENT', 'ADDR', 'OTHER'] },
      'next',
    );
    expect(planned.xforward).toEqual([
      `XFORWARD NAME=${'n'.repeat(300)}`,
      `XFORWARD HELO=${'h'.repeat(300)} ADDR=192.0.2.1`,
    ]);
  });
});

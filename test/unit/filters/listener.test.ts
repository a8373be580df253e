// What clients say and what they are answered, over a raw socket: every fault that a client can make, and the protocol.
import { afterEach, describe, expect, it } from 'vitest';
import { trustedClients } from '../../../src/host/trusted-clients.ts';
import { closeAll, eventually, openListener } from './listener-support.ts';

afterEach(closeAll);

const MESSAGE = 'Subject: x\r\n\r\nbody\r\n';

describe('a transaction', () => {
  it('carries the next hop of its listener, where that has one of its own', async () => {
    const nextHop = {
      protocol: 'smtp',
      endpoint: { kind: 'inet', host: '127.0.0.1', port: 10_027 },
    } as const;
    for (const own of [nextHop, undefined]) {
      const listener = await openListener(own === undefined ? {} : { listener: { next_hop: own } });
      const client = listener.connect();
      await client.hello();
      client.write(`MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\n${MESSAGE}.\r\n`);
      await eventually(() => listener.transactions.length === 1, 'the message is delivered');
      expect(listener.transactions[0]?.nextHop).toEqual(own);
    }
  });
});

describe('the greeting and EHLO', () => {
  it('greets within ten milliseconds, without a delay for early talkers', async () => {
    const listener = await openListener();
    await listener.connect().reply();
    const times: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const start = performance.now();
      await listener.connect().reply();
      times.push(performance.now() - start);
    }
    expect(Math.min(...times)).toBeLessThan(10);
  });

  it('announces exactly what the design says, and XFORWARD to a trusted client', async () => {
    const listener = await openListener();
    expect(await listener.connect().hello()).toBe(
      '250-filter.test|250-PIPELINING|250-SIZE 50000000|250-8BITMIME|250-SMTPUTF8|250-DSN|250-ENHANCEDSTATUSCODES|' +
        '250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE',
    );
  });

  it('neither announces nor takes XFORWARD from an address that is not trusted', async () => {
    const listener = await openListener({ filter: { xforward_hosts: ['192.0.2.0/24'] } });
    const client = listener.connect();
    expect(await client.hello()).not.toContain('XFORWARD');
    expect(await client.command('XFORWARD IDENT=1')).toMatch(/^550 5\.7\.0 /);
  });

  it('speaks LHLO only in LMTP, EHLO and HELO in SMTP', async () => {
    const lmtp = (await openListener({ protocol: 'lmtp' })).connect();
    expect(await lmtp.hello('EHLO')).toMatch(/^500 5\.5\.1 /);
    expect(await lmtp.command('HELO x')).toMatch(/^500 5\.5\.1 /);
    expect(await lmtp.command('LHLO x')).toMatch(/^250-/);
    const smtp = (await openListener({ protocol: 'smtp' })).connect();
    expect(await smtp.hello('LHLO')).toMatch(/^500 5\.5\.1 /);
    expect(await smtp.command('HELO x')).toBe('250 filter.test');
    expect(await smtp.command('EHLO x')).toMatch(/^250-/);
    expect(await smtp.command('EHLO')).toMatch(/^501 5\.5\.4 /);
  });

  it('knows no AUTH, STARTTLS, VRFY, HELP, BDAT, and no jokes', async () => {
    const client = (await openListener()).connect();
    await client.hello();
    for (const verb of [
      'AUTH PLAIN x',
      'STARTTLS',
      'VRFY a',
      'EXPN a',
      'HELP',
      'BDAT 1 LAST',
      'WIZ',
      'SHELL',
      'KILL',
    ]) {
      expect(await client.command(verb), verb).toMatch(/^502 5\.5\.1 /);
    }
    expect(await client.command('NONSENSE')).toMatch(/^500 5\.5\.2 /);
  });
});

describe('the envelope', () => {
  it('answers once for every accepted RCPT, repetitions and other spellings of case included', async () => {
    const listener = await openListener();
    const client = listener.connect();
    await client.hello();
    await client.command('MAIL FROM:<a@example.test>');
    const paths = ['b@example.test', 'B@EXAMPLE.test', 'b@example.test', 'b@example.test'];
    for (const path of paths) expect(await client.command(`RCPT TO:<${path}>`)).toBe('250 2.1.5 Ok');
    await client.command('DATA');
    client.write(`${MESSAGE}.\r\n`);
    for (let index = 0; index < 4; index += 1)
      expect(await client.reply()).toBe(`250 2.0.0 delivered ${index}`);
    expect(await client.command('NOOP')).toBe('250 2.0.0 Ok');
    expect(listener.transactions[0]?.envelope.recipients.map((recipient) => recipient.path)).toEqual(paths);
  });

  it.each([
    ['the null sender', '', 'b@x.test'],
    ['quoted local parts', '"a b"@x.test', '"with > and \\" and <"@x.test'],
    ['dots where they do not belong', '.dot..dot.@x.test', 'dot..dot@x.test'],
    ['A-labels', 'a@xn--bcher-kva.example', 'b@XN--BCHER-KVA.example'],
    ['a source route', '@a.test,@b.test:c@x.test', '@a.test:c@x.test'],
    ['no domain, an address literal', 'postmaster', 'a@[IPv6:2001:db8::1]'],
    ['percent hack, plus, slash, equals', 'a%b@x.test', 'srs0=x/y+z=t@x.test'],
    ['UTF-8 that ends in the byte A0', 'Ã ', 'bÃ¼cher@Ã '],
    ['bytes that are no UTF-8', '\xff\xfe@x.test', 'a@\x80'],
  ])('carries %s byte for byte', async (_what, sender, recipient) => {
    const listener = await openListener();
    const client = listener.connect();
    await client.hello();
    expect(await client.command(`MAIL FROM:<${sender}>`)).toBe('250 2.1.0 Ok');
    expect(await client.command(`RCPT TO:<${recipient}>`)).toBe('250 2.1.5 Ok');
    await client.command('DATA');
    client.write(`${MESSAGE}.\r\n`);
    await client.reply();
    expect(listener.transactions[0]?.envelope).toEqual({
      sender,
      parameters: [],
      recipients: [{ path: recipient, parameters: [] }],
    });
  });

  it('keeps the parameters it knows raw', async () => {
    const listener = await openListener();
    const client = listener.connect();
    await client.hello();
    await client.command('mail from:<a@x.test> size=20 Body=8bitmime SMTPUTF8 RET=hdrs ENVID=QQ+2B314159');
    await client.command('rcpt to: <b@x.test> NOTIFY=SUCCESS,delay ORCPT=rfc822;b+40x=y');
    await client.command('DATA');
    client.write(`${MESSAGE}.\r\n`);
    await client.reply();
    const envelope = listener.transactions[0]?.envelope;
    expect(envelope?.parameters).toEqual([
      { keyword: 'SIZE', value: '20' },
      { keyword: 'BODY', value: '8bitmime' },
      { keyword: 'SMTPUTF8', value: undefined },
      { keyword: 'RET', value: 'hdrs' },
      { keyword: 'ENVID', value: 'QQ+2B314159' },
    ]);
    expect(envelope?.recipients[0]?.parameters).toEqual([
      { keyword: 'NOTIFY', value: 'SUCCESS,delay' },
      { keyword: 'ORCPT', value: 'rfc822;b+40x=y' },
    ]);
  });

  it.each([
    ['MAIL FROM:<a@x.test> REQUIRETLS', /^555 5\.5\.4 /],
    ['MAIL FROM:<a@x.test> AUTH=<>', /^555 5\.5\.4 /],
    ['MAIL FROM:<a@x.test> BODY=BINARYMIME', /^501 5\.5\.4 /],
    ['MAIL FROM:<a@x.test> SIZE=many', /^501 5\.5\.4 /],
    ['MAIL FROM:<a@x.test> SIZE=1 SIZE=2', /^501 5\.5\.4 /],
    ['MAIL FROM:<a@x.test> RET=SOME', /^501 5\.5\.4 /],
    ['MAIL FROM:<a@x.test> SIZE=50000001', /^552 5\.3\.4 /],
    ['MAIL FROM:a@x.test', /^501 5\.5\.4 /],
    ['MAIL FROM:<a@x.test', /^501 5\.5\.4 /],
    ['MAIL FROM:<a@x.test>X', /^501 5\.5\.4 /],
    ['MAIL <a@x.test>', /^501 5\.5\.4 /],
    ['MAIL FROM:<a\rb@x.test>', /^501 5\.5\.4 /],
    ['MAIL FROM:<a\0b@x.test>', /^501 5\.5\.4 /],
    ['RCPT TO:<b@x.test>', /^503 5\.5\.1 /],
    ['DATA', /^503 5\.5\.1 /],
    ['XFORWARD COLOUR=red', /^501 5\.5\.4 /],
    ['XFORWARD IDENT', /^501 5\.5\.4 /],
  ])('answers %j as it must', async (line, expected) => {
    const client = (await openListener()).connect();
    await client.hello();
    expect(await client.command(line)).toMatch(expected);
    expect(await client.command('MAIL FROM:<ok@x.test>')).toBe('250 2.1.0 Ok');
  });

  it.each([
    ['RCPT TO:<>', /^501 5\.1\.3 /],
    ['RCPT TO:<b@x.test> COLOUR=red', /^555 5\.5\.4 /],
    ['RCPT TO:<b@x.test> NOTIFY=SOMETIMES', /^501 5\.5\.4 /],
    ['RCPT TO:<b@x.test> NOTIFY=NEVER,SUCCESS', /^501 5\.5\.4 /],
    ['RCPT TO:<b@x.test> ORCPT=b', /^501 5\.5\.4 /],
    ['MAIL FROM:<c@x.test>', /^503 5\.5\.1 /],
    ['XFORWARD IDENT=1', /^503 5\.5\.1 /],
    ['DATA', /^503 5\.5\.1 /],
  ])('answers %j within a transaction as it must, and the transaction goes on', async (line, expected) => {
    const client = (await openListener()).connect();
    await client.hello();
    await client.command('MAIL FROM:<a@x.test>');
    expect(await client.command(line)).toMatch(expected);
    expect(await client.command('RCPT TO:<b@x.test>')).toBe('250 2.1.5 Ok');
    expect(await client.command('DATA')).toMatch(/^354 /);
  });

  it('wants a hello first', async () => {
    const client = (await openListener()).connect();
    await client.reply();
    expect(await client.command('MAIL FROM:<>')).toMatch(/^503 5\.5\.1 /);
    expect(await client.command('XFORWARD IDENT=1')).toMatch(/^503 5\.5\.1 /);
  });

  it('answers 452 4.5.3 to recipients beyond the limit, and delivers to the others', async () => {
    const listener = await openListener({ filter: { max_recipients: 2 } });
    const client = listener.connect();
    await client.hello();
    await client.command('MAIL FROM:<>');
    await client.command('RCPT TO:<a@x.test>');
    await client.command('RCPT TO:<b@x.test>');
    for (let more = 0; more < 60; more += 1)
      expect(await client.command('RCPT TO:<c@x.test>')).toMatch(/^452 4\.5\.3 /);
    await client.command('DATA');
    client.write(`${MESSAGE}.\r\n`);
    expect([await client.reply(), await client.reply()]).toEqual([
      '250 2.0.0 delivered 0',
      '250 2.0.0 delivered 1',
    ]);
  });

  it('forgets XFORWARD after its transaction, after RSET and after LHLO', async () => {
    const listener = await openListener();
    const client = listener.connect();
    await client.hello();
    const transact = async (...before: string[]): Promise<unknown> => {
      for (const line of before) expect(await client.command(line)).toMatch(/^250/);
      await client.command('MAIL FROM:<>');
      await client.command('RCPT TO:<a@x.test>');
      await client.command('DATA');
      client.write(`${MESSAGE}.\r\n`);
      await client.reply();
      return listener.transactions.at(-1)?.xforward;
    };
    expect(
      await transact('XFORWARD NAME=a+20b ADDR=192.0.2.1 PORT=25', 'XFORWARD IDENT=4Fx PROTO=ESMTP'),
    ).toEqual({
      NAME: 'a+20b',
      ADDR: '192.0.2.1',
      PORT: '25',
      IDENT: '4Fx',
      PROTO: 'ESMTP',
    });
    expect(await transact()).toEqual({});
    expect(await transact('XFORWARD IDENT=old', 'RSET')).toEqual({});
    expect(await transact('XFORWARD IDENT=old', 'LHLO again')).toEqual({});
    expect(await transact('XFORWARD IDENT=new')).toEqual({ IDENT: 'new' });
  });

  it('starts over after RSET', async () => {
    const listener = await openListener();
    const client = listener.connect();
    await client.hello();
    await client.command('MAIL FROM:<old@x.test>');
    await client.command('RCPT TO:<old@x.test>');
    expect(await client.command('RSET')).toBe('250 2.0.0 Ok');
    expect(await client.command('DATA')).toMatch(/^503 5\.5\.1 /);
    await client.command('MAIL FROM:<new@x.test>');
    await client.command('RCPT TO:<new@x.test>');
    await client.command('DATA');
    client.write(`${MESSAGE}.\r\n`);
    await client.reply();
    expect(listener.transactions[0]?.envelope.recipients.map((recipient) => recipient.path)).toEqual([
      'new@x.test',
    ]);
  });
});

describe('pipelining', () => {
  it('answers a whole session in one write, QUIT behind the final dot included', async () => {
    const listener = await openListener();
    const client = listener.connect();
    client.write(
      'LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n',
    );
    client.write(`${MESSAGE}.\r\nQUIT\r\n`);
    const replies = await client.rest();
    expect(replies.map((reply) => reply.slice(0, 3))).toEqual(
      '220 250 250 250 501 250 354 250 250 221'.split(' '),
    );
    expect(listener.transactions[0]?.message.toString()).toBe(MESSAGE);
  });

  it('runs a second transaction that is pipelined behind the first', async () => {
    const listener = await openListener({ protocol: 'smtp' });
    const client = listener.connect();
    await client.hello('EHLO');
    const one = `MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\n${MESSAGE}.\r\n`;
    client.write(`${one}${one}QUIT\r\n`);
    expect(await client.rest()).toHaveLength(9);
    expect(listener.transactions).toHaveLength(2);
  });

  it('takes commands byte by byte, and lines that end in LF only', async () => {
    const client = (await openListener()).connect();
    await client.reply();
    for (const byte of 'LHLO c\r\n') {
      client.write(byte);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(await client.reply()).toMatch(/^250-/);
    client.write('NOOP\n');
    expect(await client.reply()).toBe('250 2.0.0 Ok');
  });

  it('does not take an unfinished line for a command', async () => {
    const listener = await openListener({ protocol: 'smtp' });
    const client = listener.connect();
    await client.hello('EHLO');
    client.write('NOOP');
    client.socket.end();
    expect(await client.rest()).toEqual([]);
  });
});

describe('replies', () => {
  it.each([
    [{ code: 550, enhanced: '5.1.1', text: '5.7.1 not here' }, '550 5.1.1 not here'],
    [{ code: 550, enhanced: '', text: '5.7.1 not here' }, '550 5.7.1 not here'],
    [{ code: 550, enhanced: '', text: 'not here' }, '550 5.0.0 not here'],
    [{ code: 451, enhanced: '5.1.1', text: 'later' }, '451 4.0.0 later'],
    [{ code: 421, enhanced: '4.4.2', text: 'closing' }, '451 4.4.2 closing'],
    [{ code: 550, enhanced: '5.1.1', text: 'one\ntwo' }, '550-5.1.1 one|550 5.1.1 two'],
    [{ code: 250, enhanced: '2.0.0', text: 'a\rb\0c über' }, '250 2.0.0 a b c ?ber'],
  ])('carry one enhanced code and clean text: %j', async (reply, expected) => {
    const client = (await openListener({ protocol: 'smtp', deliver: async () => [reply] })).connect();
    await client.hello('EHLO');
    client.write(`MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\n${MESSAGE}.\r\n`);
    for (let skipped = 0; skipped < 3; skipped += 1) await client.reply();
    expect(await client.reply()).toBe(expected);
  });

  it.each([
    ['throws', 'delivery_failed', () => Promise.reject(new Error('boom'))],
    [
      'gives too few replies',
      'replies_late',
      () => Promise.resolve([{ code: 250, enhanced: '2.0.0', text: 'one' }]),
    ],
  ])(
    'are 451 4.3.0 for every recipient when deliver %s, with the line %s, and the connection goes on',
    async (_what, code, deliver) => {
      const listener = await openListener({ deliver });
      const client = listener.connect();
      await client.hello();
      client.write(`MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n${MESSAGE}.\r\n`);
      for (let skipped = 0; skipped < 4; skipped += 1) await client.reply();
      expect([await client.reply(), await client.reply()]).toEqual([
        expect.stringMatching(/^451 4\.3\.0 /),
        expect.stringMatching(/^451 4\.3\.0 /),
      ]);
      expect(await client.command('NOOP')).toBe('250 2.0.0 Ok');
      await eventually(
        () => listener.fates.some((fate) => fate.startsWith('lost')),
        'told that the replies were not ours',
      );
      expect(listener.codes).toEqual([code]);
    },
  );
});

describe('limits and misbehaviour', () => {
  it('answers 421 4.7.0 to a client that sends junk', async () => {
    const client = (await openListener()).connect();
    await client.hello();
    client.write('FOO\r\n'.repeat(40));
    const replies = await client.rest();
    expect(replies).toHaveLength(21);
    expect(replies.at(-1)).toMatch(/^421 4\.7\.0 /);
  });

  it('answers 500 5.5.2 to a line beyond 8 KB, however it is split, and reads on behind it', async () => {
    const client = (await openListener()).connect();
    await client.hello();
    client.write(`NOOP ${'x'.repeat(5000)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.write(`${'x'.repeat(100_000)}\r\nNOOP ${'x'.repeat(7000)}\r\n`);
    expect(await client.reply()).toMatch(/^500 5\.5\.2 /);
    expect(await client.reply()).toBe('250 2.0.0 Ok');
  });

  it('answers 421 4.3.2 to connections beyond the limit, and takes new ones when others have gone', async () => {
    const listener = await openListener({ filter: { max_connections: 2 } });
    const first = listener.connect();
    await first.hello();
    await listener.connect().hello();
    const third = listener.connect();
    expect(await third.reply()).toMatch(/^421 4\.3\.2 /);
    expect(listener.codes).toEqual(['connections_full']);
    first.write('QUIT\r\n');
    await first.rest();
    await eventually(() => listener.handle.connections < 2, 'the first connection is gone');
    expect(await listener.connect().reply()).toMatch(/^220 /);
  });

  it('answers 421 4.4.2 to a silent client, but waits for its own delivery', async () => {
    let finish: () => void = () => undefined;
    const delivered = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const listener = await openListener({
      protocol: 'smtp',
      filter: { idle_timeout: 80 },
      deliver: async () => {
        await delivered;
        return [{ code: 250, enhanced: '2.0.0', text: 'slow' }];
      },
    });
    const client = listener.connect();
    await client.hello('EHLO');
    client.write(`MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\n${MESSAGE}.\r\n`);
    for (let skipped = 0; skipped < 3; skipped += 1) await client.reply();
    setTimeout(finish, 300);
    expect(await client.reply()).toBe('250 2.0.0 slow');
    expect(await client.rest()).toEqual([expect.stringMatching(/^421 4\.4\.2 /)]);
  });

  it('survives clients that reset the connection at any moment, and delivers nothing of theirs', async () => {
    const listener = await openListener();
    const scripts = ['', 'LHLO c\r\n', 'LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\nhalf a mess'];
    for (const script of scripts) {
      for (let round = 0; round < 10; round += 1) {
        const client = listener.connect();
        if (script !== '') await client.reply();
        client.write(script);
        await new Promise((resolve) => setTimeout(resolve, round));
        client.socket.resetAndDestroy();
      }
    }
    await eventually(() => listener.handle.connections === 0, 'all connections are gone');
    expect(listener.transactions).toEqual([]);
    expect(listener.budget.used()).toBe(0);
    expect(await listener.connect().reply()).toMatch(/^220 /);
  });

  it('drops a message whose client leaves before the final dot', async () => {
    const listener = await openListener();
    const client = listener.connect();
    await client.hello();
    client.write('MAIL FROM:<> SIZE=1000\r\nRCPT TO:<a@x.test>\r\nDATA\r\nSubject: x\r\n\r\nhalf\r\n.\r');
    await eventually(() => listener.budget.used() > 0, 'the message has begun');
    client.socket.end();
    await eventually(() => listener.handle.connections === 0, 'the connection is gone');
    expect(listener.transactions).toEqual([]);
    expect(listener.budget.used()).toBe(0);
  });
});

describe('trusted clients', () => {
  it('are unix sockets, and the addresses and networks that are listed', () => {
    const trusted = trustedClients(['127.0.0.0/8', '::1', '[2001:db8::]/32', '192.0.2.7']);
    expect(trusted(undefined)).toBe(true);
    for (const yes of ['127.0.0.1', '127.9.9.9', '::ffff:127.0.0.1', '::1', '2001:db8::5', '192.0.2.7']) {
      expect(trusted(yes), yes).toBe(true);
    }
    for (const no of ['128.0.0.1', '::2', '2001:db9::1', '192.0.2.8', 'nonsense'])
      expect(trusted(no), no).toBe(false);
  });

  it('are refused with a sentence when they are no addresses', () => {
    expect(() => trustedClients(['localhost'])).toThrow(/xforward_hosts: "localhost" is no IP address/);
    expect(() => trustedClients(['10.0.0.0/33'])).toThrow(/no IP address or network/);
  });
});

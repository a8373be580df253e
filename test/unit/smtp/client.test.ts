// The next-hop client against next hops that follow a script: refusing, slow, dying and talking nonsense at every stage.
import { afterEach, describe, expect, it } from 'vitest';
import type { SendRequest, SendResult } from '../../../src/smtp/client/next-hop.ts';
import {
  type Action,
  closeNextHops,
  envelope,
  type FakeNextHop,
  fakeNextHop,
  MESSAGE,
  PIPELINING,
  type Script,
} from './next-hop-support.ts';

afterEach(closeNextHops);

const NO_PIPELINING = PIPELINING.filter((word) => word !== 'PIPELINING');

function send(hop: FakeNextHop, more: Partial<SendRequest> = {}): Promise<SendResult> {
  return hop.client.send({
    envelope: envelope(['a@x.test', 'b@x.test']),
    xforward: {},
    message: MESSAGE,
    deadline: Date.now() + 5000,
    ...more,
  });
}

/** `CODE ENHANCED stage` for each recipient. */
function outcomes(result: SendResult): string[] {
  return result.recipients.map(({ reply, stage }) => `${reply.code} ${reply.enhanced} ${stage}`);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.each(['smtp', 'lmtp'] as const)('over %s', (protocol) => {
  it('sends the message dot-stuffed, and gives the next hop’s own replies', async () => {
    const hop = await fakeNextHop({ protocol });
    const result = await send(hop);
    expect(hop.messages).toEqual(['Subject: x\r\n\r\n..dot\r\nbody\r\n']);
    expect(hop.commands()).toEqual([
      `${protocol === 'lmtp' ? 'LHLO' : 'EHLO'} filter.test`,
      `MAIL FROM:<sender@x.test> SIZE=${MESSAGE.length}`,
      'RCPT TO:<a@x.test>',
      'RCPT TO:<b@x.test>',
      'DATA',
    ]);
    expect(result.recipients).toEqual(
      [0, protocol === 'lmtp' ? 1 : 0].map((number) => ({
        reply: { code: 250, enhanced: '2.0.0', text: `queued as ${number}` },
        class: 'accepted',
        stage: 'end-of-data',
      })),
    );
  });

  it('uses one connection for one message after the other', async () => {
    const hop = await fakeNextHop({ protocol });
    for (let round = 0; round < 3; round += 1)
      expect(outcomes(await send(hop))[0]).toBe('250 2.0.0 end-of-data');
    expect(hop.connections).toHaveLength(1);
    expect(hop.commands()).not.toContain('RSET');
    await hop.client.close();
    await pause(30);
    expect(hop.commands().at(-1)).toBe('QUIT');
  });

  it.each([
    ['with pipelining', PIPELINING],
    ['in lock step', NO_PIPELINING],
  ])('tells every recipient’s own fate when some are refused, %s', async (_how, extensions) => {
    const hop = await fakeNextHop({
      protocol,
      extensions,
      answer: (verb, line) =>
        verb === 'RCPT' && line.includes('b@') ? '550-5.1.1 unknown\r\n550 5.1.1 really\r\n' : undefined,
    });
    const accepted: number[] = [];
    const result = await send(hop, {
      envelope: envelope(['a@x.test', 'b@x.test', 'c@x.test']),
      onAccepted: (index) => {
        accepted.push(index);
      },
    });
    expect(outcomes(result)).toEqual(['250 2.0.0 end-of-data', '550 5.1.1 rcpt', '250 2.0.0 end-of-data']);
    expect(result.recipients[1]?.reply.text).toBe('unknown\nreally');
    expect(result.recipients[1]?.class).toBe('permanent');
    expect(accepted).toEqual([0, 2]);
  });

  it.each([
    ['with pipelining', PIPELINING],
    ['in lock step', NO_PIPELINING],
  ])(
    'sends no message when every recipient is refused, and the next one goes through, %s',
    async (_how, extensions) => {
      let refusing = true;
      const hop = await fakeNextHop({
        protocol,
        extensions,
        answer: (verb) => (verb === 'RCPT' && refusing ? '450 4.2.1 not now\r\n' : undefined),
      });
      expect(outcomes(await send(hop))).toEqual(['450 4.2.1 rcpt', '450 4.2.1 rcpt']);
      expect(hop.messages.filter((message) => message !== '')).toEqual([]);
      refusing = false;
      expect(outcomes(await send(hop))[1]).toBe('250 2.0.0 end-of-data');
      expect(hop.messages.at(-1)).toContain('..dot');
      // A refused transaction is never left open on a connection that is used again.
      for (const connection of hop.connections) {
        const mails = connection.lines.filter((line) => line.startsWith('MAIL')).length;
        expect(connection.lines.filter((line) => line === 'RSET')).toHaveLength(mails - 1);
      }
    },
  );

  // What a next hop does at each stage, and what its recipients are told. Nothing of it may be permanent but a 5xx.
  const fail =
    (verb: string, action: Action): NonNullable<Script['answer']> =>
    (asked) =>
      asked === verb ? action : undefined;
  const table: readonly (readonly [string, Script, RegExp])[] = [
    ['closes before its greeting', { greeting: { end: 'close' } }, /^451 4\.4\.2 greeting$/],
    ['refuses in its greeting', { greeting: '554 5.3.2 go away\r\n' }, /^451 4\.3\.0 greeting$/],
    ['is busy in its greeting', { greeting: '421 4.3.2 busy\r\n' }, /^451 4\.3\.0 greeting$/],
    ['greets with garbage', { greeting: 'SSH-2.0-OpenSSH\r\n' }, /^451 4\.3\.0 greeting$/],
    ['never greets', { greeting: null }, /^451 4\.4\.2 greeting$/],
    [
      'resets at hello',
      { answer: fail(protocol === 'lmtp' ? 'LHLO' : 'EHLO', { end: 'reset' }) },
      /^451 4\.4\.2 greeting$/,
    ],
    ['refuses MAIL for good', { answer: fail('MAIL', '550 5.7.1 no\r\n') }, /^550 5\.7\.1 mail$/],
    ['refuses MAIL for now', { answer: fail('MAIL', '452 4.3.1 full\r\n') }, /^452 4\.3\.1 mail$/],
    ['says 421 at MAIL', { answer: fail('MAIL', '421 4.3.2 bye\r\n') }, /^451 4\.3\.2 mail$/],
    ['closes at MAIL', { answer: fail('MAIL', { end: 'close' }) }, /^451 4\.4\.2 mail$/],
    ['answers MAIL with 354', { answer: fail('MAIL', '354 what\r\n') }, /^451 4\.3\.0 mail$/],
    ['never answers MAIL', { answer: fail('MAIL', null) }, /^451 4\.4\.2 mail$/],
    ['resets at RCPT', { answer: fail('RCPT', { end: 'reset' }) }, /^451 4\.4\.2 (mail|rcpt)$/],
    [
      'says 421 at RCPT',
      { answer: fail('RCPT', { end: 'close', say: '421 4.7.0 bye\r\n' }) },
      /^451 4\.7\.0 rcpt$/,
    ],
    ['refuses RCPT without an enhanced code', { answer: fail('RCPT', '550 no\r\n') }, /^550 {2}rcpt$/],
    ['answers RCPT with nonsense', { answer: fail('RCPT', 'what?\r\n') }, /^451 4\.3\.0 (mail|rcpt)$/],
    ['refuses DATA for good', { answer: fail('DATA', '554 5.5.1 no\r\n') }, /^554 5\.5\.1 data$/],
    ['refuses DATA for now', { answer: fail('DATA', '451 4.3.0 no\r\n') }, /^451 4\.3\.0 data$/],
    ['answers DATA with 250', { answer: fail('DATA', '250 sure\r\n') }, /^451 4\.3\.0 data$/],
    ['closes at DATA', { answer: fail('DATA', { end: 'close' }) }, /^451 4\.4\.2 data$/],
    [
      'refuses the message for good',
      { answer: fail('.', '550 5.7.1 spam\r\n550 5.7.1 spam\r\n') },
      /^550 5\.7\.1 end-of-data$/,
    ],
    [
      'refuses the message for now',
      { answer: fail('.', '451 4.7.1 wait\r\n451 4.7.1 wait\r\n') },
      /^451 4\.7\.1 end-of-data$/,
    ],
    ['closes at the final dot', { answer: fail('.', { end: 'close' }) }, /^451 4\.4\.2 end-of-data$/],
    ['resets at the final dot', { answer: fail('.', { end: 'reset' }) }, /^451 4\.4\.2 end-of-data$/],
    [
      'says 421 at the final dot',
      { answer: fail('.', '421 4.3.2 bye\r\n') },
      /^451 4\.(3|4)\.2 end-of-data$/,
    ],
    [
      'answers the final dot with 354',
      { answer: fail('.', '354 more\r\n354 more\r\n') },
      /^451 4\.3\.0 end-of-data$/,
    ],
    ['answers the final dot with garbage', { answer: fail('.', '\0\xff\r\n') }, /^451 4\.3\.0 end-of-data$/],
    [
      'answers with an endless line',
      { answer: fail('.', `250 ${'x'.repeat(20_000)}`) },
      /^451 4\.3\.0 end-of-data$/,
    ],
    [
      'answers with endless lines',
      { answer: fail('.', '250-more\r\n'.repeat(5000)) },
      /^451 4\.3\.0 end-of-data$/,
    ],
    [
      'changes the code within a reply',
      { answer: fail('.', '250-a\r\n550 b\r\n') },
      /^451 4\.3\.0 end-of-data$/,
    ],
  ];

  it.each(table)('when the next hop %s, that is the outcome', async (_what, script, expected) => {
    for (const extensions of [PIPELINING, NO_PIPELINING]) {
      const hop = await fakeNextHop(
        { protocol, extensions, ...script },
        { connectTimeout: 100, commandTimeout: 100 },
      );
      const accepted: number[] = [];
      const result = await send(hop, {
        onAccepted: (index) => {
          accepted.push(index);
        },
      });
      for (const outcome of outcomes(result)) expect(outcome).toMatch(expected);
      for (const recipient of result.recipients) {
        if (recipient.reply.code === 451 && /^4\.[34]\.[02]$/.test(recipient.reply.enhanced)) {
          expect(recipient.class).toBe('temporary');
        }
      }
      expect(accepted).toEqual([]);
      expect(result.recipients).toHaveLength(2);
    }
  });

  it('names the next hop and the stage when a connection is lost', async () => {
    const hop = await fakeNextHop({
      protocol,
      answer: (verb) => (verb === 'DATA' ? { end: 'close' } : undefined),
    });
    const result = await send(hop);
    expect(result.recipients[0]?.reply.text).toMatch(
      new RegExp(`^Lost connection with ${protocol}:127\\.0\\.0\\.1:\\d+ in DATA: it closed the connection$`),
    );
  });

  it('takes a connection that is lost in the middle of the content as not accepted', async () => {
    const large = Buffer.from(`${'x'.repeat(70)}\r\n`.repeat(100_000));
    const hop = await fakeNextHop({
      protocol,
      extensions: ['PIPELINING'],
      content: (sofar) => (sofar.length > 200_000 ? { end: 'reset' } : undefined),
    });
    expect(outcomes(await send(hop, { message: large }))).toEqual(['451 4.4.2 data', '451 4.4.2 data']);
    expect(hop.messages).toEqual([]);
  });

  it('stops sending when the next hop refuses in the middle of the content', async () => {
    const large = Buffer.from(`${'x'.repeat(70)}\r\n`.repeat(100_000));
    let said = false;
    const hop = await fakeNextHop({
      protocol,
      extensions: ['PIPELINING'],
      content: (sofar) => {
        if (said || sofar.length < 200_000) return undefined;
        said = true;
        return '552 5.3.4 too big\r\n';
      },
    });
    expect(outcomes(await send(hop, { message: large }))).toEqual(['552 5.3.4 data', '552 5.3.4 data']);
    expect(hop.messages).toEqual([]);
  });

  it('sends a large message in many parts unchanged', async () => {
    const part = Buffer.from(`.${'y'.repeat(76)}\r\n`.repeat(5000));
    const hop = await fakeNextHop({ protocol, extensions: ['PIPELINING'] });
    const result = await send(hop, { message: [part, part.subarray(0, 1001), part.subarray(1001), part] });
    expect(outcomes(result)[0]).toBe('250 2.0.0 end-of-data');
    expect(hop.messages[0]).toBe(`..${'y'.repeat(76)}\r\n`.repeat(15_000));
  });

  it('gives up at the deadline when the next hop takes no more content', async () => {
    const large = Buffer.alloc(40e6, 'z');
    const hop = await fakeNextHop({
      protocol,
      extensions: ['PIPELINING'],
      content: (_sofar, connection) => {
        connection.socket.pause();
        return undefined;
      },
    });
    const started = Date.now();
    const result = await send(hop, { message: large, deadline: started + 300 });
    expect(outcomes(result)).toEqual(['451 4.4.2 data', '451 4.4.2 data']);
    expect(result.late).toBeUndefined();
    expect(Date.now() - started).toBeLessThan(4000);
  });
});

describe('replies per recipient in LMTP', () => {
  it('belong to the accepted recipients in their order', async () => {
    const hop = await fakeNextHop({
      protocol: 'lmtp',
      answer: (verb, line) => {
        if (verb === 'RCPT' && line.includes('b@')) return '550 5.1.1 unknown\r\n';
        return verb === '.' ? '452 4.2.2 full\r\n250 2.1.5 stored\r\n' : undefined;
      },
    });
    const result = await send(hop, { envelope: envelope(['a@x.test', 'b@x.test', 'c@x.test']) });
    expect(outcomes(result)).toEqual(['452 4.2.2 end-of-data', '550 5.1.1 rcpt', '250 2.1.5 end-of-data']);
  });

  it('that came before the connection was lost stand', async () => {
    const hop = await fakeNextHop({
      protocol: 'lmtp',
      answer: (verb) =>
        verb === '.' ? { end: 'close', say: '250 2.1.5 stored\r\n550 5.2.2 full\r\n' } : undefined,
    });
    const accepted: number[] = [];
    const result = await send(hop, {
      envelope: envelope(['a@x.test', 'b@x.test', 'c@x.test', 'd@x.test']),
      onAccepted: (index) => {
        accepted.push(index);
      },
    });
    expect(outcomes(result)).toEqual([
      '250 2.1.5 end-of-data',
      '550 5.2.2 end-of-data',
      '451 4.4.2 end-of-data',
      '451 4.4.2 end-of-data',
    ]);
    expect(accepted).toEqual([0]);
  });
});

describe('the deadline', () => {
  it('makes the result temporary at once, and the reply that comes after it is told later', async () => {
    const hop = await fakeNextHop({ answer: (verb) => (verb === '.' ? null : undefined) });
    const started = Date.now();
    const result = await send(hop, { deadline: started + 150 });
    expect(Date.now() - started).toBeLessThan(4000);
    expect(outcomes(result)).toEqual(['451 4.4.2 end-of-data', '451 4.4.2 end-of-data']);
    hop.connections[0]?.say('250 2.0.0 queued at last\r\n');
    const reply = { code: 250, enhanced: '2.0.0', text: 'queued at last' };
    expect(await result.late).toEqual([
      { index: 0, reply, class: 'accepted' },
      { index: 1, reply, class: 'accepted' },
    ]);
  });

  it('lets the LMTP replies that came in time stand, and tells the others later', async () => {
    const hop = await fakeNextHop({
      protocol: 'lmtp',
      answer: (verb) => (verb === '.' ? '250 2.0.0 first\r\n' : undefined),
    });
    const result = await send(hop, { deadline: Date.now() + 150 });
    expect(outcomes(result)).toEqual(['250 2.0.0 end-of-data', '451 4.4.2 end-of-data']);
    hop.connections[0]?.say('550 5.2.2 full\r\n');
    expect(await result.late).toEqual([
      { index: 1, reply: { code: 550, enhanced: '5.2.2', text: 'full' }, class: 'permanent' },
    ]);
  });

  it('leaves nothing pending when the next hop dies, or stays silent for ever', async () => {
    const dies = await fakeNextHop({ answer: (verb) => (verb === '.' ? null : undefined) });
    const first = await send(dies, { deadline: Date.now() + 100 });
    dies.connections[0]?.socket.destroy();
    expect(await first.late).toEqual([]);
    const silent = await fakeNextHop(
      { answer: (verb) => (verb === '.' ? null : undefined) },
      { lateMs: 100 },
    );
    const second = await send(silent, { deadline: Date.now() + 100 });
    expect(await second.late).toEqual([]);
  });
});

describe('the pool', () => {
  it('tries once more on a fresh connection when an idle one has died', async () => {
    const hop = await fakeNextHop();
    await send(hop);
    const [first] = hop.connections;
    // Closed at the very moment of use: the client cannot have noticed.
    first?.socket.removeAllListeners('data');
    first?.socket.on('data', () => first.socket.resetAndDestroy());
    expect(outcomes(await send(hop))).toEqual(['250 2.0.0 end-of-data', '250 2.0.0 end-of-data']);
    expect(hop.connections).toHaveLength(2);
    expect(hop.messages).toHaveLength(2);
  });

  it('tries once more when an idle connection says 421 instead of an answer', async () => {
    const hop = await fakeNextHop({
      answer: (verb, _line, connection) =>
        verb === 'MAIL' && connection.number === 1 && connection.lines.length > 3
          ? { end: 'close', say: '421 4.4.2 timeout\r\n' }
          : undefined,
    });
    await send(hop);
    expect(outcomes(await send(hop))[0]).toBe('250 2.0.0 end-of-data');
    expect(hop.connections).toHaveLength(2);
  });

  it('never tries again when the message may have been taken', async () => {
    const hop = await fakeNextHop({
      answer: (verb, _line, connection) =>
        verb === '.' && connection.lines.length > 5 ? { end: 'close' } : undefined,
    });
    await send(hop);
    expect(outcomes(await send(hop))[0]).toBe('451 4.4.2 end-of-data');
    expect(hop.messages).toHaveLength(2);
  });

  it('notices an idle connection that says goodbye', async () => {
    const hop = await fakeNextHop();
    await send(hop);
    hop.connections[0]?.socket.end('421 4.4.2 idle\r\n');
    await pause(30);
    expect(hop.client.connections).toBe(0);
    expect(outcomes(await send(hop))[0]).toBe('250 2.0.0 end-of-data');
  });

  it('opens no more connections than allowed, and the others wait', async () => {
    const hop = await fakeNextHop({}, { maxConnections: 3 });
    const results = await Promise.all(Array.from({ length: 20 }, () => send(hop)));
    expect(hop.connections).toHaveLength(3);
    expect(results.flatMap(outcomes).every((outcome) => outcome === '250 2.0.0 end-of-data')).toBe(true);
  });

  it('answers temporarily when no connection becomes free in time', async () => {
    const hop = await fakeNextHop(
      { answer: (verb) => (verb === 'MAIL' ? null : undefined) },
      { maxConnections: 1 },
    );
    const first = send(hop, { deadline: Date.now() + 600 });
    expect(outcomes(await send(hop, { deadline: Date.now() + 100 }))[0]).toBe('451 4.4.5 connect');
    expect(outcomes(await first)[0]).toBe('451 4.4.2 mail');
  });

  it('lets those that wait try when a connection cannot be opened', async () => {
    const hop = await fakeNextHop({ greeting: { end: 'close' } }, { maxConnections: 1 });
    const results = await Promise.all([send(hop), send(hop), send(hop)]);
    for (const result of results) expect(outcomes(result)[0]).toBe('451 4.4.2 greeting');
  });

  it('closes idle connections with QUIT after their time', async () => {
    const hop = await fakeNextHop({}, { idleMs: 50 });
    await send(hop);
    await pause(150);
    expect(hop.commands().at(-1)).toBe('QUIT');
    expect(hop.client.connections).toBe(0);
  });

  it('uses no connection for a further message once it is old, however busy it was kept', async () => {
    const hop = await fakeNextHop({}, { maxAge: 200 });
    const end = Date.now() + 300;
    while (Date.now() < end) {
      await send(hop);
      await pause(20);
    }
    expect(hop.connections.length).toBeGreaterThan(1);
    expect(hop.connections[0]?.lines.at(-1)).toBe('QUIT');
    expect(hop.messages.length).toBeGreaterThan(hop.connections.length);
  });

  it('is opened ahead for the first message, which goes over it', async () => {
    const hop = await fakeNextHop();
    expect(await hop.client.prepare()).toBe(null);
    expect(hop.commands()).toEqual(['EHLO filter.test']);
    expect(outcomes(await send(hop))[0]).toBe('250 2.0.0 end-of-data');
    expect(hop.connections).toHaveLength(1);
  });

  it('that was opened ahead and has died since costs nobody a message', async () => {
    const hop = await fakeNextHop({
      answer: (verb, _line, { number }) => (verb === 'MAIL' && number === 1 ? { end: 'close' } : undefined),
    });
    expect(await hop.client.prepare()).toBe(null);
    expect(outcomes(await send(hop))[0]).toBe('250 2.0.0 end-of-data');
    expect(hop.connections).toHaveLength(2);
  });

  it('that cannot be opened ahead tells why, and leaves nothing behind', async () => {
    const hop = await fakeNextHop({ greeting: '554 5.3.2 not today\r\n' });
    expect((await hop.client.prepare())?.text).toContain('not today');
    expect(hop.client.connections).toBe(0);
  });

  it('answers temporarily when nobody listens, and after it was closed', async () => {
    const hop = await fakeNextHop();
    await hop.client.close();
    expect(outcomes(await send(hop))[0]).toBe('451 4.3.2 connect');
    const gone = await fakeNextHop();
    await closeNextHops();
    const again = await fakeNextHop(
      {},
      { nextHop: { protocol: 'smtp', endpoint: { kind: 'unix', path: '/nonexistent/s' } } },
    );
    expect(outcomes(await send(again))[0]).toBe('451 4.4.1 connect');
    expect((await send(again)).recipients[0]?.reply.text).toBe(
      'Cannot connect to smtp:unix:/nonexistent/s: No such socket',
    );
    expect(outcomes(await send(gone))[0]).toMatch(/^451 4\./);
  });
});

describe('what the next hop is told', () => {
  it('includes the client’s parameters, and XFORWARD with the attributes it lists', async () => {
    const hop = await fakeNextHop({ extensions: [...PIPELINING, 'XFORWARD NAME ADDR IDENT'] });
    await send(hop, {
      envelope: envelope(
        ['"a b"@x.test'],
        'SIZE=1 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By',
        'NOTIFY=NEVER ORCPT=rfc822;a',
      ),
      xforward: { NAME: 'c+20d', ADDR: '192.0.2.1', PORT: '25', IDENT: '4Fx' },
    });
    expect(hop.commands().slice(1)).toEqual([
      'XFORWARD NAME=c+20d ADDR=192.0.2.1 IDENT=4Fx',
      `MAIL FROM:<sender@x.test> SIZE=${MESSAGE.length} BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By`,
      'RCPT TO:<"a b"@x.test> NOTIFY=NEVER ORCPT=rfc822;a',
      'DATA',
    ]);
  });

  it('goes on when XFORWARD is refused', async () => {
    const hop = await fakeNextHop({
      extensions: ['PIPELINING', 'XFORWARD IDENT'],
      answer: (verb) => (verb === 'XFORWARD' ? '550 5.7.0 not you\r\n' : undefined),
    });
    expect(outcomes(await send(hop, { xforward: { IDENT: 'x' } }))[0]).toBe('250 2.0.0 end-of-data');
  });

  it('starts with HELO where EHLO is not known', async () => {
    const hop = await fakeNextHop({ answer: (verb) => (verb === 'EHLO' ? '502 what\r\n' : undefined) });
    const result = await send(hop, { envelope: envelope(['a@x.test'], 'RET=FULL', 'NOTIFY=NEVER') });
    expect(outcomes(result)).toEqual(['250 2.0.0 end-of-data']);
    expect(hop.commands()).toEqual([
      'EHLO filter.test',
      'HELO filter.test',
      'MAIL FROM:<sender@x.test>',
      'RCPT TO:<a@x.test>',
      'DATA',
    ]);
  });

  it('has a last line that is complete, and never more than was said', async () => {
    const hop = await fakeNextHop();
    await send(hop, { message: Buffer.from('no line end') });
    await send(hop, { message: Buffer.alloc(0) });
    expect(hop.messages).toEqual(['no line end\r\n', '']);
    expect(hop.commands()).toContain('MAIL FROM:<sender@x.test> SIZE=13');
  });

  it('is nothing for a message that exceeds its SIZE', async () => {
    const hop = await fakeNextHop({ extensions: ['PIPELINING', 'SIZE 20'] });
    expect(outcomes(await send(hop))).toEqual(['552 5.3.4 mail', '552 5.3.4 mail']);
    expect(hop.commands()).toEqual(['EHLO filter.test']);
  });

  it('does not wait for a recorder that fails', async () => {
    const hop = await fakeNextHop();
    const result = await send(hop, { onAccepted: () => Promise.reject(new Error('no database')) });
    expect(outcomes(result)).toEqual(['250 2.0.0 end-of-data', '250 2.0.0 end-of-data']);
  });
});

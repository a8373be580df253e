// Dialogues between sealpost-pipe and the daemon: each with its exact exit code and output.
// @module-tag slow
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeLmtp, messageOf, type Script, startFakeLmtp } from './fake-lmtp.ts';
import { listenerConfig, type PipeBed, type PipeRun, preparePipe, runPipe } from './run-pipe.ts';

const MESSAGE = 'From: a@example.org\nSubject: secret\n\nThe plan is at noon.\n';

let bed: PipeBed;
beforeAll(async () => {
  bed = await preparePipe();
});
afterAll(() => bed.remove());

interface Call {
  readonly sender?: string;
  readonly recipients?: readonly string[];
  readonly message?: string | Buffer;
  readonly config?: string;
}

async function call(script: Script, given: Call = {}): Promise<PipeRun & { readonly server: FakeLmtp }> {
  const server = await startFakeLmtp(script);
  try {
    const config = bed.configure(listenerConfig(server.address, given.config));
    const { sender = 'a@example.org', recipients = ['b@example.net'], message = MESSAGE } = given;
    const args = ['--config', config, '--queue-id', '4XyZ12', '-f', sender, '--', ...recipients];
    return { ...(await runPipe(bed, { args, message })), server };
  } finally {
    await server.close();
  }
}

const two = ['bob@example.net', 'carol@example.net'];
const byRecipient = (replies: Readonly<Record<string, string>>) => (path: string) =>
  replies[path] ?? '250 2.0.0 Ok';

interface Row {
  readonly name: string;
  readonly script: Script;
  readonly recipients?: readonly string[];
  readonly sender?: string;
  readonly exit: number;
  readonly output: string;
}

const rows: readonly Row[] = [
  { name: 'everyone accepted', script: {}, recipients: two, exit: 0, output: '' },
  {
    name: 'a temporary failure of one recipient',
    script: { final: byRecipient({ 'carol@example.net': '451 4.2.1 mailbox busy' }) },
    recipients: two,
    exit: 75,
    output: '4.2.1 mailbox busy\n',
  },
  {
    name: 'a temporary failure beside a permanent one',
    script: { final: (path) => (path.startsWith('bob') ? '550 5.1.1 no' : '452 4.2.2 full') },
    recipients: two,
    exit: 75,
    output: '4.2.2 full\n',
  },
  {
    name: 'a temporary reply without an enhanced code',
    script: { final: () => '451 try later' },
    exit: 75,
    output: '4.3.0 try later\n',
  },
  {
    name: 'a temporary reply with a permanent enhanced code',
    script: { final: () => '451 5.7.1 confused' },
    exit: 75,
    output: '4.3.0 5.7.1 confused\n',
  },
  {
    name: 'an unknown user',
    script: { final: () => '550 5.1.1 <b@example.net>: User unknown' },
    exit: 67,
    output: '5.1.1 <b@example.net>: User unknown\n',
  },
  {
    name: 'an unknown user refused at RCPT',
    script: { rcpt: () => '550 5.1.1 User unknown' },
    exit: 67,
    output: '5.1.1 User unknown\n',
  },
  {
    name: 'a syntax error in an address at RCPT',
    script: { rcpt: () => '501 5.1.3 Bad recipient address syntax' },
    exit: 67,
    output: '5.1.3 Bad recipient address syntax\n',
  },
  {
    name: 'a refusal of the content',
    script: { final: () => '554 5.6.7 needs SMTPUTF8' },
    exit: 65,
    output: '5.6.7 needs SMTPUTF8\n',
  },
  {
    name: 'a refusal by policy',
    script: { final: () => '554 5.7.1 No key, and on_missing_key is reject' },
    exit: 69,
    output: '5.7.1 No key, and on_missing_key is reject\n',
  },
  {
    name: 'a refusal without an enhanced code',
    script: { final: () => '550 no thanks' },
    exit: 69,
    output: '5.0.0 no thanks\n',
  },
  {
    name: 'a refusal without a text',
    script: { final: () => '550' },
    exit: 69,
    output: '5.0.0 the recipient was refused\n',
  },
  {
    name: 'a refusal in several lines',
    script: { final: () => '550-5.7.1 first\r\n550 5.7.1 second' },
    exit: 69,
    output: '5.7.1 first second\n',
  },
  {
    name: 'a refused sender',
    script: { mail: '550 5.1.8 Sender domain not found' },
    exit: 69,
    output: '5.1.8 Sender domain not found\n',
  },
  {
    name: 'a message too large for the daemon',
    script: { mail: '552 5.3.4 Message size exceeds filter.max_message_size' },
    recipients: two,
    exit: 69,
    output: '5.3.4 Message size exceeds filter.max_message_size\n',
  },
  {
    name: 'no memory left at MAIL',
    script: { mail: '452 4.3.1 memory_budget is in use' },
    exit: 75,
    output: '4.3.1 memory_budget is in use\n',
  },
  {
    name: 'a refusal of DATA',
    script: { data: '554 5.7.0 not now, not ever' },
    exit: 69,
    output: '5.7.0 not now, not ever\n',
  },
  {
    name: 'several recipients refused in the same words',
    script: { final: (path) => `550 5.1.1 <${path}>: User unknown` },
    recipients: two,
    exit: 67,
    output: '5.1.1 <(address)>: User unknown\n',
  },
  {
    name: 'several recipients refused for different reasons',
    script: {
      final: (path) => (path.startsWith('bob') ? '550 5.1.1 bob is unknown' : '550 5.7.1 carol said no'),
    },
    recipients: two,
    exit: 69,
    output: '5.0.0 all 2 recipients were refused\n',
  },
  {
    name: 'several recipients refused for reasons of one kind',
    script: { final: (path) => (path.startsWith('bob') ? '550 5.1.1 unknown' : '550 5.1.6 moved') },
    recipients: two,
    exit: 67,
    output: '5.1.0 all 2 recipients were refused\n',
  },
  {
    name: 'a reply that tells of somebody else',
    script: { final: () => '550 5.1.1 forwarded to hidden.alias@internal.example, which is unknown' },
    exit: 67,
    output: '5.1.1 forwarded to (address), which is unknown\n',
  },
  {
    name: 'some accepted, some refused, from the null sender',
    script: { final: byRecipient({ 'bob@example.net': '550 5.1.1 no' }) },
    recipients: two,
    sender: '',
    exit: 0,
    output: '2.0.0 1 of 2 recipients refused; the null sender gets no bounce\n',
  },
  {
    name: 'a busy daemon',
    script: { greeting: '421 4.3.2 Too many connections' },
    exit: 75,
    output: '4.3.2 Too many connections\n',
  },
  {
    name: 'a greeting that refuses for good',
    script: { greeting: '554 5.7.1 You are not welcome' },
    exit: 75,
    output: '4.5.0 sealpost answered 554, which was not expected\n',
  },
  {
    name: 'a server that does not speak LMTP',
    script: { lhlo: '500 5.5.1 Use EHLO' },
    exit: 75,
    output: '4.5.0 sealpost answered 500, which was not expected\n',
  },
  {
    name: 'an XFORWARD that is refused',
    script: { xforward: '550 5.7.0 not allowed' },
    exit: 75,
    output: '4.5.0 sealpost answered 550, which was not expected\n',
  },
  {
    name: 'a protocol error at MAIL',
    script: { mail: '503 5.5.1 bad sequence' },
    exit: 75,
    output: '4.5.0 sealpost answered 503, which was not expected\n',
  },
  {
    name: 'a protocol error at RCPT',
    script: { rcpt: () => '502 5.5.2 not implemented' },
    exit: 75,
    output: '4.5.0 sealpost answered 502, which was not expected\n',
  },
  {
    name: 'a protocol error at DATA',
    script: { data: '250 2.0.0 Ok' },
    exit: 75,
    output: '4.5.0 sealpost answered 250, which was not expected\n',
  },
  {
    name: 'a shutdown in the middle',
    script: { rcpt: () => '421 4.3.2 Shutting down, bob@example.net must wait' },
    exit: 75,
    output: '4.3.2 Shutting down, (address) must wait\n',
  },
  {
    name: 'a reply to the message that is neither success nor failure',
    script: { final: () => '354 more?' },
    exit: 75,
    output: '4.3.0 more?\n',
  },
];

describe('sealpost-pipe turns the replies into one exit code and one line', () => {
  it.each(rows)('$name: $exit', async ({ script, recipients, sender, exit, output }) => {
    const run = await call(script, {
      ...(recipients && { recipients }),
      ...(sender !== undefined && { sender }),
    });
    expect({ exit: run.exit, output: run.output }).toEqual({ exit, output });
  });

  it('says which port when nobody listens there', async () => {
    const server = await startFakeLmtp();
    await server.close();
    const args = [
      '--config',
      bed.configure(listenerConfig(server.address)),
      '-f',
      'a@example.org',
      '--',
      'b@example.net',
    ];
    const run = await runPipe(bed, { args, message: MESSAGE });
    expect(run.exit).toBe(75);
    expect(run.output).toBe(
      `4.4.1 sealpost serve cannot be reached at ${server.address}: nobody listens there; is "sealpost serve" running?\n`,
    );
  });

  it('says so when the unix socket is missing', async () => {
    const path = `${bed.directory}/none.sock`;
    const args = ['--config', bed.configure(listenerConfig(`unix:${path}`)), '-f', '', '--', 'b@example.net'];
    const run = await runPipe(bed, { args, message: MESSAGE });
    expect(run).toMatchObject({
      exit: 75,
      output: `4.4.1 sealpost serve cannot be reached at unix:${path}: there is no such socket; is "sealpost serve" running?\n`,
    });
  });

  it.each(['greeting', 'LHLO', 'XFORWARD', 'MAIL', 'RCPT', 'DATA', 'message'] as const)(
    'ends with 75 when the daemon dies at %s',
    async (dieAt) => {
      const run = await call({ dieAt });
      expect(run.exit).toBe(75);
      expect(run.output).toBe(
        `4.4.2 sealpost serve at ${run.server.address} closed the connection before its reply\n`,
      );
    },
  );

  it('ends with 75 when a recipient has no reply although the others were accepted', async () => {
    const run = await call(
      { rawFinal: '250 2.0.0 Ok\r\n' },
      { recipients: two, config: '[pipe]\ndeadline = "1s"\n' },
    );
    expect(run).toMatchObject({
      exit: 75,
      output: '4.4.1 not delivered within pipe.deadline; the mail stays queued\n',
    });
  });

  it.each([
    ['garbage', 'hello there\r\n', 'a line that is no SMTP reply'],
    ['an endless line', 'x'.repeat(10_000), 'a reply line of more than 4096 bytes'],
    ['a code that changes', '250-a\r\n550 b\r\n', 'a reply whose code changes from line to line'],
  ])('ends with 75 on %s', async (_, rawFinal, violation) => {
    const run = await call({ rawFinal });
    expect(run.exit).toBe(75);
    expect(run.output).toBe(
      `4.5.0 sealpost serve at ${run.server.address} does not speak LMTP: ${violation}\n`,
    );
  });

  it.each(['greeting', 'MAIL', 'message'] as const)(
    'ends by itself when %s is not answered in time',
    async (hangAt) => {
      const run = await call({ hangAt }, { config: '[pipe]\ndeadline = "700ms"\n' });
      expect(run).toMatchObject({
        exit: 75,
        output: '4.4.1 not delivered within pipe.deadline; the mail stays queued\n',
      });
    },
  );
});

describe('a message that some recipients refuse', () => {
  const refuseBob = byRecipient({ 'bob@example.net': '550 5.1.1 <bob@example.net>: User unknown' });

  it('is a success once the bounce for the refused ones was accepted', async () => {
    const run = await call({ rcpt: refuseBob }, { recipients: two });
    expect(run).toMatchObject({ exit: 0, output: '' });
    const [first, second] = run.server.transactions;
    expect(first?.commands).toContain('RCPT TO:<carol@example.net>');
    expect(second?.commands).toEqual(expect.arrayContaining(['RCPT TO:<a@example.org>']));
    expect(second?.commands.find((command) => command.startsWith('MAIL'))).toMatch(/^MAIL FROM:<> /);
    const notification = messageOf(second?.data ?? Buffer.alloc(0));
    expect(notification).toContain('Final-Recipient: rfc822; bob@example.net');
    expect(notification).toContain('Auto-Submitted: auto-replied');
    expect(notification).not.toContain('carol');
  });

  it('returns the header in the bounce and no byte of the body', async () => {
    const run = await call({ final: refuseBob }, { recipients: two });
    const notification = messageOf(run.server.transactions[1]?.data ?? Buffer.alloc(0));
    expect(run.exit).toBe(0);
    expect(notification).toContain('Subject: secret');
    expect(notification).not.toContain('noon');
  });

  it('waits in the queue while the bounce is not accepted', async () => {
    const final = (path: string, transaction: number) => (transaction > 1 ? '451 4.3.0 no' : refuseBob(path));
    const run = await call({ final }, { recipients: two });
    expect(run).toMatchObject({
      exit: 75,
      output: '4.3.0 a recipient was refused, and the bounce could not be delivered yet\n',
    });
  });
});

describe('what the daemon is sent', () => {
  it('is the envelope, the queue ID and the message', async () => {
    const { server } = await call({}, { recipients: two });
    expect(server.transactions).toHaveLength(1);
    expect(server.transactions[0]?.commands).toEqual([
      'LHLO sealpost-pipe',
      'XFORWARD IDENT=4XyZ12 SOURCE=REMOTE',
      'MAIL FROM:<a@example.org> SIZE=62',
      'RCPT TO:<bob@example.net>',
      'RCPT TO:<carol@example.net>',
      'DATA',
    ]);
    expect(messageOf(server.transactions[0]?.data ?? Buffer.alloc(0))).toBe(MESSAGE.replaceAll('\n', '\r\n'));
  });

  it('is as little as a daemon without extensions understands', async () => {
    const { exit, server } = await call({ extensions: [] }, { message: 'Subject: caf\u00e9\n\n\u00e9\n' });
    expect(exit).toBe(0);
    expect(server.transactions[0]?.commands).toEqual([
      'LHLO sealpost-pipe',
      'MAIL FROM:<a@example.org>',
      'RCPT TO:<b@example.net>',
      'DATA',
    ]);
  });

  it.each([
    ['the null sender', '', 'b@example.net', '<>', '<b@example.net>'],
    [
      'the name that pipe(8) has for the null sender',
      'MAILER-DAEMON',
      'b@example.net',
      '<>',
      '<b@example.net>',
    ],
    [
      'quoted local parts',
      '"a b"@x.example',
      '"b > c"@example.net',
      '<"a b"@x.example>',
      '<"b > c"@example.net>',
    ],
    [
      'addresses that begin with a hyphen',
      '-x@x.example',
      '-f@example.net',
      '<-x@x.example>',
      '<-f@example.net>',
    ],
    [
      'local parts that nobody quoted',
      'a b@x.example',
      'b,c@example.net',
      '<"a b"@x.example>',
      '<"b,c"@example.net>',
    ],
    ['an address literal', 'a@[127.0.0.1]', 'b@[IPv6:::1]', '<a@[127.0.0.1]>', '<b@[IPv6:::1]>'],
    [
      'odd but valid paths',
      'a..b@x.example',
      "!#$%&'*+/=?^_`{|}~@example.net",
      '<a..b@x.example>',
      "<!#$%&'*+/=?^_`{|}~@example.net>",
    ],
  ])('keeps %s', async (_, sender, recipient, from, to) => {
    const { exit, server } = await call({}, { sender, recipients: [recipient] });
    expect(exit).toBe(0);
    const commands = server.transactions[0]?.commands ?? [];
    expect(commands.find((command) => command.startsWith('MAIL'))).toBe(`MAIL FROM:${from} SIZE=62`);
    expect(commands).toContain(`RCPT TO:${to}`);
  });

  it('declares SMTPUTF8 and the bytes of an address in UTF-8', async () => {
    const { server } = await call({}, { recipients: ['j\u00f6rg@example.net'] });
    const commands = server.transactions[0]?.commands ?? [];
    expect(commands).toContain('MAIL FROM:<a@example.org> SIZE=62 SMTPUTF8');
    expect(commands).toContain(`RCPT TO:<${Buffer.from('j\u00f6rg@example.net').toString('latin1')}>`);
  });

  it('goes to a unix socket rather than to a port', async () => {
    const inet = await startFakeLmtp();
    const unix = await startFakeLmtp({}, `${bed.directory}/lmtp.sock`);
    const config = bed.configure(
      `${listenerConfig(inet.address)}[[filter.listen]]\nprotocol = "lmtp"\naddress = "${unix.address}"\n`,
    );
    const run = await runPipe(bed, {
      args: ['--config', config, '-f', '', '--', 'b@example.net'],
      message: MESSAGE,
    });
    expect(run.exit).toBe(0);
    expect([inet.transactions.length, unix.transactions.length]).toEqual([0, 1]);
    await inet.close();
    await unix.close();
  });

  it('goes to a port when the unix socket is not there', async () => {
    const inet = await startFakeLmtp();
    const config = bed.configure(
      `${listenerConfig(`unix:${bed.directory}/gone.sock`)}[[filter.listen]]\nprotocol = "lmtp"\naddress = "${inet.address}"\n`,
    );
    const run = await runPipe(bed, {
      args: ['--config', config, '-f', '', '--', 'b@example.net'],
      message: MESSAGE,
    });
    expect(run.exit).toBe(0);
    expect(inet.transactions).toHaveLength(1);
    await inet.close();
  });
});

describe('the bytes of the message', () => {
  const bodies: readonly (readonly [string, Buffer])[] = [
    ['8-bit text', Buffer.from('Subject: \u00fc\n\nna\u00efve\n')],
    ['Latin-1', Buffer.from('S: x\n\n\u00e9\u00ff\n', 'latin1')],
    ['NUL', Buffer.from('S: x\n\na\0b\n')],
    ['lines of 3,000 bytes', Buffer.from(`S: x\n\n${'y'.repeat(3000)}\n${'.'.repeat(3000)}\n`)],
    ['no final newline', Buffer.from('S: x\n\nend')],
    ['only dots', Buffer.from('.\n..\n.\n...\n.\n')],
    ['a dot and no newline', Buffer.from('.')],
    ['a bare CR', Buffer.from('S: x\n\na\rb\n\r')],
    ['CRLF line ends', Buffer.from('S: x\r\n\r\n.\r\nb\r\n')],
    ['empty lines', Buffer.from('\n\n\n')],
    ['one newline', Buffer.from('\n')],
    ['a smuggled end', Buffer.from('S: x\n\na\n.\nMAIL FROM:<evil@x.example>\n')],
  ];

  it.each(bodies)('arrive: %s', async (_, message) => {
    const { exit, server } = await call({}, { message });
    expect(exit).toBe(0);
    expect(server.transactions).toHaveLength(1);
    const expected = message.toString('latin1').replace(/\r?\n/g, '\r\n');
    const data = server.transactions[0]?.data ?? Buffer.alloc(0);
    expect(messageOf(data)).toBe(expected.endsWith('\r\n') ? expected : `${expected}\r\n`);
    const eightBit = /[\x80-\xff]/.test(expected);
    const mail = server.transactions[0]?.commands.find((command) => command.startsWith('MAIL')) ?? '';
    expect(mail.includes(' BODY=8BITMIME')).toBe(eightBit);
    expect(mail).toContain(` SIZE=${messageOf(data).length}`);
  });

  it('arrive: 25 MB', async () => {
    const message = Buffer.from(`S: x\n\n${`${'.z'.repeat(37)}\n`.repeat(350_000)}`);
    expect(message.length).toBeGreaterThan(25e6);
    const { exit, server } = await call({}, { message });
    expect(exit).toBe(0);
    const expected = message.toString('latin1').replaceAll('\n', '\r\n');
    expect(messageOf(server.transactions[0]?.data ?? Buffer.alloc(0)) === expected).toBe(true);
  });
});

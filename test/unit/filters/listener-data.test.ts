// DATA at the listener: sizes, the memory budget, bare line ends.
import { afterEach, describe, expect, it } from 'vitest';
import { closeAll, eventually, openListener, type RawClient, type TestListener } from './listener-support.ts';

afterEach(closeAll);

async function send(client: RawClient, content: string, parameters = ''): Promise<string[]> {
  expect(await client.command(`MAIL FROM:<>${parameters}`)).toMatch(/^250/);
  await client.command('RCPT TO:<a@x.test>');
  await client.command('RCPT TO:<b@x.test>');
  await client.command('DATA');
  client.write(content);
  return [await client.reply(), await client.reply()];
}

async function session(listener: TestListener): Promise<RawClient> {
  const client = listener.connect();
  await client.hello();
  return client;
}

describe('the message size', () => {
  it('over the limit gives 552 5.3.4 for each recipient, and the session goes on', async () => {
    const listener = await openListener({ filter: { max_message_size: 1000 } });
    const client = await session(listener);
    const replies = await send(client, `${'x'.repeat(998)}\r\n.y\r\n.\r\n`);
    expect(replies).toEqual([expect.stringMatching(/^552 5\.3\.4 /), expect.stringMatching(/^552 5\.3\.4 /)]);
    const huge = await send(client, `${'x'.repeat(200_000)}\r\n.\r\n`);
    expect(huge).toEqual([expect.stringMatching(/^552 5\.3\.4 /), expect.stringMatching(/^552 5\.3\.4 /)]);
    expect(listener.transactions).toEqual([]);
    expect(listener.budget.used()).toBe(0);
  });

  it('at the limit is taken, stuffed dots not counted', async () => {
    const listener = await openListener({ filter: { max_message_size: 1000 } });
    const client = await session(listener);
    const replies = await send(client, `${'..\r\n'.repeat(333)}\0.\r\n.\r\n`);
    expect(replies[0]).toMatch(/^552/);
    expect((await send(client, `${'..\r\n'.repeat(332)}12\r\n.\r\n`))[0]).toMatch(/^250/);
    expect(listener.transactions[0]?.message).toHaveLength(1000);
  });
});

/** Announces a message, and sends its beginning. */
async function begin(client: RawClient, size: number, content: string): Promise<void> {
  expect(await client.command(`MAIL FROM:<> SIZE=${size}`)).toMatch(/^250/);
  expect(await client.command('RCPT TO:<a@x.test>')).toMatch(/^250/);
  expect(await client.command('DATA')).toMatch(/^354/);
  client.write(content);
}

describe('the memory budget', () => {
  it('refuses MAIL with 452 4.3.1 while others hold it, and one message always fits', async () => {
    const listener = await openListener({ budgetBytes: 1000 });
    const [first, second] = [await session(listener), await session(listener)];
    await begin(first, 5000, 'x'.repeat(1200));
    await eventually(() => listener.budget.used() === 5000, 'the first one holds what it announced');
    expect(await second.command('MAIL FROM:<> SIZE=10')).toMatch(/^452 4\.3\.1 /);
    expect(await second.command('RCPT TO:<a@x.test>')).toMatch(/^503 5\.5\.1 /);
    expect(await first.command('\r\n.')).toMatch(/^250/);
    expect(await second.command('MAIL FROM:<> SIZE=10')).toMatch(/^250/);
  });

  it('is not taken by clients that announce a message and wait', async () => {
    const listener = await openListener({ budgetBytes: 1000 });
    const idle = await Promise.all(Array.from({ length: 10 }, () => session(listener)));
    for (const [index, client] of idle.entries()) {
      expect(await client.command('MAIL FROM:<> SIZE=1000')).toMatch(/^250/);
      if (index < 5) continue;
      expect(await client.command('RCPT TO:<a@x.test>')).toMatch(/^250/);
      expect(await client.command('DATA')).toMatch(/^354/);
    }
    expect(listener.budget.used()).toBe(0);
    const busy = await session(listener);
    expect((await send(busy, `${'x'.repeat(900)}\r\n.\r\n`, ' SIZE=900'))[0]).toMatch(/^250/);
    // Nor is one message that is larger than the budget kept out by them.
    expect((await send(busy, `${'x'.repeat(3000)}\r\n.\r\n`, ' SIZE=3000'))[0]).toMatch(/^250/);
  });

  it('is reserved ahead in proportion to what has come', async () => {
    const listener = await openListener({ budgetBytes: 10_000_000 });
    const client = await session(listener);
    await begin(client, 5_000_000, 'x');
    await eventually(() => listener.budget.used() === 65_536, 'a little is reserved ahead');
    client.write(`${'x'.repeat(99_999)}`);
    await eventually(() => listener.budget.used() >= 100_000, 'more is reserved');
    expect(listener.budget.used()).toBeLessThanOrEqual(400_000);
    client.write(`${'x'.repeat(4_800_000)}`);
    await eventually(() => listener.budget.used() === 5_000_000, 'never more than announced');
  });

  it('is given back when the client goes, and after the replies', async () => {
    const listener = await openListener({ budgetBytes: 1000 });
    const first = await session(listener);
    await begin(first, 900, 'x');
    await eventually(() => listener.budget.used() === 900, 'the first one holds what it announced');
    first.socket.destroy();
    await eventually(() => listener.budget.used() === 0, 'the budget is free');
    const second = await session(listener);
    await send(second, 'x\r\n.\r\n', ' SIZE=900');
    expect(listener.budget.used()).toBe(0);
  });

  it('counts a message with its real size while it is delivered', async () => {
    const seen: number[] = [];
    const listener: TestListener = await openListener({
      deliver: async (transaction) => {
        seen.push(listener.budget.used(), transaction.message.length);
        return transaction.envelope.recipients.map(() => ({ code: 250, enhanced: '2.0.0', text: '' }));
      },
    });
    await send(await session(listener), `${'x'.repeat(300)}\r\n.\r\n`, ' SIZE=9000');
    expect(seen).toEqual([302, 302]);
  });

  it('refuses at the end of data when the message outgrows it, and swallows the rest', async () => {
    const listener = await openListener({ budgetBytes: 3000 });
    const [first, second] = [await session(listener), await session(listener)];
    await begin(first, 2000, 'x');
    await eventually(() => listener.budget.used() === 2000, 'the first one holds what it announced');
    const replies = await send(second, `${'x'.repeat(40_000)}\r\n.\r\n`);
    expect(replies).toEqual([expect.stringMatching(/^452 4\.3\.1 /), expect.stringMatching(/^452 4\.3\.1 /)]);
    expect(listener.budget.used()).toBe(2000);
    expect(listener.transactions).toEqual([]);
    expect((await send(second, 'small\r\n.\r\n'))[0]).toMatch(/^250/);
  });
});

describe('a message that is not taken', () => {
  const TOLD = {
    listener: 'lmtp',
    xforward: { IDENT: '4bXkQ21zzz' },
    recipients: ['a@x.test', 'b@x.test'],
  };

  it.each([
    ['too-large', { max_message_size: 1000 }, `${'x'.repeat(2000)}\r\n.\r\n`, 552],
    ['bare-newline', { bare_newline: 'reject' }, 'a\nb\r\n.\r\n', 550],
  ] as const)(
    'is told of with queue ID, recipients and reply: %s',
    async (because, filter, content, code) => {
      const listener = await openListener({ filter });
      const client = await session(listener);
      await client.command('XFORWARD IDENT=4bXkQ21zzz');
      await send(client, content, ' SIZE=900');
      expect(listener.notTaken).toEqual([
        {
          ...TOLD,
          because,
          id: expect.any(String),
          size: expect.any(Number),
          reply: expect.objectContaining({ code }),
        },
      ]);
      expect(listener.notTaken[0]?.size).toBeGreaterThanOrEqual(900);
      await send(client, 'fine\r\n.\r\n');
      expect(listener.notTaken[0]?.id).not.toBe(listener.transactions[0]?.id);
      expect(listener.notTaken).toHaveLength(1);
    },
  );

  it('is told of at MAIL, too, before it has recipients, and a mere mistake of the client is not', async () => {
    const listener = await openListener({ filter: { max_message_size: 1000 }, budgetBytes: 1000 });
    const [first, second] = [await session(listener), await session(listener)];
    await second.command('XFORWARD IDENT=4bXkQ21zzz');
    expect(await second.command('MAIL FROM:<> SIZE=5000')).toMatch(/^552/);
    expect(await second.command('MAIL FROM:<> SIZE=abc')).toMatch(/^501/);
    await begin(first, 900, 'x'.repeat(1200));
    await eventually(() => listener.budget.used() >= 900, 'the first one holds what it announced');
    expect(await second.command('MAIL FROM:<> SIZE=500')).toMatch(/^452/);
    expect(listener.notTaken.map(({ because, size, recipients }) => [because, size, recipients])).toEqual([
      ['too-large', 5000, []],
      ['no-room', 500, []],
    ]);
    expect(listener.notTaken.map(({ xforward }) => xforward.IDENT)).toEqual(['4bXkQ21zzz', '4bXkQ21zzz']);
  });
});

describe('line ends', () => {
  const wires: readonly (readonly [string, string])[] = [
    ['a\n.\nMAIL FROM:<evil@x.test>\r\n', 'a\r\n.\r\nMAIL FROM:<evil@x.test>\r\n'],
    ['a\n.\r\nMAIL\r\n', 'a\r\n.\r\nMAIL\r\n'],
    ['a\r\n.\nMAIL\r\n', 'a\r\n\r\nMAIL\r\n'],
    ['a\r\n.\rMAIL\r\n', 'a\r\n\r\nMAIL\r\n'],
    ['a\r.\rMAIL\r\n', 'a\r\n.\r\nMAIL\r\n'],
    ['a\r\n.\r\r\nMAIL\r\n', 'a\r\n\r\n\r\nMAIL\r\n'],
    ['a\r\r\n..\r\n', 'a\r\n\r\n.\r\n'],
    ['a\n..b\r\n', 'a\r\n..b\r\n'],
    ['nul\0byte\r\n', 'nul\0byte\r\n'],
    ['', ''],
    ['..\r\n', '.\r\n'],
  ];

  it.each(wires)('are normalised and never end DATA early: %j', async (wire, expected) => {
    const listener = await openListener();
    const client = await session(listener);
    expect((await send(client, `${wire}.\r\n`))[0]).toMatch(/^250/);
    expect(listener.transactions).toHaveLength(1);
    expect(listener.transactions[0]?.message.toString('latin1')).toBe(expected);
    expect(await client.command('NOOP')).toBe('250 2.0.0 Ok');
  });

  it('that are bare give 550 5.5.2 for each recipient where the configuration says so', async () => {
    const listener = await openListener({ filter: { bare_newline: 'reject' } });
    const client = await session(listener);
    for (const content of ['a\nb\r\n.\r\n', 'a\rb\r\n.\r\n', 'a\n.\nRSET\r\n.\r\n']) {
      expect(await send(client, content)).toEqual([
        expect.stringMatching(/^550 5\.5\.2 /),
        expect.stringMatching(/^550 5\.5\.2 /),
      ]);
    }
    expect((await send(client, 'fine\r\n.\r\n'))[0]).toMatch(/^250/);
    expect(listener.transactions).toHaveLength(1);
  });

  it('survive a final dot that arrives byte by byte', async () => {
    const listener = await openListener();
    const client = await session(listener);
    await client.command('MAIL FROM:<>');
    await client.command('RCPT TO:<a@x.test>');
    await client.command('DATA');
    for (const byte of 'x\r\n..\r\n.\r\n') {
      client.write(byte);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    expect(await client.reply()).toMatch(/^250/);
    expect(listener.transactions[0]?.message.toString()).toBe('x\r\n.\r\n');
  });
});

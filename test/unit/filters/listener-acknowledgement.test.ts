// When our replies are known to have reached the client, and when they are not.
import { afterEach, describe, expect, it } from 'vitest';
import { closeAll, eventually, openListener, type RawClient, type TestListener } from './listener-support.ts';

afterEach(closeAll);

const TRANSACTION = 'MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\nx\r\n.\r\n';
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function answered(listener: TestListener): Promise<RawClient> {
  const client = listener.connect();
  await client.hello();
  client.write(TRANSACTION);
  for (let replies = 0; replies < 4; replies += 1) await client.reply();
  return client;
}

function fatesOf(listener: TestListener): string[] {
  return listener.fates.map((fate) => fate.split(' ')[0] ?? '');
}

describe('replies have reached the client', () => {
  it('when it says something else afterwards', async () => {
    const listener = await openListener();
    const client = await answered(listener);
    await pause(20);
    expect(listener.fates).toEqual([]);
    await client.command('NOOP');
    expect(fatesOf(listener)).toEqual(['acknowledged']);
    client.socket.resetAndDestroy();
    await eventually(() => listener.handle.connections === 0, 'the connection is gone');
    expect(fatesOf(listener)).toEqual(['acknowledged']);
  });

  it('when it says QUIT and closes without an error', async () => {
    const listener = await openListener();
    const client = await answered(listener);
    client.write('QUIT\r\n');
    await client.reply();
    client.socket.end();
    await eventually(() => listener.fates.length > 0, 'a fate');
    expect(fatesOf(listener)).toEqual(['acknowledged']);
  });

  it('when QUIT came with the final dot, and it then closes without an error', async () => {
    const listener = await openListener();
    const client = listener.connect();
    await client.hello();
    client.write(`${TRANSACTION}QUIT\r\n`);
    expect(await client.rest()).toHaveLength(5);
    await eventually(() => listener.fates.length > 0, 'a fate');
    expect(fatesOf(listener)).toEqual(['acknowledged']);
  });
});

describe('replies may be lost', () => {
  it('when the client closes without QUIT: it may have been killed before it wrote anything down', async () => {
    const listener = await openListener();
    const client = await answered(listener);
    client.socket.end();
    await eventually(() => listener.fates.length > 0, 'a fate');
    expect(fatesOf(listener)).toEqual(['lost']);
  });

  it('when the client resets the connection after QUIT was pipelined', async () => {
    const listener = await openListener({
      deliver: async () => {
        await pause(50);
        return [{ code: 250, enhanced: '2.0.0', text: 'ok' }];
      },
    });
    const client = listener.connect();
    await client.hello();
    client.socket.pause();
    client.write(`${TRANSACTION}QUIT\r\n`);
    await eventually(() => listener.transactions.length === 1, 'the message is in delivery');
    await pause(100);
    expect(listener.fates).toEqual([]);
    client.socket.resetAndDestroy();
    await eventually(() => listener.fates.length > 0, 'a fate');
    expect(fatesOf(listener)).toEqual(['lost']);
  });

  it('when the client has gone before they were written', async () => {
    let finish: () => void = () => undefined;
    const delivered = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const listener = await openListener({
      deliver: async () => {
        await delivered;
        return [{ code: 250, enhanced: '2.0.0', text: 'ok' }];
      },
    });
    const client = listener.connect();
    await client.hello();
    client.write(TRANSACTION);
    await eventually(() => listener.transactions.length === 1, 'the message is in delivery');
    client.socket.resetAndDestroy();
    await eventually(() => listener.handle.connections === 0, 'the connection is gone');
    finish();
    await eventually(() => listener.fates.length > 0, 'a fate');
    expect(fatesOf(listener)).toEqual(['lost']);
  });

  it('when all that comes afterwards was sent before them', async () => {
    const listener = await openListener({
      deliver: async () => {
        await pause(50);
        return [{ code: 250, enhanced: '2.0.0', text: 'ok' }];
      },
    });
    const client = listener.connect();
    await client.hello();
    client.write(TRANSACTION);
    await eventually(() => listener.transactions.length === 1, 'the message is in delivery');
    client.write('NOOP\r\n');
    client.socket.pause();
    await pause(100);
    client.socket.resetAndDestroy();
    await eventually(() => listener.fates.length > 0, 'a fate');
    expect(fatesOf(listener)).toEqual(['lost']);
  });

  it('when delivery overran its deadline and the client was answered without it', async () => {
    const listener = await openListener({
      filter: { transaction_deadline: -4900 },
      deliver: () => new Promise(() => undefined),
    });
    const client = listener.connect();
    await client.hello();
    client.write(`${TRANSACTION}QUIT\r\n`);
    expect((await client.rest()).at(-2)).toMatch(/^451 4\.3\.0 /);
    expect(fatesOf(listener)).toEqual(['lost']);
  });
});

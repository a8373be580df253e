// Listeners with next hops of their own: each has a client of its own, and none takes the mail of another.
import { afterEach, describe, expect, it } from 'vitest';
import { describeNextHops, nextHopsOf } from '../../../src/config/next-hops.ts';
import { type Config, configSchema } from '../../../src/config/schema.ts';
import { parseNextHop } from '../../../src/config/units.ts';
import { createNextHops } from '../../../src/delivery/next-hops.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { closeNextHops, envelope, fakeNextHop, MESSAGE } from '../smtp/next-hop-support.ts';

const logger = createLogger({ level: 'silent' });
afterEach(closeNextHops);

function configOf(filter: object): Config {
  return configSchema.parse({ filter });
}

function nextHop(text: string) {
  const parsed = parseNextHop(text);
  if (!parsed.ok) throw new Error(parsed.expected);
  return parsed.value;
}

const listener = (name: string, port: number, more: object = {}) => ({
  name,
  protocol: 'lmtp',
  address: `127.0.0.1:${port}`,
  ...more,
});

describe('the next hops of a configuration', () => {
  it('are those that listeners send to, each once', () => {
    const { filter } = configOf({
      next_hop: 'smtp:127.0.0.1:1',
      listen: [
        listener('a', 11),
        listener('b', 12, { next_hop: 'smtp:127.0.0.1:2' }),
        listener('c', 13, { next_hop: 'smtp:127.0.0.1:1' }),
      ],
    });
    expect(nextHopsOf(filter)).toEqual([nextHop('smtp:127.0.0.1:1'), nextHop('smtp:127.0.0.1:2')]);
    expect(describeNextHops(filter)).toBe('smtp:127.0.0.1:1 (a, c), smtp:127.0.0.1:2 (b)');
  });

  it('are one where no listener has its own, and its name is all there is to say', () => {
    const { filter } = configOf({ next_hop: 'lmtp:unix:/run/dovecot/lmtp' });
    expect(describeNextHops(filter)).toBe('lmtp:unix:/run/dovecot/lmtp');
  });
});

describe('the clients of the next hops', () => {
  const send = (client: ReturnType<ReturnType<typeof createNextHops>['client']>) =>
    client.send({
      envelope: envelope(['a@x.test']),
      xforward: {},
      message: MESSAGE,
      deadline: Date.now() + 5000,
    });

  it('send the mail of a listener to its own next hop, all other mail to filter.next_hop', async () => {
    const [general, own] = [await fakeNextHop(), await fakeNextHop()];
    const hops = createNextHops(
      configOf({ next_hop: general.name, listen: [listener('a', 11, { next_hop: own.name })] }),
      logger,
    );
    await send(hops.client(nextHop(own.name)));
    expect([general.messages.length, own.messages.length]).toEqual([0, 1]);
    await send(hops.client(undefined));
    expect([general.messages.length, own.messages.length]).toEqual([1, 1]);
    await hops.close();
  });

  it('are opened ahead, and the one that does not answer is named', async () => {
    const own = await fakeNextHop();
    const away = 'smtp:unix:/nonexistent/s';
    const hops = createNextHops(
      configOf({ next_hop: away, listen: [listener('a', 11), listener('b', 12, { next_hop: own.name })] }),
      logger,
    );
    const failed = await hops.connect();
    expect(failed.map((each) => each.nextHop)).toEqual([nextHop(away)]);
    expect(own.connections).toHaveLength(1);
    await hops.close();
  });

  it('follow a new configuration, and finish what they send under the old one', async () => {
    const [before, after] = [await fakeNextHop(), await fakeNextHop()];
    const hops = createNextHops(configOf({ next_hop: before.name }), logger);
    const sending = send(hops.client(undefined));
    hops.reconfigure(configOf({ next_hop: after.name }));
    expect((await sending).recipients[0]?.class).toBe('accepted');
    await send(hops.client(undefined));
    expect([before.messages.length, after.messages.length]).toEqual([1, 1]);
    await hops.close();
  });
});

// Which ports a wiring follows, and what sealpost.toml lacks for it.
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import { formatNextHop } from '../../../src/config/units.ts';
import { portsOf, stillMissing } from '../../../src/postfix/on-this-machine.ts';
import { nextHopOf } from '../../../src/postfix/transport.ts';
import { placeWiring, readWiring } from '../../../src/postfix/wiring.ts';

const config = (toml: string) => configSchema.parse(parse(toml));
const LMTP = (port: number, more = '') =>
  `[[filter.listen]]\nname = "lmtp"\nprotocol = "lmtp"\naddress = "127.0.0.1:${port}"\n${more}`;

function missing(
  name: string,
  toml: string,
  user = { uid: 5, gid: 5 } as { uid: number; gid: number } | null,
) {
  const places = {
    ports: portsOf(readWiring(name), config(toml)),
    pipeProgram: '/usr/bin/sealpost-pipe',
    user,
  };
  return stillMissing(placeWiring(readWiring(name), places), config(toml), places);
}

describe('the ports of a wiring', () => {
  it.each([
    ['delivery-virtual', '', []],
    ['delivery-virtual', LMTP(11024), [[10024, 11024]]],
    ['delivery-virtual', `[filter]\nnext_hop = "smtp:127.0.0.1:11026"\n${LMTP(10024)}`, [[10026, 11026]]],
    ['after-queue-lmtp', LMTP(10024, 'next_hop = "smtp:127.0.0.1:11026"\n'), [[10026, 11026]]],
    // The next hop of other listeners is none of its own.
    ['delivery-local', '[filter]\nnext_hop = "smtp:127.0.0.1:10026"\n', []],
    // A store, another machine, and Postfix's front door are no way back.
    ['delivery-virtual', '[filter]\nnext_hop = "lmtp:127.0.0.1:24"\n', []],
    ['delivery-virtual', '[filter]\nnext_hop = "smtp:192.0.2.1:11026"\n', []],
    ['after-queue-lmtp', '[filter]\nnext_hop = "smtp:127.0.0.1:25"\n', []],
    ['lookups', '[policy.tcp]\nvirtual_alias = "127.0.0.1:4343"\n', [[4242, 4343]]],
    ['receiver', '[receiver]\nlisten = "127.0.0.1:10035"\n', [[10034, 10035]]],
  ])('%s with %j', (name, toml, expected) => {
    expect([...portsOf(readWiring(name), config(toml))]).toEqual(expected);
  });
});

describe('what is still to do', () => {
  it.each(['delivery-virtual', 'after-queue-lmtp', 'after-queue-smtp'])(
    'is nothing for %s with the defaults',
    (name) => expect(missing(name, '')).toEqual([]),
  );

  it.each(['delivery-lmtp', 'delivery-local', 'pipe', 'receiver', 'lookups'])(
    'is nothing for %s with its own example',
    (name) => expect(missing(name, readWiring(name).toml)).toEqual([]),
  );

  it.each([
    [
      'delivery-lmtp',
      '',
      'is no mail store: sealpost config set filter.next_hop lmtp:unix:/run/dovecot/lmtp',
    ],
    ['delivery-local', '', 'no [[filter.listen]] with protocol = "lmtp" and address = "127.0.0.1:10034"'],
    [
      'delivery-virtual',
      '[filter]\nnext_hop = "lmtp:127.0.0.1:24"\n',
      'sealpost config set filter.next_hop smtp:127.0.0.1:10026',
    ],
  ])('for %s with %j', (name, toml, expected) => {
    expect(missing(name, toml)).toEqual([expect.stringContaining(expected)]);
  });

  it('is each place where Postfix asks and nobody listens', () => {
    expect(missing('receiver', '')).toEqual([
      expect.stringContaining('sealpost config set receiver.listen 127.0.0.1:10034'),
      expect.stringContaining('sealpost config set receiver.spool /var/spool/sealpost/in'),
    ]);
    expect(missing('lookups', '')).toEqual([
      expect.stringContaining(
        'config set policy.socketmap.listen unix:/var/spool/postfix/sealpost/socketmap',
      ),
      expect.stringContaining('config set policy.delegation.listen unix:/var/spool/postfix/sealpost/policy'),
    ]);
  });

  it('is the user, where Postfix has to know it', () => {
    expect(missing('pipe', readWiring('pipe').toml, null)).toEqual([
      expect.stringContaining('adduser --system --group'),
    ]);
    expect(missing('receiver', readWiring('receiver').toml, null)).toHaveLength(2);
  });
});

it.each([
  ['lmtp:unix:private/dovecot-lmtp', 'lmtp:unix:/q/private/dovecot-lmtp'],
  ['lmtp:unix:/run/dovecot/lmtp', 'lmtp:unix:/run/dovecot/lmtp'],
  ['lmtp:inet:127.0.0.1:24', 'lmtp:127.0.0.1:24'],
  ['lmtp:[::1]:24', 'lmtp:[::1]:24'],
  ['smtp:[store.example.org]:25', 'smtp:store.example.org:25'],
  ['virtual', null],
  ['dovecot:', null],
  ['relay:[192.0.2.1]', null],
])('the transport %s leads to %s', (transport, expected) => {
  const nextHop = nextHopOf(transport, '/q');
  expect(nextHop === null ? null : formatNextHop(nextHop)).toBe(expected);
});

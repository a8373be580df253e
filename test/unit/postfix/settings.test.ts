// What postconf(1) prints, and what sealpost makes of it.
import { describe, expect, it } from 'vitest';
import { planOtherNames } from '../../../src/postfix/other-names.ts';
import { readAddressSettings } from '../../../src/postfix/settings.ts';

const STOCK = `allow_percent_hack = yes
swap_bangpath = yes
resolve_dequoted_address = yes
mydestination = mx.example.net, Example.NET, localhost.example.net, , localhost
myorigin = example.net
inet_interfaces = all
proxy_interfaces =
`;
const LITERALS = ['[127.0.0.1]', '[192.0.2.1]', '[IPv6:2001:db8::1]'];

describe('the settings of a Postfix', () => {
  it('are read as Debian installs it', () => {
    expect(readAddressSettings(STOCK, '', LITERALS)).toEqual({
      operators: { percent_hack: true, bangpath: true, dequote: true },
      localNames: [
        'mx.example.net',
        'example.net',
        'localhost.example.net',
        'localhost',
        '[127.0.0.1]',
        '[192.0.2.1]',
        '[ipv6:2001:db8::1]',
      ],
      origin: 'example.net',
      unread: [],
    });
  });

  it.each([
    ['inet_interfaces = loopback-only', ['[127.0.0.1]', '[ipv6:::1]']],
    ['inet_interfaces = 192.0.2.7, mx.example.net', ['[192.0.2.7]']],
    [
      'inet_interfaces = [2001:db8::7]\nproxy_interfaces = 198.51.100.9',
      ['[ipv6:2001:db8::7]', '[198.51.100.9]'],
    ],
    ['mydestination =\ninet_interfaces = 127.0.0.1', ['[127.0.0.1]']],
    [
      'mydestination = a.example,\n  b.example\ninet_interfaces = 127.0.0.1',
      ['a.example', 'b.example', '[127.0.0.1]'],
    ],
  ])('%j: delivers by itself for %j', (text, expected) => {
    expect(readAddressSettings(text, '', LITERALS).localNames).toEqual(expected);
  });

  it('has an operator off only where no service of master.cf has it on', () => {
    const off = 'allow_percent_hack = no\nswap_bangpath = no\nresolve_dequoted_address = no\n';
    expect(readAddressSettings(off, '', []).operators).toEqual({
      percent_hack: false,
      bangpath: false,
      dequote: false,
    });
    const services = 'rewrite/unix/swap_bangpath = yes\nrewrite/unix/resolve_dequoted_address = no\n';
    expect(readAddressSettings(off, services, []).operators).toEqual({
      percent_hack: false,
      bangpath: true,
      dequote: false,
    });
  });

  it('names the tables and files in mydestination, which were not read', () => {
    const text = 'mydestination = localhost, hash:/etc/postfix/local, /etc/postfix/names, !no.example\n';
    expect(readAddressSettings(text, '', [])).toMatchObject({
      localNames: ['localhost'],
      unread: ['hash:/etc/postfix/local', '/etc/postfix/names', '!no.example'],
    });
  });
});

describe('the other names of a domain', () => {
  const domain = (name: string, other_names: readonly string[] = [], local = false) => ({
    name,
    other_names,
    local,
  });
  const settings = { localNames: ['mx.example.net', 'example.net', 'localhost'], origin: 'example.net' };

  it('are what stands beside it in mydestination', () => {
    expect(planOtherNames(settings, [domain('example.net'), domain('virtual.example')])).toEqual({
      kind: 'give',
      domain: 'example.net',
      names: ['mx.example.net', 'localhost'],
      added: ['mx.example.net', 'localhost'],
    });
  });

  it('keep what an administrator gave, and leave what another domain has', () => {
    const domains = [domain('example.net', ['old.example']), domain('other.example', ['localhost'])];
    expect(planOtherNames(settings, domains)).toMatchObject({
      names: ['old.example', 'mx.example.net'],
      added: ['mx.example.net'],
    });
  });

  it('are complete', () => {
    const complete = domain('example.net', ['mx.example.net', 'localhost'], true);
    expect(planOtherNames(settings, [complete])).toMatchObject({ kind: 'nothing' });
    expect(planOtherNames(settings, [{ ...complete, local: false }])).toMatchObject({
      kind: 'give',
      added: [],
    });
  });

  it.each([
    ['without a domain', [], 'repeat "sealpost init"'],
    [
      'with virtual domains only',
      [domain('virtual.example')],
      'none of your domains stands in mydestination',
    ],
    [
      'with two of which none is myorigin',
      [domain('mx.example.net'), domain('localhost')],
      'none of them is myorigin',
    ],
  ])('are nobody’s %s', (_name, domains, because) => {
    const plan = planOtherNames(settings, domains);
    expect(plan).toMatchObject({ kind: 'nothing', because: expect.stringContaining(because) });
  });
});

// What postconf(1) prints, as a whole Postfix; and which transports of it lead to sealpost.
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import { targetsOf } from '../../../src/doctor/readers/postfix.ts';
import { filterActions, leadsToUs, tablesOf, waysBack } from '../../../src/postfix/entrances.ts';
import { isAtLeast, listOf, processLimit, readModel, settingOf, timeOf } from '../../../src/postfix/model.ts';

const postfix = readModel(
  {
    main: 'default_process_limit = 100\nmail_version = 3.7.11\nmynetworks = 127.0.0.0/8,\n    [::1]/128\nqueue_directory = /var/spool/postfix\n',
    master: [
      'smtp       inet  n       -       y       -       -       smtpd',
      '127.0.0.1:10026 inet n   -       n       -       60      smtpd -o content_filter=',
      '10027      inet  n       -       n       -       0       smtpd',
      'sealpost-delivery unix - -       n       -       20      lmtp -o lmtp_send_xforward_command=yes',
      'sealpost   unix  -       n       n       -       10      pipe flags=q user=sealpost argv=/usr/bin/sealpost-pipe --',
      'other      unix  -       n       n       -       10      pipe flags=q argv=/usr/bin/other',
      'virtual    unix  -       n       n       -       -       virtual',
    ].join('\n'),
    overrides:
      '127.0.0.1:10026/inet/content_filter =\n127.0.0.1:10026/inet/mynetworks = 127.0.0.0/8\nsealpost-delivery/unix/lmtp_send_xforward_command = yes\n',
    warnings: 'postconf: warning: main.cf: unused parameter: x=y\nsomething else\n',
  },
  null,
);
const config = configSchema.parse({
  filter: {
    listen: [
      { protocol: 'lmtp', address: '127.0.0.1:10024' },
      { protocol: 'lmtp', address: 'unix:/var/spool/postfix/private/sealpost' },
    ],
  },
});
const named = (name: string) => postfix.services.find((service) => service.name === name);

describe('a Postfix as postconf tells of it', () => {
  it('has its settings, its services, and what they override', () => {
    expect(postfix.version).toBe('3.7.11');
    expect(settingOf(postfix, 'mynetworks')).toBe('127.0.0.0/8, [::1]/128');
    const back = named('127.0.0.1:10026');
    expect(back).toMatchObject({ type: 'inet', maxproc: '60', command: 'smtpd' });
    expect(settingOf(postfix, 'mynetworks', back)).toBe('127.0.0.0/8');
    expect(back?.overrides.get('content_filter')).toBe('');
    expect(postfix.warnings).toEqual(['postconf: warning: main.cf: unused parameter: x=y']);
  });

  it('has as many processes as master.cf says', () => {
    const limits = ['smtp', '127.0.0.1:10026', '10027'].map((name) => {
      const service = named(name);
      return service && processLimit(postfix, service);
    });
    expect(limits).toEqual([100, 60, Number.POSITIVE_INFINITY]);
  });

  it.each([
    ['sealpost-delivery:inet:127.0.0.1:10024', true],
    ['sealpost-delivery:[127.0.0.1]:10024', true],
    ['sealpost-delivery:inet:localhost:10024', true],
    ['sealpost-delivery:unix:private/sealpost', true],
    ['sealpost-delivery:unix:/var/spool/postfix/private/sealpost', true],
    ['sealpost:', true],
    // Another port, a name to be looked up, another program, no such service, another agent.
    ['sealpost-delivery:inet:127.0.0.1:10099', false],
    ['sealpost-delivery:mx.example.org', false],
    ['other:', false],
    ['missing:inet:127.0.0.1:10024', false],
    ['virtual:', false],
    ['', false],
  ])('%j leads to sealpost: %j', (transport, expected) => {
    expect(leadsToUs(postfix, config, transport)).toBe(expected);
  });

  it('takes mail back where the next hop is', () => {
    expect(waysBack(postfix, config).map(({ name }) => name)).toEqual(['127.0.0.1:10026']);
  });
});

describe('words of postconf(5)', () => {
  it.each([
    ['a, b c', ['a', 'b', 'c']],
    ['inline:{ { x = y, z } }, hash:/a', ['inline:{ { x = y, z } }', 'hash:/a']],
    ['', []],
  ])('%j is a list', (text, words) => {
    expect(listOf(text)).toEqual(words);
  });

  it.each([
    ['600s', 600_000],
    ['10m', 600_000],
    ['5d', 432_000_000],
    ['30', 30_000],
  ])('%s is a time', (text, ms) => {
    expect(timeOf(text)).toBe(ms);
  });

  it.each([
    ['3.10.1', '3.7', true],
    ['3.7', '3.10', false],
    ['20.19.0', '20.19', true],
    ['4.0-20260101', '3.5', true],
  ])('%s is at least %s: %j', (version, least, expected) => {
    expect(isAtLeast(version, least)).toBe(expected);
  });

  it('finds tables and FILTER actions', () => {
    expect(tablesOf('permit_mynetworks, check_sender_access hash:/etc/x, reject')).toEqual(['hash:/etc/x']);
    expect(filterActions('w', '# FILTER a:\n/x/ FILTER b:[c]:1\nregexp:{{/y/ FILTER d:}}')).toEqual([
      { where: 'w', destination: 'b:[c]:1' },
      { where: 'w', destination: 'd:' },
    ]);
  });

  it('takes the targets of an alias apart', () => {
    expect(targetsOf('alice, "|cmd -a, b", /file, :include:/l')).toEqual([
      'alice',
      '"|cmd -a, b"',
      '/file',
      ':include:/l',
    ]);
  });
});

// A wiring laid over a site's main.cf and master.cf: what is written, what is left alone, and what stands in the way.
import { describe, expect, it } from 'vitest';
import { parseNextHop } from '../../../src/config/units.ts';
import { postconfCalls } from '../../../src/postfix/calls.ts';
import { readMainCf } from '../../../src/postfix/main-cf.ts';
import { readMasterCf, serviceName } from '../../../src/postfix/master-cf.ts';
import { type Plan, planWiring } from '../../../src/postfix/plan.ts';
import type { Site } from '../../../src/postfix/site.ts';
import { placeWiring, readWiring, wiringNames } from '../../../src/postfix/wiring.ts';

const MAIN =
  '# main.cf of example.net\nmyhostname = mx.example.net\nmydestination = $myhostname,\n  localhost\n';
const MASTER = `# master.cf
smtp      inet  n       -       y       -       -       smtpd
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
trace     unix  -       -       y       -       0       bounce
local     unix  -       n       n       -       -       local
`;

const DEFAULTS = new Map([
  ['virtual_transport', 'virtual'],
  ['mailbox_transport', ''],
  ['content_filter', ''],
  ['allow_percent_hack', 'yes'],
  ['virtual_alias_maps', '$virtual_maps'],
  ['virtual_maps', ''],
  ['relay_domains', '$mydestination'],
]);

function site(over: Partial<Site> = {}): Site {
  const nextHop = parseNextHop('lmtp:unix:/var/spool/postfix/private/dovecot-lmtp');
  return {
    main: MAIN,
    master: MASTER,
    defaults: DEFAULTS,
    queueDirectory: '/var/spool/postfix',
    nextHop: nextHop.ok ? nextHop.value : null,
    ...over,
  };
}

function changed(plan: Plan): Exclude<Plan, { kind: 'conflicts' }> {
  if (plan.kind === 'conflicts') throw new Error(JSON.stringify(plan.conflicts, null, 2));
  return plan;
}

/** What is in the way of a wiring: where, and the remedy. */
function conflicts(name: string, over: Partial<Site>): string[] {
  const plan = planWiring(site(over), readWiring(name));
  return plan.kind === 'conflicts' ? plan.conflicts.map(({ where, remedy }) => `${where}: ${remedy}`) : [];
}

describe.each(wiringNames())('the wiring %s', (name) => {
  const wiring = readWiring(name);

  it('is written whole into stock files, which keep what they had', () => {
    const { kind, main, master } = changed(planWiring(site(), wiring));
    expect(kind).toBe('change');
    expect(main.startsWith(MAIN)).toBe(true);
    const values = readMainCf(main).map((setting) => `${setting.name}=${setting.value}`);
    for (const setting of readMainCf(wiring.main))
      expect(values).toContain(`${setting.name}=${setting.value}`);
    const services = readMasterCf(master);
    for (const wanted of readMasterCf(wiring.master)) {
      const there = services.find((each) => serviceName(each) === serviceName(wanted));
      expect([...(there?.options ?? [])]).toEqual(expect.arrayContaining([...wanted.options]));
    }
    // A daemon of Postfix keeps the site's chroot.
    expect(services.find((each) => each.name === 'bounce')?.fields).toEqual(['-', '-', 'y', '-', '0']);
    expect(main).not.toContain('Append to');
  });

  it('changes nothing when it is there already', () => {
    const once = changed(planWiring(site(), wiring));
    const twice = changed(planWiring(site({ main: once.main, master: once.master }), wiring));
    expect(twice).toMatchObject({ kind: 'nothing', main: once.main, master: once.master });
    expect(postconfCalls(twice, null)).toEqual([]);
  });

  it('has a call for every setting and every service', () => {
    const calls = postconfCalls(changed(planWiring(site(), wiring)), '/etc/it s');
    const count = (option: string) =>
      calls.filter((call) => call.startsWith(`postconf -c '/etc/it s' -${option} `)).length;
    expect(count('e')).toBe(readMainCf(wiring.main).length);
    const extended = readMasterCf(wiring.master).filter(({ command }) => command === 'bounce');
    expect(count('M')).toBe(readMasterCf(wiring.master).length - extended.length);
    expect(count('P')).toBe(extended.length * 2);
  });
});

describe('what the site has set is not overwritten', () => {
  it.each([
    [
      'after-queue-lmtp',
      'a foreign filter',
      'content_filter = smtp-amavis:[127.0.0.1]:10030',
      'content_filter: another filter',
    ],
    [
      'delivery-virtual',
      'another transport',
      'virtual_transport = maildrop',
      'virtual_transport: mail for mailboxes goes another way',
    ],
    [
      'delivery-lmtp',
      'a store that sealpost does not hand on to',
      'mailbox_transport = lmtp:unix:/run/cyrus/lmtp',
      'mailbox_transport: if that is where sealpost is to hand mail on, say so and apply again: sealpost config set filter.next_hop lmtp:unix:/run/cyrus/lmtp',
    ],
    [
      'delivery-virtual',
      'the transport of probes',
      'address_verify_virtual_transport = smtp:[192.0.2.1]',
      'address_verify_virtual_transport:',
    ],
    [
      'delivery-lmtp',
      'a transport in a continued line with a comment in it',
      'virtual_transport =\n# to the store\n  maildrop',
      'virtual_transport: mail for mailboxes goes another way',
    ],
    [
      'delivery-lmtp',
      'the last of two definitions',
      'virtual_transport = virtual\nvirtual_transport = maildrop',
      'virtual_transport: mail',
    ],
    [
      'delivery-lmtp',
      'what a reference stands for',
      'ours = maildrop\nvirtual_transport = $ours',
      'virtual_transport: mail',
    ],
    [
      'delivery-lmtp',
      'a route that refers to one that changes',
      'relay_transport = $(virtual_transport)',
      'relay_transport: it would change with virtual_transport',
    ],
    [
      'lookups',
      'alias maps',
      'virtual_alias_maps = hash:/etc/postfix/virtual',
      "virtual_alias_maps: keep both, in the order that you want, and apply again: postconf -e 'virtual_alias_maps = hash:/etc/postfix/virtual, tcp:127.0.0.1:4242'",
    ],
    [
      'lookups',
      'restrictions',
      'smtpd_recipient_restrictions = reject_unlisted_recipient',
      'smtpd_recipient_restrictions: keep both',
    ],
    [
      'receiver',
      'where mailboxes are',
      'virtual_mailbox_base = /home',
      'virtual_mailbox_base: if it is not needed any more',
    ],
    [
      'after-queue-smtp',
      'a switch that hides aliases from the filter',
      'receive_override_options = no_address_mappings',
      'receive_override_options: sealpost would not see whom an alias leads to',
    ],
    [
      'after-queue-lmtp',
      'a wiring at the last step',
      'virtual_transport = sealpost-delivery:inet:127.0.0.1:10099',
      'virtual_transport: mail is sealed on one way only',
    ],
    [
      'delivery-virtual',
      'a wiring behind the queue',
      'content_filter = sealpost:',
      'content_filter: mail is sealed on one way only',
    ],
    [
      'delivery-virtual',
      'services that Postfix would not run',
      'master_service_disable = inet',
      '127.0.0.1:10026/inet: Postfix would not run',
    ],
    [
      'delivery-virtual',
      'a port that amavis listens on',
      'content_filter = smtp-amavis:[127.0.0.1]:10024',
      'port 10024: give sealpost another one',
    ],
    [
      'after-queue-smtp',
      'a port that a setting speaks to',
      'smtpd_proxy_filter = localhost:10025',
      'port 10025: give sealpost another one',
    ],
  ])('%s: %s', (name, _what, text, expected) => {
    const found = conflicts(name, { main: `${MAIN}${text}\n` });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(expected);
  });

  it.each([
    [
      'delivery-virtual',
      'a listener on its port',
      '127.0.0.1:10026 inet n - n - - smtpd',
      '127.0.0.1:10026/inet: ',
    ],
    ['delivery-virtual', 'the port alone', '10026 inet n - n - - smtpd', 'port 10026: give'],
    ['delivery-virtual', 'the port under a name', 'localhost:10026 inet n - n - - smtpd', 'port 10026: give'],
    [
      'delivery-virtual',
      'the port of sealpost itself',
      '0.0.0.0:10024 inet n - n - - smtpd',
      'port 10024: give',
    ],
    [
      'after-queue-lmtp',
      'a service of its name',
      'sealpost-filter unix - - n - 20 smtp',
      'sealpost-filter/unix: if it is a wiring of sealpost',
    ],
    [
      'after-queue-lmtp',
      'an option that an agent speaks to a port by',
      'amavis unix - - n - 2 lmtp\n  -o fallback_relay=[127.0.0.1]:10024',
      'port 10024: give',
    ],
    [
      'delivery-lmtp',
      'an option that refers to a route',
      'relay2 unix - - n - - smtp -o relay_transport=$mailbox_transport',
      'relay2/unix: relay_transport: it would change with mailbox_transport',
    ],
  ])('%s: %s', (name, _what, text, expected) => {
    const found = conflicts(name, { master: `${MASTER}${text}\n` });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(expected);
  });

  it('not even an option of a daemon, and not one that stands twice', () => {
    const own = MASTER.replace(/(bounce +unix.*)/, '$1\n# ours\n  -o cleanup_service_name=ours');
    expect(conflicts('pipe', { master: own })).toEqual([
      'bounce/unix: the wiring needs -o cleanup_service_name=sealpost-bounces; if the other one need not be: postconf -PX bounce/unix/cleanup_service_name',
    ]);
    expect(conflicts('pipe', { master: `${MASTER}trace unix - - n - 0 bounce\n` })).toEqual([
      'trace/unix: leave one of them, and apply again',
    ]);
  });
});

describe('what is no conflict', () => {
  it.each([
    ['delivery-virtual', "Postfix's own value, written out", 'virtual_transport = virtual'],
    ['delivery-lmtp', 'an empty value', 'mailbox_transport ='],
    ['delivery-lmtp', 'what stands in a comment', '# mailbox_transport = maildrop\n #content_filter = x'],
    [
      'delivery-lmtp',
      'the store that sealpost hands on to',
      'virtual_transport = lmtp:unix:private/dovecot-lmtp',
    ],
    [
      'delivery-lmtp',
      'a definition that a later one replaces',
      'virtual_transport = maildrop\nvirtual_transport = virtual',
    ],
    ['delivery-lmtp', 'a filter that comes before it', 'content_filter = smtp-amavis:[127.0.0.1]:10030'],
    [
      'lookups',
      'a list that has what is wanted already',
      'virtual_alias_maps = hash:/etc/v, tcp:127.0.0.1:4242',
    ],
    ['lookups', 'the default, by its references', 'relay_domains = mx.example.net, localhost'],
    ['after-queue-lmtp', 'a switch of addresses', 'allow_percent_hack = yes'],
    [
      'delivery-virtual',
      'services that are taken out of the disabled ones',
      'master_service_disable = !127.0.0.1:10026/inet inet',
    ],
    ['delivery-lmtp', 'a limit that was tuned', 'sealpost-delivery_destination_concurrency_limit = 5'],
  ])('%s: %s', (name, _what, text) => {
    expect(conflicts(name, { main: `${MAIN}${text}\n` })).toEqual([]);
  });

  it('another address of this machine, and comments in master.cf', () => {
    const master = `${MASTER}192.0.2.1:10026 inet n - n - - smtpd\n#10026 inet n - n - - smtpd\n`;
    expect(conflicts('delivery-virtual', { master })).toEqual([]);
  });

  it('delivery-local beside delivery-virtual', () => {
    const first = changed(planWiring(site(), readWiring('delivery-virtual')));
    const both = changed(planWiring(site(first), readWiring('delivery-local')));
    expect(both.kind).toBe('change');
    expect(changed(planWiring(site(both), readWiring('delivery-virtual'))).kind).toBe('nothing');
  });
});

describe('where it is written', () => {
  it('in place of the last definition, comments and lines around it kept', () => {
    const text =
      'a = 1\nvirtual_transport = virtual\n# between\n  \nb = 2\n  # in b\n  3\nvirtual_transport =\n  # why\n  virtual\nc = 3';
    const { main } = changed(planWiring(site({ main: text }), readWiring('delivery-lmtp')));
    expect(main).toContain(
      'a = 1\nvirtual_transport = virtual\n# between\n  \nb = 2\n  # in b\n  3\nvirtual_transport = sealpost-delivery:inet:127.0.0.1:10024\n  # why\nc = 3\n\n# By "sealpost postfix apply delivery-lmtp"',
    );
  });

  it('keeps bytes that are no UTF-8', () => {
    const { main } = changed(planWiring(site({ main: '# caf\xe9\n' }), readWiring('delivery-lmtp')));
    expect(main.startsWith('# caf\xe9\n')).toBe(true);
  });

  it('behind the last option of a daemon', () => {
    const own = MASTER.replace(/(bounce +unix.*)/, '$1\n  -o debug_peer_level=2\n# ours\n  -v');
    const { master } = changed(planWiring(site({ master: own }), readWiring('pipe')));
    expect(master).toContain(
      '  -o debug_peer_level=2\n# ours\n  -v\n  -o cleanup_service_name=sealpost-bounces\n  -o internal_mail_filter_classes=bounce,notify\ndefer ',
    );
  });

  it('at the ports, the path and the numbers of this machine', () => {
    const places = {
      ports: new Map([
        [10024, 11024],
        [10026, 11026],
      ]),
      pipeProgram: '/usr/local/bin/sealpost-pipe',
      user: { uid: 110, gid: 112 },
    };
    const virtual = placeWiring(readWiring('delivery-virtual'), places);
    expect(virtual.main).toContain('virtual_transport = sealpost-delivery:inet:127.0.0.1:11024');
    expect(virtual.master).toContain('127.0.0.1:11026 inet n');
    const busy = site({ main: `${MAIN}content_filter = smtp-amavis:[127.0.0.1]:10024\n` });
    expect(planWiring(busy, virtual).kind).toBe('change');
    expect(placeWiring(readWiring('pipe'), places).master).toContain('argv=/usr/local/bin/sealpost-pipe -');
    const receiver = placeWiring(readWiring('receiver'), places).main;
    expect(receiver).toContain('virtual_uid_maps = static:110\nvirtual_gid_maps = static:112\n');
  });
});

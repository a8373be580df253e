// The wiring that is proposed for a Postfix, by where its mailboxes are.
import { expect, it } from 'vitest';
import { MAILBOX_SETTINGS, proposeWiring, readMailboxFacts } from '../../../src/postfix/propose.ts';

/** As Postfix has it on an "Internet Site" of Debian. */
const STOCK = {
  virtual_transport: 'virtual',
  mailbox_transport: '',
  virtual_mailbox_domains: '',
  mydestination: 'mx.example.net, example.net, localhost',
  relay_domains: '',
  queue_directory: '/var/spool/postfix',
};

const DOVECOT = '/var/spool/postfix/private/dovecot-lmtp';

it.each([
  ['a stock one', {}, [], 'delivery-local', 'smtp:127.0.0.1:10027'],
  [
    'one that hands to Dovecot',
    { virtual_transport: 'lmtp:unix:private/dovecot-lmtp' },
    [],
    'delivery-lmtp',
    `lmtp:unix:${DOVECOT}`,
  ],
  [
    'one that hands local mail to a store',
    { mailbox_transport: 'lmtp:inet:127.0.0.1:24' },
    [],
    'delivery-lmtp',
    'lmtp:127.0.0.1:24',
  ],
  [
    'one beside a Dovecot',
    {},
    ['/run/dovecot/lmtp', DOVECOT],
    'delivery-lmtp',
    'lmtp:unix:/run/dovecot/lmtp',
  ],
  [
    'virtual mailboxes',
    { virtual_mailbox_domains: 'example.net' },
    [],
    'delivery-virtual',
    'smtp:127.0.0.1:10026',
  ],
  ['a relay', { relay_domains: 'example.net other.example' }, [], 'after-queue-lmtp', 'smtp:127.0.0.1:10026'],
  [
    'a relay that has its default',
    { relay_domains: 'mx.example.net, localhost' },
    [],
    'delivery-local',
    'smtp:127.0.0.1:10027',
  ],
  ['one without mailboxes', { mydestination: '' }, [], 'after-queue-lmtp', 'smtp:127.0.0.1:10026'],
  ['a program of its own', { mailbox_transport: 'dovecot:' }, [], 'delivery-lmtp', null],
])('for %s', (_what, over, sockets, wiring, nextHop) => {
  expect(proposeWiring({ ...STOCK, ...over, sockets })).toMatchObject({ wiring, nextHop });
});

it('reads what postconf prints, a line for each name', () => {
  const printed = MAILBOX_SETTINGS.map((name) => STOCK[name]).join('\n');
  expect(readMailboxFacts(`${printed}\n`, [])).toEqual({ ...STOCK, sockets: [] });
});

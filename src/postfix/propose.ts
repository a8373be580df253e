// Which wiring fits a Postfix, by where its mailboxes are. Pure.
import { formatNextHop } from '../config/units.ts';
import { wordsOf } from './settings.ts';
import { nextHopOf, parseTransport } from './transport.ts';

/** What `postconf -x` says, and what lies on the disk. */
export interface MailboxFacts {
  readonly virtual_transport: string;
  readonly mailbox_transport: string;
  readonly virtual_mailbox_domains: string;
  readonly mydestination: string;
  readonly relay_domains: string;
  readonly queue_directory: string;
  /** LMTP sockets of mail stores that are there: Dovecot's, Cyrus's. */
  readonly sockets: readonly string[];
}

export interface Proposal {
  readonly wiring: string;
  /** What filter.next_hop is to be; null: unknown. */
  readonly nextHop: string | null;
  /** In a phrase. */
  readonly because: string;
}

/** The wiring for the last step before the mailboxes; for a gateway the one behind the queue. */
export function proposeWiring(facts: MailboxFacts): Proposal {
  for (const name of ['virtual_transport', 'mailbox_transport'] as const) {
    const nextHop = nextHopOf(facts[name], facts.queue_directory);
    if (nextHop?.protocol === 'lmtp')
      return {
        wiring: 'delivery-lmtp',
        nextHop: formatNextHop(nextHop),
        because: `${name} = ${facts[name]} leads to a mail store`,
      };
  }
  const [socket] = facts.sockets;
  if (socket !== undefined)
    return {
      wiring: 'delivery-lmtp',
      nextHop: `lmtp:unix:${socket}`,
      because: `a mail store listens on ${socket}`,
    };
  if (
    wordsOf(facts.virtual_mailbox_domains).length > 0 &&
    parseTransport(facts.virtual_transport).service === 'virtual'
  )
    return {
      wiring: 'delivery-virtual',
      nextHop: 'smtp:127.0.0.1:10026',
      because: 'virtual(8) delivers to mailboxes',
    };
  const own = new Set(wordsOf(facts.mydestination));
  if (own.size === 0 || wordsOf(facts.relay_domains).some((name) => !own.has(name)))
    return {
      wiring: 'after-queue-lmtp',
      nextHop: 'smtp:127.0.0.1:10026',
      because: own.size === 0 ? 'no domain has its mailboxes here' : 'mail is relayed to mailboxes elsewhere',
    };
  if (facts.mailbox_transport === '')
    return {
      wiring: 'delivery-local',
      nextHop: 'smtp:127.0.0.1:10027',
      because: 'local(8) delivers to Unix accounts',
    };
  return {
    wiring: 'delivery-lmtp',
    nextHop: null,
    because: 'it is the one for mail stores, and none was found',
  };
}

/** The names that {@link MailboxFacts} has from postconf(1). */
export const MAILBOX_SETTINGS = [
  'virtual_transport',
  'mailbox_transport',
  'virtual_mailbox_domains',
  'mydestination',
  'relay_domains',
  'queue_directory',
] as const;

/** @param values one line for each of {@link MAILBOX_SETTINGS}, as `postconf -x -h` prints them */
export function readMailboxFacts(values: string, sockets: readonly string[]): MailboxFacts {
  const lines = values.split('\n').map((line) => line.trim());
  const value = (name: (typeof MAILBOX_SETTINGS)[number]): string =>
    lines[MAILBOX_SETTINGS.indexOf(name)] ?? '';
  return {
    virtual_transport: value('virtual_transport'),
    mailbox_transport: value('mailbox_transport'),
    virtual_mailbox_domains: value('virtual_mailbox_domains'),
    mydestination: value('mydestination'),
    relay_domains: value('relay_domains'),
    queue_directory: value('queue_directory'),
    sockets,
  };
}

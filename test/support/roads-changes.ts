// Roads that Postfix itself makes or changes, and those that the administrator builds.
import { mustRun } from './child.ts';
import { by, bySendmail, DELIVERY, GATEWAYS, type Road, type Row, road } from './roads-road.ts';
import { LOCAL, OVERRIDDEN, VIRTUAL } from './roads-site.ts';
import { openRoadSession } from './roads-smtp.ts';

const ALL = [...DELIVERY, ...GATEWAYS];
const WITH_ACCOUNTS = ['delivery-lmtp', 'delivery-local', ...GATEWAYS] as const;
const ALICE = `alice@${VIRTUAL}`;
const BOB = `bob@${VIRTUAL}`;
const ARCHIVE = `archive@${VIRTUAL}`;
const NEWS = `news@${LOCAL}`;

/** Postfix makes or changes the mail behind whoever accepted it. */
const CHANGED: readonly Road[] = [
  ...(
    [
      ['a virtual alias', [`info@${VIRTUAL}`], { reaches: [ALICE] }],
      ['a virtual alias for two', [`pair@${VIRTUAL}`], { reaches: [ALICE, BOB] }],
      ['a recipient directly and by an alias', [ALICE, `info@${VIRTUAL}`], { reaches: [ALICE] }],
      ['a virtual alias that leads to one reader twice', [`twice@${VIRTUAL}`], { reaches: [ALICE] }],
      ['a virtual alias domain', ['sales@alias.test'], { reaches: [BOB] }],
      ['a catch-all of a virtual alias domain', ['whoever@alias.test'], { reaches: [ALICE] }],
      ['a canonical map', [`old@${VIRTUAL}`], { reaches: [ALICE] }],
      ['always_bcc', ['somebody@outside.test', `bob@${VIRTUAL}`], { door: 'bcc', reaches: [ARCHIVE, BOB] }],
      ['sender_bcc_maps', [`bob@${VIRTUAL}`], { sender: 'watched@outside.test', reaches: [ARCHIVE, BOB] }],
      ['recipient_bcc_maps', [`kate@${VIRTUAL}`], { reaches: [ARCHIVE, `kate@${VIRTUAL}`] }],
    ] satisfies Row[]
  ).map(road('virtual')),
  ...(
    [['a virtual alias for an account', [`webmaster@${VIRTUAL}`], { reaches: [NEWS] }]] satisfies Row[]
  ).map(road('local', { closedBy: 'resolver' })),
  ...(
    [
      ['an alias for two accounts', [`team@${LOCAL}`], { reaches: [NEWS, `lp@${LOCAL}`] }],
      ['an alias for a virtual mailbox', [`boss@${LOCAL}`], { reaches: [ALICE] }],
      ['an alias for an alias', [`chain@${LOCAL}`], { reaches: [NEWS, `lp@${LOCAL}`] }],
      ['an :include: of an alias', [`included@${LOCAL}`], { reaches: [NEWS, ALICE] }],
      ['an alias with an extension', [`extended@${LOCAL}`], { reaches: [NEWS] }],
    ] satisfies Row[]
  ).map(road('local', { unseen: { in: GATEWAYS, words: '/etc/aliases', told: true } })),
  ...(
    [
      ['a .forward with a copy in the mailbox', [`games@${LOCAL}`], { reaches: [`games@${LOCAL}`, ALICE] }],
    ] satisfies Row[]
  ).map(road('local', { unseen: { in: GATEWAYS, words: '.forward' } })),
  ...([['a .forward to another account', [`man@${LOCAL}`], { reaches: [NEWS] }]] satisfies Row[]).map(
    road('local', { closedBy: 'resolver', unseen: { in: GATEWAYS, words: '.forward' } }),
  ),
  {
    name: 'luser_relay',
    to: 'local',
    reaches: [NEWS],
    send: bySendmail([`nosuch@${LOCAL}`]),
    unseen: { in: GATEWAYS, words: 'luser_relay', told: true },
    // local(8) hands every name to mailbox_transport before it looks for the account, and there the store knows better.
    nowhere: { in: ['delivery-lmtp'], words: '`luser_relay` has no effect' },
  },
];

/** Nobody but the administrator builds these. */
const OVERRIDES: readonly Road[] = [
  ...(
    [
      ['transport_maps for a domain', [`ovid@${OVERRIDDEN}`]],
      ['transport_maps for a user', [`peruser@${VIRTUAL}`]],
    ] satisfies Row[]
  ).map(road('virtual', { unseen: { in: DELIVERY, words: 'transport_maps' } })),
  ...([['FILTER in header_checks', [`alice@${VIRTUAL}`], { door: 'headerFilter' }]] satisfies Row[]).map(
    road('virtual', { unseen: { in: ALL, words: 'FILTER' } }),
  ),
  ...(
    [
      ['a listener with a content_filter of its own', [`alice@${VIRTUAL}`], { door: 'contentFilter' }],
    ] satisfies Row[]
  ).map(road('virtual', { unseen: { in: ALL, words: 'content_filter' } })),
  ...([['mailbox_transport_maps', [`uucp@${LOCAL}`]]] satisfies Row[]).map(
    road('local', { unseen: { in: ['delivery-lmtp', 'delivery-local'], words: 'mailbox_transport_maps' } }),
  ),
  ...(
    [
      ['a program named by an alias', [`piped@${LOCAL}`]],
      ['a file named by an alias', [`filed@${LOCAL}`]],
    ] satisfies Row[]
  ).map(road('local', { unseen: { in: WITH_ACCOUNTS, words: '|program', told: true } })),
  ...(
    [
      ['a program in a .forward', [`list@${LOCAL}`]],
      ['a file in a .forward', [`proxy@${LOCAL}`]],
    ] satisfies Row[]
  ).map(road('local', { unseen: { in: WITH_ACCOUNTS, words: '|program' } })),
];

/** Bounces and reports: the user's own text comes back into the mailbox. */
const MADE: readonly Road[] = [
  ...(
    [
      [
        'a bounce to a virtual mailbox',
        ['refused@outside.test'],
        { door: 'local', sender: ALICE, reaches: [ALICE] },
      ],
      [
        'a bounce with RET=FULL',
        ['refused@outside.test'],
        { door: 'local', sender: BOB, mail: 'RET=FULL', reaches: [BOB] },
      ],
      [
        'a report of success',
        ['somebody@outside.test'],
        { door: 'local', sender: ALICE, mail: 'RET=FULL', rcpt: 'NOTIFY=SUCCESS', reaches: [ALICE] },
      ],
      [
        'a bounce to an alias',
        ['refused@outside.test'],
        { door: 'local', sender: `info@${VIRTUAL}`, reaches: [ALICE] },
      ],
      [
        'an international bounce',
        ['refused-\u00fc@outside.test'],
        { door: 'local', sender: ALICE, mail: 'SMTPUTF8', reaches: [ALICE] },
      ],
    ] satisfies Row[]
  ).map(road('virtual')),
  ...(
    [
      [
        'a bounce to an account',
        ['refused@outside.test'],
        { door: 'local', sender: `irc@${LOCAL}`, reaches: [`irc@${LOCAL}`] },
      ],
      [
        'a bounce of a bounce to the postmaster',
        ['refused-1@outside.test'],
        { door: 'local', sender: 'refused-2@outside.test', reaches: [`mail@${LOCAL}`] },
      ],
    ] satisfies Row[]
  ).map(road('local')),
  {
    name: 'a bounce of a list to its owner',
    to: 'local',
    reaches: [`lp@${LOCAL}`],
    unseen: { in: GATEWAYS, words: '/etc/aliases', told: true },
    send: by([`crew@${LOCAL}`], { door: 'local', sender: 'somebody@outside.test' }),
  },
  {
    name: 'a bounce to an account by its name alone',
    to: 'local',
    reaches: [`backup@${LOCAL}`],
    closedBy: 'resolver',
    send: by(['refused@outside.test'], { door: 'local', sender: 'backup@localhost' }),
  },
];

/** Ways in that are no SMTP, and questions that must not become mail. */
const OTHER_DOORS: readonly Road[] = [
  { name: 'sendmail(1)', to: 'virtual', reaches: [ALICE], send: bySendmail([ALICE]) },
  { name: 'sendmail(1) to an account', to: 'local', reaches: [NEWS], send: bySendmail([NEWS]) },
  {
    name: 'sendmail(1) to an account by its name alone',
    to: 'local',
    reaches: [NEWS],
    send: bySendmail(['news']),
  },
  {
    name: 'sendmail -t with Bcc',
    to: 'virtual',
    reaches: [ALICE],
    send: async (stand, mark) => {
      const env = { MAIL_CONFIG: stand.postfix.configDir };
      const text = mark.message.replace(/^To: .*$/m, `Bcc: alice@${VIRTUAL}`).replaceAll('\r\n', '\n');
      await mustRun('sendmail', ['-t', '-i', '-f', mark.sender], { stdin: text, env });
      return [];
    },
  },
  {
    name: 'sendmail -bv, which reports and delivers nothing',
    to: 'virtual',
    ends: 'textless',
    send: async (stand, mark) => {
      const env = { MAIL_CONFIG: stand.postfix.configDir };
      await mustRun('sendmail', ['-bv', '-f', `bob@${VIRTUAL}`, `alice@${VIRTUAL}`], {
        stdin: mark.message,
        env,
      });
      return [];
    },
  },
  {
    name: 'VRFY, which says what RCPT would say and delivers nothing',
    to: 'virtual',
    ends: 'textless',
    send: async ({ doors }) => {
      const session = await openRoadSession(doors.outsider);
      await session.ask(`VRFY alice@${VIRTUAL}`);
      session.close();
      return [];
    },
  },
  {
    name: 'a listener that probes its recipients',
    to: 'virtual',
    reaches: [ALICE],
    send: by([`alice@${VIRTUAL}`], { door: 'verified' }),
  },
  {
    name: 'a recipient whom nobody knows',
    to: 'virtual',
    ends: 'refused',
    send: by([`nobody-at-all@${VIRTUAL}`]),
  },
  {
    name: 'an account that nobody has',
    to: 'local',
    ends: 'refused',
    send: by([`nobody-at-all@${LOCAL}`]),
  },
];

export const CHANGED_ROADS: readonly Road[] = [...CHANGED, ...OVERRIDES, ...MADE, ...OTHER_DOORS];

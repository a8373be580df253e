// One directory and a table of questions about it, with their answers: asked of the pure functions in unit tests, and of
// postmap, raw sockets and `sealpost lookup` in the end-to-end tests.
import type { MapName } from '../../policy/facts.ts';

/** Users in the order of their ids, from 1. */
export const USERS: readonly {
  readonly address: string;
  readonly set?: readonly string[];
  readonly disabled?: true;
  readonly quota?: number;
  readonly quotaMessages?: number;
  readonly used?: readonly [bytes: number, messages: number];
}[] = [
  { address: 'alice@example.org', set: ['send_as=newsletter@outside.test,info@example.net'] },
  { address: 'bob@example.org', disabled: true },
  { address: 'carol@example.org', quota: 1000, used: [1000, 3] },
  { address: 'dave@example.org', quota: 10_000, used: [9000, 3] },
  { address: '"eve smith"@example.org' },
  { address: 'erin@example.org', set: ['forward=erin@outside.test'] },
  { address: 'frank@example.net', set: ['transport=smtp:[192.0.2.9]'] },
  { address: 'Grace@case.example' },
  { address: 'heidi@example.org', set: ['on_missing_key=reject'] },
  { address: 'ivan@example.org', set: ['on_missing_key=defer'] },
  { address: 'judy@example.org', quotaMessages: 10, used: [5, 10] },
  { address: 'mallory@example.net', disabled: true },
  { address: 'niaj@bücher.example' },
  { address: 'oscar@relay.example', set: ['send_as=@outside2.test'] },
  { address: 'peggy@example.net', quota: 1, used: [5, 1] },
  { address: 'trent@example.org', set: ['on_missing_key=reject', 'encrypt=off'] },
  { address: "o'hara&co=100%@example.org" },
  { address: 'jürgen@example.org' },
  { address: 'sybil@example.org', disabled: true, set: ['on_missing_key=reject'] },
  { address: 'Trudy@case.example' },
];

export const DOMAINS: readonly { readonly name: string; readonly set?: readonly string[] }[] = [
  { name: 'example.org' },
  {
    name: 'example.net',
    set: [
      'transport=lmtp:unix:/run/dovecot/lmtp',
      'disabled_text=Moved away',
      'over_quota_action=reject',
      'over_quota_text=Full',
    ],
  },
  {
    name: 'case.example',
    set: ['fold_local_part=off', 'unknown_text=Ask postmaster', 'unknown_action=defer'],
  },
  { name: 'relay.example', set: ['class=relay', 'transport=smtp:[10.0.0.1]:25', 'unknown_action=accept'] },
  { name: 'bücher.example' },
  { name: 'sealed.example', set: ['on_missing_key=reject'] },
];

export const ALIASES: readonly (readonly [address: string, ...targets: string[]])[] = [
  ['team@example.org', 'alice@example.org', 'bob@example.org'],
  ['sales@example.org', 'alice@example.org', 'carol@outside.test'],
  ['gone@example.org', 'bob@example.org'],
  ['full@example.org', 'carol@example.org', 'judy@example.org'],
  ['mixed@example.org', 'bob@example.org', 'carol@example.org'],
  ['c1@example.org', 'c2@example.org'],
  ['c2@example.org', 'c3@example.org'],
  ['c3@example.org', 'alice@example.org', 'erin@example.org'],
  ...Array.from({ length: 11 }, (_, index): readonly [string, string] => [
    `d${index + 1}@example.org`,
    index === 10 ? 'alice@example.org' : `d${index + 2}@example.org`,
  ]),
  ['loop1@example.org', 'loop2@example.org'],
  ['loop2@example.org', 'loop1@example.org'],
  ['self@example.org', 'self@example.org', 'alice@example.org'],
  ['ghost@example.org', 'nobody@example.org'],
  ['ghostly@example.org', 'nobody@example.org', 'alice@example.org'],
  ['out@example.org', 'Some.One@outside.test'],
  ['alice+lists@example.org', 'dave@example.org'],
  ['strict@example.org', 'heidi@example.org'],
  ['stricter@example.org', 'heidi@example.org', 'ivan@example.org'],
  ['half-strict@example.org', 'heidi@example.org', 'alice@example.org'],
  ['once-strict@example.org', 'sybil@example.org', 'alice@example.org'],
  ['list@sealed.example', 'alice@example.org', 'carol@outside.test'],
  ['sister@relay.example', 'alice@example.org'],
  ['relayed@example.org', 'unknown@relay.example'],
  ['trudy@case.example', 'Trudy@case.example'],
  ['@example.net', 'frank@example.net'],
];

export const FINGERPRINT = '8D:2A:5C:10:7F:0E:93:41:B6:6D:58:C2:1A:E4:77:3B:90:0D:4F:12';
export const OLD_FINGERPRINT = '00:2A:5C:10:7F:0E:93:41:B6:6D:58:C2:1A:E4:77:3B';
export const FINGERPRINTS: readonly (readonly [fingerprint: string, expires: string])[] = [
  [FINGERPRINT, '2999-12-31'],
  [OLD_FINGERPRINT, '2020-01-01'],
];

/** A question and the value that is found, null: not found, TEMPORARY: neither. */
export type Question = readonly [map: MapName, key: string, value: string | null];

export const TEMPORARY = '(temporary)';

const FULL =
  "DEFER_IF_PERMIT 4.2.2 Sorry, your message cannot be delivered because the recipient's mailbox is full. " +
  'If you can contact them another way, you may wish to tell them of this problem.';
const UNKNOWN = 'REJECT 5.1.1 No such recipient here';
const DISABLED = 'REJECT 5.2.1 This mailbox is disabled';
const NO_KEY = 'No OpenPGP key is known for this recipient, and mail is not stored unencrypted here';
const LMTP = 'lmtp:unix:/run/dovecot/lmtp';

const checkRecipient: readonly (readonly [string, string | null])[] = [
  ['alice@example.org', 'DUNNO'],
  ['ALICE@EXAMPLE.ORG', 'DUNNO'],
  ['Alice@Example.Org', 'DUNNO'],
  ['alice@example.org.', 'DUNNO'],
  ['"alice"@example.org', 'DUNNO'],
  ['alice+anything@example.org', 'DUNNO'],
  ['alice+@example.org', 'DUNNO'],
  ['alice+lists@example.org', 'DUNNO'],
  ['id_1@example.org', 'DUNNO'],
  ['ID_1@example.org', 'DUNNO'],
  ['id_999@example.org', UNKNOWN],
  ['id_0@example.org', UNKNOWN],
  ['bob@example.org', DISABLED],
  ['bob+x@example.org', DISABLED],
  ['id_2@example.org', DISABLED],
  ['carol@example.org', FULL],
  ['carol+x@example.org', FULL],
  ['dave@example.org', 'DUNNO'],
  ['judy@example.org', FULL],
  ['"eve smith"@example.org', 'DUNNO'],
  ['"EVE Smith"@example.org', 'DUNNO'],
  ['"eve\\ smith"@example.org', 'DUNNO'],
  ['"al\\\\ice"@example.org', UNKNOWN],
  ['"a\\"lice"@example.org', UNKNOWN],
  ['erin@example.org', 'DUNNO'],
  ['heidi@example.org', `REJECT 5.7.5 ${NO_KEY}`],
  ['ivan@example.org', `DEFER_IF_PERMIT 4.7.5 ${NO_KEY}`],
  ['strict@example.org', `REJECT 5.7.5 ${NO_KEY}`],
  ['stricter@example.org', `DEFER_IF_PERMIT 4.7.5 ${NO_KEY}`],
  ['half-strict@example.org', 'DUNNO'],
  ['once-strict@example.org', 'DUNNO'],
  ['list@sealed.example', `REJECT 5.7.5 ${NO_KEY}`],
  ['trent@example.org', 'DUNNO'],
  ["o'hara&co=100%@example.org", 'DUNNO'],
  ['jürgen@example.org', 'DUNNO'],
  ['JÜRGEN@example.org', 'DUNNO'],
  ['team@example.org', 'DUNNO'],
  ['team+x@example.org', 'DUNNO'],
  ['sales@example.org', 'DUNNO'],
  ['out@example.org', 'DUNNO'],
  ['gone@example.org', DISABLED],
  ['full@example.org', FULL],
  ['mixed@example.org', FULL],
  ['ghost@example.org', UNKNOWN],
  ['c1@example.org', 'DUNNO'],
  ['d1@example.org', TEMPORARY],
  ['d2@example.org', 'DUNNO'],
  ['loop1@example.org', TEMPORARY],
  ['loop2+x@example.org', TEMPORARY],
  ['self@example.org', TEMPORARY],
  ['nobody@example.org', UNKNOWN],
  ['alic@example.org', UNKNOWN],
  ['aalice@example.org', UNKNOWN],
  ['+alice@example.org', UNKNOWN],
  ['frank@example.net', 'DUNNO'],
  ['anybody@example.net', 'DUNNO'],
  ['mallory@example.net', 'REJECT 5.2.1 Moved away'],
  ['peggy@example.net', 'REJECT 5.2.2 Full'],
  ['Grace@case.example', 'DUNNO'],
  ['grace@case.example', 'DEFER_IF_PERMIT 4.1.1 Ask postmaster'],
  ['Grace@CASE.example', 'DUNNO'],
  ['Grace+x@case.example', 'DUNNO'],
  ['trudy@case.example', 'DUNNO'],
  ['niaj@bücher.example', 'DUNNO'],
  ['niaj@xn--bcher-kva.example', 'DUNNO'],
  ['oscar@relay.example', 'DUNNO'],
  ['unknown@relay.example', 'DUNNO'],
  ['relayed@example.org', 'DUNNO'],
  ['someone@outside.test', null],
  ['alice@sub.example.org', null],
  ['example.org', null],
  ['alice', null],
  ['@example.org', null],
  ['alice@', null],
  ['*', null],
  ['alice@example.org@outside.test', null],
  ['bob@outside.test@example.org', UNKNOWN],
];

const virtualAlias: readonly (readonly [string, string | null])[] = [
  ['alice@example.org', 'id_1@example.org'],
  ['Alice@EXAMPLE.org', 'id_1@example.org'],
  ['"alice"@example.org', 'id_1@example.org'],
  ['"\\"alice\\""@example.org', 'id_1@example.org'],
  // The second question about a name with backslashes or a route in it: nobody's.
  ['al\\ice@example.org', null],
  ['@relay.example:alice@example.org', null],
  ['alice+work@example.org', 'id_1@example.org'],
  ['alice+lists@example.org', 'id_4@example.org'],
  ['alice+LISTS@example.org', 'id_4@example.org'],
  ['bob@example.org', 'id_2@example.org'],
  ['"eve smith"@example.org', 'id_5@example.org'],
  ['erin@example.org', 'id_6@example.org,erin@outside.test'],
  ['id_1@example.org', null],
  ['id_1+work@example.org', null],
  ['id_999@example.org', null],
  ['team@example.org', 'id_1@example.org,id_2@example.org'],
  ['sales@example.org', 'id_1@example.org,carol@outside.test'],
  ['out@example.org', 'Some.One@outside.test'],
  ['c1@example.org', 'id_1@example.org,id_6@example.org,erin@outside.test'],
  ['d1@example.org', TEMPORARY],
  ['d2@example.org', 'id_1@example.org'],
  ['loop1@example.org', TEMPORARY],
  ['self@example.org', TEMPORARY],
  ['sister@relay.example', 'id_1@example.org'],
  ['frank@example.net', 'id_7@example.net'],
  ['anybody@example.net', 'id_7@example.net'],
  ['any+body@example.net', 'id_7@example.net'],
  ['Grace@case.example', 'id_8@case.example'],
  ['grace@case.example', null],
  ['trudy@case.example', 'id_20@case.example'],
  ['Trudy@case.example', 'id_20@case.example'],
  ['niaj@bücher.example', 'id_13@xn--bcher-kva.example'],
  ['jürgen@example.org', 'id_18@example.org'],
  ['nobody@example.org', null],
  ['someone@outside.test', null],
  ['example.org', null],
  ['*', null],
  ['@example.net', null],
  ['postmaster', null],
];

const virtualMailbox: readonly (readonly [string, string | null])[] = [
  ['alice@example.org', 'id_1/'],
  ['ALICE+x@example.org', 'id_1/'],
  ['id_1@example.org', 'id_1/'],
  ['id_1+x@example.org', 'id_1/'],
  ['bob@example.org', 'id_2/'],
  ['team@example.org', 'OK'],
  ['out@example.org', 'OK'],
  ['anybody@example.net', 'OK'],
  ['frank@example.net', 'id_7/'],
  ['Grace@case.example', 'id_8/'],
  ['grace@case.example', null],
  ['trudy@case.example', 'OK'],
  ['loop1@example.org', TEMPORARY],
  ['nobody@example.org', null],
  ['someone@outside.test', null],
  ['example.org', null],
];

const domains: readonly Question[] = [
  ['virtual_domains', 'example.org', 'OK'],
  ['virtual_domains', 'EXAMPLE.ORG', 'OK'],
  ['virtual_domains', 'example.org.', 'OK'],
  ['virtual_domains', 'bücher.example', 'OK'],
  ['virtual_domains', 'xn--bcher-kva.example', 'OK'],
  ['virtual_domains', 'relay.example', null],
  ['virtual_domains', 'sub.example.org', null],
  ['virtual_domains', '.example.org', null],
  ['virtual_domains', 'org', null],
  ['virtual_domains', 'outside.test', null],
  ['virtual_domains', 'alice@example.org', null],
  ['virtual_domains', '*', null],
  ['relay_domains', 'relay.example', 'OK'],
  ['relay_domains', 'Relay.Example', 'OK'],
  ['relay_domains', 'example.org', null],
  ['relay_domains', 'outside.test', null],
];

const transport: readonly (readonly [string, string | null])[] = [
  ['frank@example.net', 'smtp:[192.0.2.9]'],
  ['id_7@example.net', 'smtp:[192.0.2.9]'],
  ['frank+x@example.net', 'smtp:[192.0.2.9]'],
  ['anybody@example.net', LMTP],
  ['mallory@example.net', 'error:5.2.1 Moved away'],
  ['peggy@example.net', LMTP],
  ['oscar@relay.example', 'smtp:[10.0.0.1]:25'],
  ['unknown@relay.example', 'smtp:[10.0.0.1]:25'],
  ['relay.example', 'smtp:[10.0.0.1]:25'],
  ['alice@example.org', null],
  ['id_1@example.org', null],
  ['bob@example.org', 'error:5.2.1 This mailbox is disabled'],
  ['id_2@example.org', 'error:5.2.1 This mailbox is disabled'],
  ['loop1@example.org', TEMPORARY],
  ['someone@outside.test', null],
  ['outside.test', null],
  ['*', null],
];

const senderLogin: readonly (readonly [string, string | null])[] = [
  ['alice@example.org', 'alice@example.org'],
  ['Alice+x@example.org', 'alice@example.org'],
  ['id_1@example.org', 'alice@example.org'],
  ['team@example.org', 'alice@example.org'],
  ['c1@example.org', 'alice@example.org,erin@example.org'],
  ['sales@example.org', 'alice@example.org'],
  ['bob@example.org', null],
  ['gone@example.org', null],
  ['out@example.org', null],
  ['anybody@example.net', 'frank@example.net'],
  ['info@example.net', 'frank@example.net,alice@example.org'],
  ['newsletter@outside.test', 'alice@example.org'],
  ['other@outside.test', null],
  ['anything@outside2.test', 'oscar@relay.example'],
  ['"eve smith"@example.org', '"eve smith"@example.org'],
  ['trudy@case.example', 'Trudy@case.example'],
  ['loop1@example.org', TEMPORARY],
  ['nobody@example.org', null],
  ['example.org', null],
];

const fingerprints: readonly (readonly [string, string | null])[] = [
  [FINGERPRINT, `${FINGERPRINT} 2999-12-31`],
  [FINGERPRINT.toLowerCase(), `${FINGERPRINT} 2999-12-31`],
  [FINGERPRINT.replaceAll(':', ''), `${FINGERPRINT} 2999-12-31`],
  [OLD_FINGERPRINT, null],
  [FINGERPRINT.slice(0, -3), null],
  ['FF'.repeat(20), null],
  ['no fingerprint', null],
];

const of = (map: MapName, rows: readonly (readonly [string, string | null])[]): readonly Question[] =>
  rows.map(([key, value]) => [map, key, value]);

/** More than 150 questions. */
export const QUESTIONS: readonly Question[] = [
  ...of('check_recipient', checkRecipient),
  ...of('virtual_alias', virtualAlias),
  ...of('virtual_mailbox', virtualMailbox),
  ...domains,
  ...of('transport', transport),
  ...of('sender_login', senderLogin),
  ...of('client_fingerprint', fingerprints),
];

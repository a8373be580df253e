// Roads that differ in how the address is written.
import { type Road, type Row, road } from './roads-road.ts';
import { HOST, LOCAL, VIRTUAL } from './roads-site.ts';

const ALICE = `alice@${VIRTUAL}`;
const BOB = `bob@${VIRTUAL}`;
const NEWS = `news@${LOCAL}`;

/** As the address is written. */
const SPELLINGS: readonly Road[] = (
  [
    ['the address', [`alice@${VIRTUAL}`], { reaches: [ALICE] }],
    ['upper case', [`ALICE@${VIRTUAL.toUpperCase()}`]],
    ['an extension', [`alice+lists@${VIRTUAL}`]],
    ['an extension with more in it, in mixed case', [`Alice+A.b=c@${VIRTUAL}`]],
    ['a quoted local part', [`"alice"@${VIRTUAL}`]],
    ['a quoted pair', [`"al\\ice"@${VIRTUAL}`]],
    ['a quoted extension', [`"alice+x"@${VIRTUAL}`]],
    ['a dot behind the domain', [`alice@${VIRTUAL}.`]],
    ['blanks around the at sign', [`alice @ ${VIRTUAL}`]],
    ['several keyed recipients', [ALICE, BOB, `susan@${VIRTUAL}`], { reaches: [ALICE, BOB] }],
    ['the same recipient in two spellings', [`alice@${VIRTUAL}`, `ALICE@${VIRTUAL}`]],
    ['the null sender', [`alice@${VIRTUAL}`], { sender: '' }],
    ['a sender that is the recipient', [`alice@${VIRTUAL}`], { sender: `alice@${VIRTUAL}` }],
    [
      'an original recipient that is somebody else',
      [`alice@${VIRTUAL}`],
      { rcpt: 'ORCPT=rfc822;who@outside.test' },
    ],
    [
      'NOTIFY=SUCCESS,FAILURE and RET=FULL',
      [`alice@${VIRTUAL}`],
      { mail: 'RET=FULL ENVID=1', rcpt: 'NOTIFY=SUCCESS,FAILURE' },
    ],
  ] satisfies Row[]
).map(road('virtual'));

/** Postfix drops a domain of its own and reads on (resolve(8)). */
const OPERATORS: readonly Road[] = (
  [
    ['percent before localhost', [`alice%${VIRTUAL}@localhost`]],
    ['percent before the name of the machine', [`alice%${VIRTUAL}@${HOST}`]],
    ['percent before $myorigin', [`alice%${VIRTUAL}@${LOCAL}`]],
    ['percent before its own domain', [`alice%${VIRTUAL}@${VIRTUAL}`]],
    ['percent before an address literal', [`alice%${VIRTUAL}@[127.0.0.1]`]],
    ['percent in quotes', [`"alice%${VIRTUAL}"@localhost`]],
    ['percent twice', [`alice%${VIRTUAL}%localhost@${HOST}`]],
    ['percent and an extension', [`alice+x%${VIRTUAL}@localhost`]],
    ['percent in upper case', [`ALICE%${VIRTUAL.toUpperCase()}@LOCALHOST`]],
    ['percent and no domain', [`alice%${VIRTUAL}`]],
    ['a quoted at sign at the name of the machine', [`"alice@${VIRTUAL}"@${HOST}`]],
    ['a quoted at sign at localhost', [`"alice@${VIRTUAL}"@localhost`]],
    ['a quoted at sign at an address literal', [`"alice@${VIRTUAL}"@[127.0.0.1]`]],
    ['a quoted at sign with an extension', [`"alice+x@${VIRTUAL}"@localhost`]],
    ['a quoted at sign with a backslash', [`"alice\\@${VIRTUAL}"@localhost`]],
    ['a quoted at sign and no domain', [`"alice@${VIRTUAL}"`]],
    ['two at signs before localhost', [`alice@${VIRTUAL}@localhost`]],
    ['two at signs before the name of the machine', [`alice@${VIRTUAL}@${HOST}`]],
    ['three at signs', [`alice@${VIRTUAL}@localhost@${HOST}`]],
    ['a bang path before the name of the machine', [`${VIRTUAL}!alice@${HOST}`]],
    ['a bang path before localhost', [`${VIRTUAL}!alice@localhost`]],
    ['a bang path before an address literal', [`${VIRTUAL}!alice@[127.0.0.1]`]],
    ['a bang path and no domain', [`${VIRTUAL}!alice`]],
    ['a long bang path', [`${HOST}!${VIRTUAL}!alice@localhost`]],
    ['a bang path with an extension', [`${VIRTUAL}!alice+x@localhost`]],
    ['bang and percent', [`${VIRTUAL}!alice%localhost@${HOST}`]],
    ['a source route', [`@localhost:alice@${VIRTUAL}`]],
    ['a longer source route', [`@outside.test,@localhost:alice@${VIRTUAL}`]],
    ['a source route and percent', [`@localhost:alice%${VIRTUAL}@${HOST}`]],
    ['percent to another user than the catch-all of an alias domain', [`bob%${VIRTUAL}@alias.test`]],
  ] satisfies Row[]
).map(road('virtual'));

/** Postfix's maps fold case as Unicode does in full. */
const FOLDED: readonly Road[] = (
  [
    ['the long s', [`\u017fusan@${VIRTUAL}`], { mail: 'SMTPUTF8' }],
    ['the long s without SMTPUTF8', [`\u017fusan@${VIRTUAL}`]],
    ['the long s with an extension', [`\u017fusan+x@${VIRTUAL}`], { mail: 'SMTPUTF8' }],
    ['the long s in quotes', [`"\u017fusan"@${VIRTUAL}`], { mail: 'SMTPUTF8' }],
    ['the sharp s', [`wei\u00df@${VIRTUAL}`], { mail: 'SMTPUTF8' }],
    ['the capital sharp s', [`WEI\u1e9e@${VIRTUAL}`], { mail: 'SMTPUTF8' }],
    ['a ligature', [`o\ufb03ce@${VIRTUAL}`], { mail: 'SMTPUTF8' }],
  ] satisfies Row[]
).map(road('virtual', { closedBy: 'resolver' }));

/** What Postfix writes in ASCII itself, or what folds by lower case alone. */
const FOLDED_BY_POSTFIX: readonly Road[] = (
  [
    ['the long s and percent', [`\u017fusan%${VIRTUAL}@localhost`], { mail: 'SMTPUTF8' }],
    ['the Kelvin sign', [`\u212aate@${VIRTUAL}`], { mail: 'SMTPUTF8' }],
    ['the long s in the domain', ['alice@\u017feal.test'], { mail: 'SMTPUTF8' }],
    ['full-width letters in the domain', ['alice@\uff53\uff45\uff41\uff4c.test'], { mail: 'SMTPUTF8' }],
  ] satisfies Row[]
).map(road('virtual'));

/** Names of the machine are names of the local domain. */
const OTHER_NAMES: readonly Road[] = (
  [
    ['localhost', ['news@localhost']],
    ['the name of the machine', [`news@${HOST}`]],
    ['localhost in the domain of the machine', ['news@localhost.sealpost.test']],
    ['an address literal', ['news@[127.0.0.1]']],
    ['an address literal and an extension', ['news+x@[127.0.0.1]']],
    ['upper case at LOCALHOST', ['NEWS@LOCALHOST']],
    ['a quoted local part at localhost', ['"news"@localhost']],
    ['the long s of an account', [`new\u017f@${LOCAL}`], { mail: 'SMTPUTF8' }],
    ['the long s of an account at localhost', ['new\u017f@localhost'], { mail: 'SMTPUTF8' }],
  ] satisfies Row[]
).map(road('local', { closedBy: 'resolver' }));

/** Postfix adds $myorigin. */
const NO_NAMES: readonly Road[] = (
  [
    ['no domain', ['news']],
    ['no domain, an extension', ['news+x']],
  ] satisfies Row[]
).map(road('local'));

const ACCOUNTS: readonly Road[] = (
  [
    ['an account', [NEWS], { reaches: [NEWS] }],
    ['an account in upper case', [`NEWS@${LOCAL.toUpperCase()}`]],
    ['an account with an extension', [`news+x@${LOCAL}`]],
    ['an account and percent', [`news%${LOCAL}@${HOST}`]],
    ['an account and percent before localhost', [`news%${LOCAL}@localhost`]],
    ['an account and a bang path', [`${LOCAL}!news@localhost`]],
    ['an account and a quoted at sign', [`"news@${LOCAL}"@localhost`]],
    ['an account behind a backslash', [`"\\\\games"@${LOCAL}`]],
    ['an account behind a backslash at localhost', ['"\\\\news"@localhost']],
    ['several accounts', [`news@${LOCAL}`, `lp@${LOCAL}`, `mail@${LOCAL}`]],
  ] satisfies Row[]
).map(road('local'));

export const ADDRESS_ROADS: readonly Road[] = [
  ...SPELLINGS,
  ...OPERATORS,
  ...FOLDED,
  ...FOLDED_BY_POSTFIX,
  ...OTHER_NAMES,
  ...NO_NAMES,
  ...ACCOUNTS,
];

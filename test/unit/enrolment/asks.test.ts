import { describe, expect, it } from 'vitest';
import { whoAsks } from '../../../src/enrolment/mail/asks.ts';
import { autocryptKey } from '../../../src/enrolment/mail/autocrypt.ts';
import { splitMessage } from '../../../src/message/header.ts';

const ALICE = 'alice@example.org';
const FROM = `From: Alice <${ALICE}>`;

function asks(fields: readonly string[], sender = ALICE): string {
  const asked = whoAsks(
    splitMessage(Buffer.from([...fields, '', 'text', ''].join('\r\n'), 'latin1')),
    sender,
  );
  return asked.ok ? `asks: ${asked.from}` : asked.because;
}

describe('who asks by a letter to the key address', () => {
  it.each<[string, string, readonly string[], string?]>([
    ['a person', `asks: ${ALICE}`, [FROM]],
    ['a person whose program says that it is a person', `asks: ${ALICE}`, [FROM, 'Auto-Submitted: no']],
    ['the same with a comment', `asks: ${ALICE}`, [FROM, 'Auto-Submitted: No (by hand)']],
    [
      'a person who answers a letter of ours',
      `asks: ${ALICE}`,
      [FROM, 'In-Reply-To: <sealpost-1@example.org>'],
    ],
    ['a person whose letter is urgent', `asks: ${ALICE}`, [FROM, 'Precedence: first-class']],
    [
      'a person with another envelope sender, which is compared later',
      `asks: ${ALICE}`,
      [FROM],
      'bob@example.org',
    ],
    ['a bounce', 'null sender', [FROM], ''],
    ['an automatic answer', 'automatic mail', [FROM, 'Auto-Submitted: auto-replied']],
    ['an automatic letter', 'automatic mail', [FROM, 'Auto-Submitted: auto-generated; x=y']],
    ['an unknown word there', 'automatic mail', [FROM, 'Auto-Submitted: nonsense']],
    ['nothing there', 'automatic mail', [FROM, 'Auto-Submitted:']],
    ['an absence', 'automatic mail', [FROM, 'X-Autoreply: yes']],
    ['who wants no automatic answer', 'automatic mail', [FROM, 'X-Auto-Response-Suppress: All']],
    ['a letter that a loop guard marked', 'automatic mail', [FROM, 'X-Loop: keys@example.org']],
    ['a mailing list', 'list or bulk mail', [FROM, 'List-Id: <l.example.org>']],
    ['a newsletter', 'list or bulk mail', [FROM, 'List-Unsubscribe: <https://x.example>']],
    ['an old mailing list', 'list or bulk mail', [FROM, 'Precedence: list']],
    ['bulk mail', 'list or bulk mail', [FROM, 'precedence: BULK']],
    ['junk', 'list or bulk mail', [FROM, 'Precedence: junk']],
    ['a report', 'a report', [FROM, 'Content-Type: multipart/report; boundary=b']],
    [
      'a letter of our own that came back',
      'a letter of our own',
      [FROM, 'Message-ID: <sealpost-00@example.org>'],
    ],
    ['nobody', 'no single author', ['Subject: no From']],
    ['an empty From', 'no single author', ['From:']],
    ['two in one From', 'no single author', [`From: ${ALICE}, bob@example.org`]],
    ['two From fields', 'no single author', [FROM, FROM]],
    ['a From that is no address', 'no single author', ['From: Alice <alice@example.org']],
    ['a group of nobody', 'no single author', ['From: undisclosed-recipients:;']],
    ['a mailer daemon', 'sent by a mail system', ['From: MAILER-DAEMON@example.org']],
    ['a person behind a list owner', 'sent by a mail system', [FROM], 'owner-list@example.org'],
    ['the request address of a list', 'sent by a mail system', ['From: list-request@example.org'], ALICE],
    ['nobody who reads', 'sent by a mail system', ['From: no-reply@example.org']],
  ])('%s: %s', (_name, expected, fields, sender) => {
    expect(asks(fields, sender)).toBe(expected);
  });
});

describe('the Autocrypt field', () => {
  const data = Buffer.from('a certificate').toString('base64');
  const key = (...values: readonly string[]): string | null =>
    autocryptKey(
      splitMessage(Buffer.from(`${values.map((value) => `Autocrypt: ${value}\r\n`).join('')}\r\n`)),
      ALICE,
    )?.toString() ?? null;

  it.each<[string, readonly string[], string | null]>([
    ['gives the key of the author', [`addr=${ALICE}; keydata=${data}`], 'a certificate'],
    ['whatever the case of the address', [`addr=Alice@Example.ORG; keydata=${data}`], 'a certificate'],
    [
      'with what may be ignored',
      [`addr=${ALICE}; prefer-encrypt=mutual; _x=1; keydata=${data}`],
      'a certificate',
    ],
    ['folded', [`addr=${ALICE}; keydata=\r\n ${data.slice(0, 8)}\r\n ${data.slice(8)}`], 'a certificate'],
    ['not of another address', [`addr=bob@example.org; keydata=${data}`], null],
    ['not without an address', [`keydata=${data}`], null],
    ['not with an attribute that must be known', [`addr=${ALICE}; critical=1; keydata=${data}`], null],
    ['not twice', [`addr=${ALICE}; keydata=${data}`, `addr=${ALICE}; keydata=${data}`], null],
    ['not with two addresses', [`addr=${ALICE}; addr=${ALICE}; keydata=${data}`], null],
    ['not what is no base64', [`addr=${ALICE}; keydata=%%%`], null],
    ['not nothing', [`addr=${ALICE}; keydata=`], null],
    ['not of a thousand attributes', [`addr=${ALICE}; ${'_x=1; '.repeat(1000)} keydata=${data}`], null],
    ['not a bomb', [`addr=${ALICE}; keydata=${'A'.repeat(400_000)}`], null],
  ])('%s', (_name, values, expected) => {
    expect(key(...values)).toBe(expected);
  });
});

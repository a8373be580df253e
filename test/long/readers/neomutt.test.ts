// Sealed messages in Debian's neomutt: their Subject, their text and the names of their attachments are those that were sent.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSealingEngine } from '../../../src/sealing/engine.ts';
import { sealMime } from '../../../src/sealing/seal-mime.ts';
import type { SealOptions } from '../../../src/sealing/seal-options.ts';
import { OPTIONS } from '../../support/inline-support.ts';
import { makeKey, type TestKey } from '../../support/make-keys.ts';
import { openInNeomutt } from '../../support/neomutt.ts';
import { type Gpg, openGpg } from '../../unit/keys/gpg.ts';

let key: TestKey;
let gpg: Gpg;
beforeAll(async () => {
  key = await makeKey('rsa3072');
  gpg = openGpg();
  gpg.run(['--import'], key.secret.armor());
});
afterAll(() => gpg.close());

const HEADER = [
  'From: Ann <ann@sender.example>',
  'To: alice@example.org',
  'Date: Mon, 5 Feb 2024 10:00:00 +0100',
  'MIME-Version: 1.0',
];
const UTF_8 = 'Content-Type: text/plain; charset=utf-8';
const PDF = 'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename';

interface Case {
  readonly name: string;
  readonly subject?: string;
  readonly fields: readonly string[];
  /** One character for each byte. */
  readonly body: string;
  readonly seal?: Partial<SealOptions>;
  readonly shows: {
    readonly subject?: string;
    readonly text: string;
    readonly attachments?: readonly string[];
  };
}

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

function mixed(...parts: readonly string[]): string {
  return `${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\n`;
}

const text = (content: string): string => `${UTF_8}\r\n\r\n${bytes(content)}`;
const MIXED = 'Content-Type: multipart/mixed; boundary=b';

const CASES: readonly Case[] = [
  { name: 'a text in ASCII', fields: [], body: 'Lunch at noon.\r\n', shows: { text: 'Lunch at noon.' } },
  { name: 'a text in UTF-8', fields: [UTF_8], body: bytes('Grüße, 午.\r\n'), shows: { text: 'Grüße, 午.' } },
  {
    name: 'a text in Latin-1',
    fields: ['Content-Type: text/plain; charset=iso-8859-1'],
    body: 'Gr\xfc\xdfe\r\n',
    shows: { text: 'Grüße' },
  },
  {
    name: 'quoted-printable',
    fields: [UTF_8, 'Content-Transfer-Encoding: quoted-printable'],
    body: 'Gr=C3=BC=C3=9Fe, a long =\r\nline\r\n',
    shows: { text: 'Grüße, a long line' },
  },
  {
    name: 'a hidden Subject',
    subject: 'the secret plan',
    fields: [UTF_8],
    body: 'only for you\r\n',
    seal: { subject: 'hide' },
    shows: { subject: 'the secret plan', text: 'only for you' },
  },
  {
    name: 'a hidden Subject in encoded words',
    subject: '=?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
    fields: [UTF_8],
    body: 'only for you\r\n',
    seal: { subject: 'hide' },
    shows: { subject: 'Grüße', text: 'only for you' },
  },
  {
    name: 'hidden key IDs',
    fields: [UTF_8],
    body: 'whoever it is for\r\n',
    seal: { hideKeyIds: true },
    shows: { text: 'whoever it is for' },
  },
  {
    name: 'an attachment',
    fields: [MIXED],
    body: mixed(text('with a plan'), `${PDF}=plan.pdf\r\n\r\n%PDF`),
    shows: { text: 'with a plan', attachments: ['plan.pdf'] },
  },
  {
    name: 'an attachment with a name in RFC 2231',
    fields: [MIXED],
    body: mixed(text('with a plan'), `${PDF}*=utf-8''%C3%BCbung.pdf\r\n\r\n%PDF`),
    shows: { text: 'with a plan', attachments: ['übung.pdf'] },
  },
  {
    name: 'two attachments, one in base64',
    fields: [MIXED],
    body: mixed(
      text('two'),
      `${PDF}="a b.pdf"\r\n\r\n%PDF`,
      `${PDF}=c.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==`,
    ),
    shows: { text: 'two', attachments: ['a b.pdf', 'c.pdf'] },
  },
  {
    name: 'alternatives',
    fields: ['Content-Type: multipart/alternative; boundary=b'],
    body: mixed(text('in words'), 'Content-Type: text/html\r\n\r\n<p>in words</p>'),
    shows: { text: 'in words' },
  },
  {
    name: 'a message in a message',
    fields: [MIXED],
    body: mixed(
      text('see below'),
      'Content-Type: message/rfc822\r\n\r\nSubject: the inner one\r\n\r\ninner text',
    ),
    shows: { subject: 'the inner one', text: 'inner text' },
  },
];

describe('neomutt shows a sealed message', () => {
  it.each(CASES)('$name', async ({ subject = 'a letter', fields, body, seal, shows }) => {
    const message = Buffer.from(
      [...HEADER, `Subject: ${subject}`, ...fields, '', body].join('\r\n'),
      'latin1',
    );
    const options = { ...OPTIONS, keys: [key.recipient], ...seal };
    const sealed = Buffer.concat(await sealMime(message, options, createSealingEngine()));
    expect(sealed.includes(body.slice(0, 12))).toBe(false);
    const shown = await openInNeomutt(gpg.home, sealed);
    expect(shown.text).toContain(shows.text);
    expect(shown.subject).toBe(shows.subject ?? subject);
    expect(shown.attachments).toEqual(shows.attachments ?? []);
  });
});

// One set of messages for every mail program: what is sent, in which form it is sealed, and what its reader should see.
import { createSealingEngine } from '../../src/sealing/engine.ts';
import { sealInline } from '../../src/sealing/seal-inline.ts';
import { sealMime } from '../../src/sealing/seal-mime.ts';
import type { SealOptions } from '../../src/sealing/seal-options.ts';
import { sealSmime } from '../../src/sealing/seal-smime.ts';
import { OPTIONS } from './inline-support.ts';
import type { ReaderKeys } from './reader-keys.ts';

/** The style, or, with S/MIME, `smime_cipher`. */
export type Form = 'PGP/MIME' | 'inline' | 'cbc-pkcs1' | 'cbc' | 'gcm';

/** What somebody sees who opens a message. */
export interface Seen {
  readonly subject: string;
  readonly text: string;
  readonly attachments: readonly string[];
}

/** What one of them is to see. */
export interface Sight {
  readonly subject: string;
  /** Each stands in what is shown. */
  readonly texts: readonly string[];
  readonly attachments: readonly string[];
}

interface Letter {
  readonly name: string;
  /** As in the header. */
  readonly subject?: string;
  readonly fields: readonly string[];
  /** One character for each byte. */
  readonly body: string;
  readonly shows: Partial<Sight>;
  /** What is different in the inline style: parts that mail programs would not show become files. */
  readonly inline?: Partial<Sight>;
}

/** One message of the set. */
export interface SealedLetter {
  /** `FORM: LETTER`. */
  readonly name: string;
  /** Without its brackets. */
  readonly messageId: string;
  readonly form: Form;
  readonly letter: Letter;
  readonly seal: Partial<SealOptions>;
  /** What was sent. */
  readonly sight: Sight;
}

const SUBJECT = 'a letter';
const HEADER = [
  'From: Ann <ann@sender.example>',
  'To: alice@example.org',
  'Date: Mon, 5 Feb 2024 10:00:00 +0100',
  'MIME-Version: 1.0',
];
const UTF_8 = 'Content-Type: text/plain; charset=utf-8';
const MIXED = 'Content-Type: multipart/mixed; boundary=b';
const ALTERNATIVE = 'Content-Type: multipart/alternative; boundary=b';
const PDF = 'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename';
const CALENDAR = ['VERSION:2.0', 'PRODID:-//example//EN', 'METHOD:PUBLISH', 'BEGIN:VEVENT', 'UID:1@example'];
const EVENT = ['DTSTAMP:20240205T090000Z', 'DTSTART:20240206T120000Z', 'DTEND:20240206T130000Z'];

const bytes = (content: string): string => Buffer.from(content, 'utf8').toString('latin1');
const text = (content: string): string => `${UTF_8}\r\n\r\n${bytes(content)}`;
const mixed = (...parts: readonly string[]): string =>
  `${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\n`;

const LETTERS: readonly Letter[] = [
  { name: 'a text in ASCII', fields: [], body: 'Lunch at noon.\r\n', shows: { texts: ['Lunch at noon.'] } },
  {
    name: 'a text in UTF-8',
    fields: [UTF_8],
    body: bytes('Grüße, 午.\r\n'),
    shows: { texts: ['Grüße, 午.'] },
  },
  {
    name: 'a text in Latin-1',
    fields: ['Content-Type: text/plain; charset=iso-8859-1'],
    body: 'Gr\xfc\xdfe aus K\xf6ln\r\n',
    shows: { texts: ['Grüße aus Köln'] },
  },
  {
    name: 'quoted-printable',
    fields: [UTF_8, 'Content-Transfer-Encoding: quoted-printable'],
    body: 'Gr=C3=BC=C3=9Fe, a long =\r\nline\r\n',
    shows: { texts: ['Grüße, a long line'] },
  },
  {
    name: 'an attachment',
    fields: [MIXED],
    body: mixed(text('with a plan'), `${PDF}=plan.pdf\r\n\r\n%PDF`),
    shows: { texts: ['with a plan'], attachments: ['plan.pdf'] },
  },
  {
    name: 'an attachment with a name in RFC 2231',
    fields: [MIXED],
    body: mixed(text('with a plan'), `${PDF}*=utf-8''%C3%BCbung.pdf\r\n\r\n%PDF`),
    shows: { texts: ['with a plan'], attachments: ['übung.pdf'] },
  },
  {
    name: 'two attachments, one in base64',
    fields: [MIXED],
    body: mixed(
      text('these two'),
      `${PDF}="a b.pdf"\r\n\r\n%PDF`,
      `${PDF}=c.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==`,
    ),
    shows: { texts: ['these two'], attachments: ['a b.pdf', 'c.pdf'] },
  },
  {
    name: 'alternatives',
    fields: [ALTERNATIVE],
    body: mixed(text('in words'), 'Content-Type: text/html\r\n\r\n<p>in words</p>'),
    shows: { texts: ['in words'] },
  },
  {
    name: 'HTML alone',
    fields: ['Content-Type: text/html; charset=utf-8'],
    body: bytes('<p>Grüße in <b>HTML</b></p>\r\n'),
    shows: { texts: ['Grüße in HTML'] },
    inline: {
      texts: ['This message is in the encrypted file beside this note.'],
      attachments: ['message.htm'],
    },
  },
  {
    name: 'a calendar among the alternatives',
    fields: [ALTERNATIVE],
    body: mixed(
      text('come to lunch'),
      [
        'Content-Type: text/calendar; charset=utf-8; method=PUBLISH; name="invite.ics"',
        '',
        'BEGIN:VCALENDAR',
        ...[...CALENDAR, ...EVENT, 'SUMMARY:Lunch', 'END:VEVENT', 'END:VCALENDAR'],
      ].join('\r\n'),
    ),
    shows: { texts: ['come to lunch'] },
    inline: { attachments: ['invite.ics'] },
  },
  {
    name: 'a message in a message',
    fields: [MIXED],
    body: mixed(
      text('see below'),
      `Content-Type: message/rfc822\r\n\r\nFrom: bob@sender.example\r\nSubject: the inner one\r\n\r\ninner text`,
    ),
    shows: { texts: ['see below', 'the inner one', 'inner text'] },
  },
];

const PLAIN: Letter = {
  name: '',
  fields: [UTF_8],
  body: 'only for you\r\n',
  shows: { texts: ['only for you'] },
};
const HIDDEN: readonly Letter[] = [
  {
    ...PLAIN,
    name: 'a hidden Subject',
    subject: 'the secret plan',
    shows: { ...PLAIN.shows, subject: 'the secret plan' },
  },
  {
    ...PLAIN,
    name: 'a hidden Subject in encoded words',
    subject: '=?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
    shows: { ...PLAIN.shows, subject: 'Grüße' },
  },
];
/** Enough for a cipher that opens or does not. */
const FEW: ReadonlySet<string> = new Set(['a text in UTF-8', 'an attachment with a name in RFC 2231']);

/** The messages that are sealed with an OpenPGP key. */
export const OPENPGP_LETTERS: readonly SealedLetter[] = [
  ...LETTERS.map((letter) => of('PGP/MIME', letter)),
  ...HIDDEN.map((letter) => of('PGP/MIME', letter, { subject: 'hide' })),
  of('PGP/MIME', { ...PLAIN, name: 'hidden key IDs' }, { hideKeyIds: true }),
  ...LETTERS.map((letter) => of('inline', letter)),
];

/** The messages that are sealed with a certificate. */
export const SMIME_LETTERS: readonly SealedLetter[] = [
  ...LETTERS.map((letter) => of('cbc-pkcs1', letter)),
  ...HIDDEN.map((letter) => of('cbc-pkcs1', letter, { subject: 'hide' })),
  of('cbc-pkcs1', { ...PLAIN, name: 'hidden key IDs' }, { hideKeyIds: true }),
  ...(['cbc', 'gcm'] as const).flatMap((form) =>
    LETTERS.filter(({ name }) => FEW.has(name)).map((letter) => of(form, letter)),
  ),
];

function of(form: Form, letter: Letter, seal: Partial<SealOptions> = {}): SealedLetter {
  const shows = { ...letter.shows, ...(form === 'inline' ? letter.inline : {}) };
  const { subject = SUBJECT, texts = [], attachments = [] } = shows;
  const sight = {
    subject,
    texts,
    attachments: form === 'inline' ? attachments.map((name) => `${name}.pgp`) : attachments,
  };
  const name = `${form}: ${letter.name}`;
  const messageId = `${name.replace(/\W+/g, '-')}@sender.example`;
  return { name, messageId, form, letter, seal, sight };
}

/** Seals one message of the set to its reader. */
export async function sealLetter(
  { messageId, form, letter, seal }: SealedLetter,
  keys: ReaderKeys,
): Promise<Buffer> {
  const { subject = SUBJECT, fields, body } = letter;
  const header = [...HEADER, `Message-ID: <${messageId}>`, `Subject: ${subject}`, ...fields];
  const message = Buffer.from([...header, '', body].join('\r\n'), 'latin1');
  const engine = createSealingEngine();
  const options = {
    ...OPTIONS,
    ...seal,
    keys: [form === 'PGP/MIME' || form === 'inline' ? keys.openpgp : keys.certificate],
  };
  switch (form) {
    case 'PGP/MIME':
      return Buffer.concat(await sealMime(message, options, engine));
    case 'inline':
      return (await sealInline(message, options, engine)) ?? Buffer.alloc(0);
    case 'cbc-pkcs1':
    case 'cbc':
    case 'gcm':
      return Buffer.concat(await sealSmime(message, { ...options, cipher: form }, engine));
  }
}

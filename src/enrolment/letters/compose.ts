// A letter as a complete message, before it is sealed: its header says that a program wrote it (RFC 3834), and that nobody is to be
// answered.
import MailComposer from 'nodemailer/lib/mail-composer';
import { CATALOGUES, type LetterFrame, wordsOf } from './catalogue.ts';
import type { Language } from './language.ts';
import type { LetterDetails, LetterKind } from './texts.ts';

export interface LetterInput {
  readonly kind: LetterKind;
  readonly language: Language;
  readonly frame: LetterFrame;
  readonly details: LetterDetails;
  /** Addresses; `from` is local part and domain of ours. */
  readonly from: string;
  readonly to: string;
  readonly date: Date;
  /** The left side of Message-ID: no other mail's. */
  readonly id: string;
}

/** The Message-ID of a letter of ours begins so; random digits follow. */
export const OUR_MESSAGE_ID = 'sealpost-';

/** What would end a header field, or begin another one. */
export const BREAKS_FIELD = /[\p{Cc}\u2028\u2029]/u;

/**
 * Composes a letter with CRLF line ends.
 * @throws Error where an address could not stand in a header field; no address of ours is such a one
 */
export async function composeLetter(input: LetterInput): Promise<Buffer> {
  const { kind, language, frame, details, from, to, date, id } = input;
  for (const address of [from, to]) {
    if (BREAKS_FIELD.test(address)) throw new Error('an address with a control character gets no letter');
  }
  const catalogue = CATALOGUES[language];
  const { subject, paragraphs } = catalogue.letters[kind](wordsOf(catalogue, frame, details));
  const composer = new MailComposer({
    from: { name: catalogue.senderName, address: from },
    to: { name: '', address: to },
    subject,
    date,
    messageId: `<${id}@${from.slice(from.lastIndexOf('@') + 1)}>`,
    text: `${paragraphs.join('\n\n')}\n`,
    textEncoding: 'quoted-printable',
    newline: '\r\n',
    headers: { 'Auto-Submitted': 'auto-generated', 'Content-Language': language },
    // Nothing here is read from a file or fetched, whatever a text holds.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile().build();
}

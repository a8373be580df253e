// Header fields that repeat what is sealed: spam filters quote the body in theirs, gateways and lists repeat the Subject. And the
// fields that stand outside whatever they say. Pure.
import { isAscii } from 'node:buffer';
import { foldText } from '../address/fold.ts';
import { isQuotingName, isSubjectCopy } from '../config/header-outside.ts';
import { fieldValue, type HeaderField, MOST_HEADER_BYTES } from '../message/header.ts';
import { headerTexts, MOST_WORDS, type WordRoom } from '../message/header-text.ts';

/**
 * What trace and routing need (RFC 5321, 5322, 8601, 8617, 6376, 7208, 8689, 3834), and verdicts of spam filters without free
 * text. None of them is moved for repeating the Subject: the sender chooses that, and `with ESMTP` would take every Received
 * away.
 */
const TRACE_AND_ROUTING: ReadonlySet<string> = new Set([
  ...['received', 'return-path', 'delivered-to', 'x-original-to', 'envelope-to', 'x-envelope-to'],
  ...['authentication-results', 'received-spf', 'arc-seal', 'arc-message-signature'],
  ...['arc-authentication-results', 'dkim-signature'],
  ...['from', 'sender', 'reply-to', 'to', 'cc', 'bcc', 'date', 'message-id', 'in-reply-to', 'references'],
  ...[
    'resent-from',
    'resent-sender',
    'resent-to',
    'resent-cc',
    'resent-bcc',
    'resent-date',
    'resent-message-id',
  ],
  ...['tls-required', 'require-tls-esmtp', 'auto-submitted', 'precedence', 'list-id', 'x-loop'],
  ...['x-spam-flag', 'x-spam-status', 'x-spam-level', 'x-spam-score'],
]);

export function isTraceOrRouting({ name }: HeaderField): boolean {
  return TRACE_AND_ROUTING.has(name);
}

/** Hosts, addresses or URLs of the text, in a result of rspamd. */
const QUOTED_BY_RSPAMD = /:\/\/|\bwww\.|:(?:url|email)\b/i;
/** Bytes of a result that are read; rspamd writes some thousand. A larger one is taken for quoting the body. */
const LARGE_RESULT = 16 * 1024;
/** A symbol of it, and whether it has options. No character is read twice: a symbol may be as long as the field. */
const RSPAMD_SYMBOL = /[A-Z0-9_]+(\([^()]{0,20}\)\[[^\]])?/gi;
/** Symbols whose options are hosts, addresses or URLs. */
const QUOTING_SYMBOL = /URL|URI|SURBL|DBL|PHISH|EMAIL/i;

/** Whether a field is known to quote the body. */
export function quotesBody(field: HeaderField): boolean {
  const { name } = field;
  if (name === 'x-spamd-result') {
    return field.raw.length > LARGE_RESULT || quotedByRspamd(fieldValue(field));
  }
  return isQuotingName(name);
}

function quotedByRspamd(result: string): boolean {
  if (QUOTED_BY_RSPAMD.test(result)) return true;
  for (const [symbol, options] of result.matchAll(RSPAMD_SYMBOL))
    if (options !== undefined && QUOTING_SYMBOL.test(symbol)) return true;
  return false;
}

/** The tag `z=` in a tag list (RFC 6376, section 3.2). */
const COPIED_FIELDS = /(?:^|;)[ \t]*z[ \t]*=/;

/** A Subject with fewer characters says nothing, and stands in too many fields by chance. */
const SHORTEST = 6;
/** Characters of a Subject that are searched for: a field that has all of it has its beginning. */
const SEARCHED = 128;
/** Of more Subjects than this no more than the fields of trace and routing stay outside. */
const MOST_SUBJECTS = 8;
/** Bytes of a Subject that are read. A larger one that holds encoded words is as if there were too many. */
const LARGE_SUBJECT = 16 * 1024;
/** Bytes of fields that are searched. Those beyond are taken for repeating it. */
export const MOST_SEARCHED = 10 * MOST_HEADER_BYTES;
/** What a byte of a field costs that is not plain ASCII: to fold other letters takes so much longer. */
export const FOLDED_COST = 20;
/** What replies, lists and spam filters put in front of a Subject. */
const PREFIX = /^(?:[a-z]{2,4}(?:\[\d{1,3}\])?:|\[[^\]]{0,60}\]|\*+[^*]{0,60}\*+)/i;

/**
 * A test of the fields of one message for a copy of its Subject, which is to be hidden. To be asked once for each field, in
 * their order. Takes time that is linear in the header's length, and reads no more than {@link MOST_SEARCHED} bytes and
 * {@link MOST_WORDS} encoded words of it; less where it is not plain ASCII.
 * @param fields all of the message
 */
export function subjectRepeats(fields: readonly HeaderField[]): (field: HeaderField) => boolean {
  const subjects = fields.filter(({ name }) => name === 'subject');
  const room = { bytes: MOST_SEARCHED, words: MOST_WORDS };
  const found =
    subjects.length > MOST_SUBJECTS ? [null] : subjects.map((subject) => needlesOf(subject, room));
  const unread = found.includes(null);
  const wanted = unread ? [] : [...new Set(found.flatMap((needles) => needles ?? []))];
  return (field) => {
    const { name } = field;
    if (name === 'dkim-signature' || name === 'arc-message-signature')
      return COPIED_FIELDS.test(fieldValue(field));
    if (isTraceOrRouting(field) || name === 'subject') return false;
    if (isSubjectCopy(name) || unread) return true;
    if (wanted.length === 0) return false;
    room.bytes -= field.raw.length * (isAscii(field.raw) ? 1 : FOLDED_COST);
    if (field.raw.length > MOST_HEADER_BYTES || room.bytes < 0) return true;
    // Of what is not decoded nobody can tell.
    if (room.words <= 0 && field.raw.includes('=?')) return true;
    const texts = headerTexts(field, room);
    if (room.words <= 0 && field.raw.includes('=?')) return true;
    return texts.some((text) => {
      const comparable = compared(text);
      return wanted.some((needle) => comparable.includes(needle));
    });
  };
}

/**
 * What is searched for: the Subject without what was put in front of it, in every spelling.
 * @returns null where that cannot be told, since not all of the Subject is read
 */
function needlesOf({ name, raw }: HeaderField, room: WordRoom): readonly string[] | null {
  const large = raw.length > LARGE_SUBJECT;
  if (large && raw.includes('=?')) return null;
  const needles = headerTexts({ name, raw: raw.subarray(0, LARGE_SUBJECT) }, room).flatMap((text) => {
    const whole = text.trim();
    const bare = withoutPrefixes(whole);
    const wanted = [...bare].length >= SHORTEST ? bare : whole;
    if ([...wanted].length < SHORTEST) return [];
    // Half a surrogate pair is no character.
    return [compared(wanted.slice(0, SEARCHED).replace(/[\ud800-\udbff]$/, ''))];
  });
  return large && needles.length === 0 ? null : needles;
}

function withoutPrefixes(subject: string): string {
  let rest = subject;
  for (let rounds = 0; rounds < 8; rounds += 1) rest = rest.replace(PREFIX, '').trimStart();
  return rest;
}

/** White space left out: gateways fold where they like. */
function compared(text: string): string {
  return foldText(text).replace(/\s+/g, '');
}

// Header fields by name: those that are known to quote the body, and those that `header_outside` may leave outside. Pure.
import type { Parsed } from './units.ts';
import { listOf } from './values.ts';

/**
 * Fields that quote the body, by what their makers document: SpamAssassin's report and content preview, the Bayes tokens of
 * SpamAssassin and DSPAM, SpamBayes' evidence, amavis' names of attachments.
 */
const QUOTING_NAMES: ReadonlySet<string> = new Set([
  ...['x-amavis-alert', 'x-dspam-factors', 'x-spam-hammy', 'x-spam-spammy', 'x-spam-tokens'],
  ...['x-spam-bayes-tokens', 'x-spam-urls', 'x-spam-uris', 'x-spam-details', 'x-sa-report'],
]);
const QUOTING_NAME =
  /-(?:preview|snippet|excerpt|evidence)$|^x-(?:[^-]+-)?(?:spam|ham)-(?:[^-]+-)?(?:report|preview)$/;

/** Whether every field of this name is taken to quote the body. @param name in lower case */
export function isQuotingName(name: string): boolean {
  return QUOTING_NAMES.has(name) || QUOTING_NAME.test(name);
}

/** Copies of the Subject by name: Outlook's Thread-Topic, `X-Spam-Prev-Subject`, `X-ASG-Orig-Subj`, and their kind. */
const SUBJECT_COPY = /-subj(?:ect)?$|^(?:x-)?thread-topic$/;

/** Whether a field of this name is a copy of the Subject. @param name in lower case */
export function isSubjectCopy(name: string): boolean {
  return SUBJECT_COPY.test(name);
}

/** RFC 5322, section 3.6.8, in the length that a line of 78 characters leaves. */
const FIELD_NAME = /^[!-9;-~]{1,76}$/;
/** What `shy` and `baseline` are there to hide. */
const HIDDEN: ReadonlySet<string> = new Set(['subject', 'comments', 'keywords']);
/** What is written anew for every sealed message, or means something inside only. */
const STRUCTURAL = /^(?:content-|sealpost-|mime-version$|hp-outer$)/;

/** More names than this are no list of exceptions. */
const MOST_NAMES = 100;

/** Reads the name of a field that is to stay outside under `shy`; names that could show what is sealed are refused, each with its reason. */
function parseOutside(text: string): Parsed<string> {
  const name = text.toLowerCase();
  const refused = (reason: string): Parsed<string> => ({
    ok: false,
    expected: `the name of a field that may stand outside: ${reason}`,
  });
  if (!FIELD_NAME.test(name)) return refused('this is no name of a header field, such as X-Ticket');
  if (isQuotingName(name)) return refused('this field quotes the body, which is sealed');
  if (HIDDEN.has(name) || isSubjectCopy(name))
    return refused('this field is what header_policy = "shy" hides');
  if (STRUCTURAL.test(name)) return refused('this field belongs to what is sealed, or is written anew');
  return { ok: true, value: name };
}

/** The list of such names, in lower case. */
export function headerOutside() {
  return listOf('the name of a header field such as X-Ticket', parseOutside).refine(
    (names) => names.length <= MOST_NAMES,
    { error: `expected at most ${MOST_NAMES} names` },
  );
}

// From the replies for every recipient to the one exit code and the one line that pipe(8) takes (sysexits; pipe(8),
// "DIAGNOSTICS": a leading X.Y.Z decides even over the exit code). Pure.
import { classOf } from '../../src/smtp/replies.ts';
import type { RawPath, Reply } from '../../src/smtp/types.ts';
import { allRefused, nobodyToTell, type Reason, temporaryFor } from './reasons.ts';

/** The exit codes of sysexits.h that pipe(8) understands. */
export const SYSEXITS = { ok: 0, dataError: 65, noUser: 67, unavailable: 69, temporary: 75 } as const;

/** How the process ends. `line` is '' or one printable line without its newline. */
export interface PipeEnd {
  readonly exit: number;
  readonly line: string;
}

/** The end, or the indices of the refused recipients that the sender must be told of before it may be a success. */
export type PipeOutcome =
  | { readonly kind: 'end'; readonly end: PipeEnd }
  | { readonly kind: 'bounce'; readonly refused: readonly number[] };

/** Something that may work later: exit 75. */
export class TryAgain extends Error {
  override readonly name = 'TryAgain';
  /** Of class 4; 4.3.0 stands in for anything else. */
  readonly enhanced: string;
  /** The sentence is another program's, and may tell of addresses. */
  readonly quoted: boolean;
  constructor({ enhanced, sentence }: Reason, quoted = false) {
    super(sentence);
    this.enhanced = enhanced;
    this.quoted = quoted;
  }
}

/** Longest line we print; Postfix keeps a few hundred bytes of it. */
const MAX_LINE = 400;

/** The end of a call that failed for now. */
export function tryAgain({ enhanced, sentence }: Reason): PipeEnd {
  const code = /^4\.\d{1,3}\.\d{1,3}$/.test(enhanced) ? enhanced : '4.3.0';
  return { exit: SYSEXITS.temporary, line: pipeLine({ enhanced: code, sentence }) };
}

/** The line that pipe(8) takes. */
export function pipeLine({ enhanced, sentence }: Reason): string {
  return printableLine(`${enhanced} ${sentence}`);
}

/**
 * Chooses the end for one reply per recipient, in order. Any temporary failure decides; one that is missing counts as
 * temporary.
 */
export function pipeOutcome(
  sender: RawPath,
  recipients: readonly RawPath[],
  replies: readonly Reply[],
): PipeOutcome {
  const classes = recipients.map((_, index) => {
    const reply = replies[index];
    return reply === undefined ? 'temporary' : classOf(reply);
  });
  const firstTemporary = classes.indexOf('temporary');
  if (firstTemporary !== -1) {
    const reply = replies[firstTemporary];
    const text = reply === undefined ? '' : withoutOthersAddresses(reply.text, recipients);
    return {
      kind: 'end',
      end: tryAgain(temporaryFor(reply?.enhanced ?? '', text)),
    };
  }
  const refused = classes.flatMap((kind, index) => (kind === 'permanent' ? [index] : []));
  if (refused.length === 0) return { kind: 'end', end: { exit: SYSEXITS.ok, line: '' } };
  if (refused.length === recipients.length) return { kind: 'end', end: refusedByAll(recipients, replies) };
  if (sender !== '') return { kind: 'bounce', refused };
  const line = pipeLine(nobodyToTell(refused.length, recipients.length));
  return { kind: 'end', end: { exit: SYSEXITS.ok, line } };
}

function refusedByAll(recipients: readonly RawPath[], replies: readonly Reply[]): PipeEnd {
  const codes = replies.map((reply) =>
    /^5\.\d{1,3}\.\d{1,3}$/.test(reply.enhanced) ? reply.enhanced : '5.0.0',
  );
  const texts = replies.map((reply) => withoutOthersAddresses(reply.text, recipients));
  const sameText = texts.every((text) => text === texts[0]) ? (texts[0] ?? '') : '';
  return {
    exit: refusalExit(codes),
    line: pipeLine(allRefused(commonCode(codes), sameText, recipients.length)),
  };
}

/** 67 when every address is wrong, 65 when the message is, 69 otherwise. 5.1.7 to 5.1.9 are about the sender. */
function refusalExit(codes: readonly string[]): number {
  if (codes.every((code) => /^5\.1\.(?:[0-6]|10)$/.test(code))) return SYSEXITS.noUser;
  if (codes.every((code) => code.startsWith('5.6.'))) return SYSEXITS.dataError;
  return SYSEXITS.unavailable;
}

/** The code that is true of every recipient: the same one, else its subject, else 5.0.0 (RFC 3463, section 2). */
function commonCode(codes: readonly string[]): string {
  const [first = '5.0.0'] = codes;
  if (codes.every((code) => code === first)) return first;
  const subject = first.split('.')[1] ?? '0';
  return codes.every((code) => code.split('.')[1] === subject) ? `5.${subject}.0` : '5.0.0';
}

/**
 * The text that may be shown to the sender for every recipient of the call: addresses are taken out, but for the only
 * recipient's own; with several recipients their bare local parts too.
 */
export function withoutOthersAddresses(text: string, recipients: readonly RawPath[]): string {
  const distinct = [...new Set(recipients.map((path) => readable(path).toLowerCase()))];
  const own = distinct.length === 1 ? distinct[0] : undefined;
  let clean = text.replace(/(?:"(?:[^"\\]|\\.)*"|[^\s<>()[\],;:"]+)@[^\s<>()[\],;:"]+/g, (address) =>
    address.replace(/[.']+$/, '').toLowerCase() === own ? address : '(address)',
  );
  if (own === undefined) {
    const locals = distinct.flatMap((path) => {
      const local = path.replace(/@[^@]*$/, '').replace(/^"(.*)"$/s, '$1');
      return [local, ...local.split('+', 1)].filter((word) => word !== '').map(escapeForRegExp);
    });
    clean = clean.replace(new RegExp(`(?<![\\w(])(?:${locals.join('|')})(?![\\w)])`, 'gi'), '(address)');
  }
  return clean.replace(/\s+/g, ' ').trim();
}

function readable(path: RawPath): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}

/** One line of printable ASCII; what else there is becomes `?`. */
function printableLine(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[^\x20-\x7e]/g, '?')
    .trim()
    .slice(0, MAX_LINE);
}

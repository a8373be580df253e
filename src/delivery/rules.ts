// Rules before sealing: which exception an administrator made for this very mail. The user's rules come before the domain's,
// and the first one that matches decides. Pure.
import { parsePath, toAddress } from '../address/normalise.ts';
import { matchesPattern, patternOf, type Subject, subjectOf } from '../address/pattern.ts';
import type { Rule } from '../directory/types.ts';
import { fieldsNamed, type MessageParts, splitMessage } from '../message/header.ts';
import { headerTexts } from '../message/header-text.ts';
import type { RawPath } from '../smtp/types.ts';

/** Fields of one name that are looked at: each costs more than its bytes. */
const MOST_FIELDS = 1000;
/** Bytes of them that are looked at: to decode and fold them costs a thousand times what a pattern says, and is done at once. */
const MOST_BYTES = 32 * 1024;

/** What rules look at. */
export interface RuledMessage {
  /** The normalised envelope sender; '' for the null sender; null where it is not known, or is no address. */
  readonly sender: string | null;
  /** Bytes, as the message came in. */
  readonly size: number;
  /** The values of the fields of that name (in lower case), in every spelling under which a pattern may know them. */
  readonly values: (name: string) => readonly (string | Subject)[];
  /** Whether a field of that name (in lower case) has a value that the pattern matches; found out once for all recipients. */
  readonly matches: (name: string, pattern: string) => boolean;
}

/** A rule with the level that it was found on. */
export interface FoundRule {
  readonly rule: Rule;
  readonly level: 'user' | 'domain';
}

/**
 * Prepares a message for its rules. The header is read when the first rule asks for it, once for all recipients. What exceeds
 * {@link MOST_BYTES} in the fields of one name matches nothing.
 * @param message all of it, or at least its header
 * @param sender the raw path of MAIL FROM without angle brackets; '' for the null sender; null where it is not known
 * @param size of the message in bytes
 * @param split takes the message apart, where somebody else needs its parts as well
 */
export function ruledMessage(
  message: Buffer,
  sender: RawPath | null,
  size: number = message.length,
  split: () => MessageParts = () => splitMessage(message),
): RuledMessage {
  let parts: MessageParts | undefined;
  const known = new Map<string, readonly Subject[]>();
  const matched = new Map<string, boolean>();
  const ruled: RuledMessage = {
    sender: sender === null || sender === '' ? sender : normalised(sender),
    size,
    values: (name) => {
      let values = known.get(name);
      if (values === undefined) {
        parts ??= split();
        let left = MOST_BYTES;
        values = fieldsNamed(parts, name)
          .slice(0, MOST_FIELDS)
          .flatMap((field) => {
            if (left <= 0) return [];
            const raw = field.raw.subarray(0, left);
            left -= raw.length;
            return headerTexts({ name, raw }).map(subjectOf);
          });
        known.set(name, values);
      }
      return values;
    },
    matches(name, pattern) {
      const question = `${name}:${pattern}`;
      let answer = matched.get(question);
      if (answer === undefined) {
        const made = patternOf(pattern);
        answer = ruled.values(name).some((value) => matchesPattern(made, value));
        matched.set(question, answer);
      }
      return answer;
    },
  };
  return ruled;
}

function normalised(sender: RawPath): string | null {
  const parts = parsePath(sender);
  return parts === null ? null : toAddress(parts);
}

/** Every rule that counts for one reader, in the order in which they are tried. */
export function rulesInOrder(
  user: { readonly rules: readonly Rule[] } | null,
  domain: { readonly rules: readonly Rule[] } | null,
): readonly FoundRule[] {
  return [
    ...(user?.rules ?? []).map((rule) => ({ rule, level: 'user' as const })),
    ...(domain?.rules ?? []).map((rule) => ({ rule, level: 'domain' as const })),
  ];
}

/** The rule that decides on a message; null where none matches. */
export function firstMatch(rules: readonly FoundRule[], message: RuledMessage): FoundRule | null {
  return rules.find(({ rule }) => ruleMatches(rule, message)) ?? null;
}

/** Whether a message meets every condition of a rule. */
export function ruleMatches(rule: Rule, message: RuledMessage): boolean {
  const { sender, header, largerThan } = rule;
  // The cheap ones first: the header is only read for mail that the others have not ruled out.
  if (largerThan !== null && message.size <= largerThan) return false;
  if (sender !== null && !senderMatches(sender, message.sender)) return false;
  return header === null || message.matches(header.name, header.pattern);
}

/** The null sender is matched by `<>` alone: `*` means "whoever sent it", and nobody sent that. */
function senderMatches(pattern: string, sender: string | null): boolean {
  if (sender === null) return false;
  if (sender === '' || pattern === '<>') return sender === '' && pattern === '<>';
  return matchesPattern(pattern, sender);
}

/** Such as `rule 12 of the domain`: no address, so that it may stand in a log. */
export function ruleInWords({ rule, level }: FoundRule): string {
  return `rule ${rule.id} of the ${level}`;
}

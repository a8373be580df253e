// What `explain` says of rules: every one that could decide on mail for an address, and which one does on the message at hand.
import type { Decision } from '../delivery/decision.ts';
import { type RuledMessage, ruleMatches } from '../delivery/rules.ts';
import { conditionsInWords } from '../directory/rule-rows.ts';
import type { Rule } from '../directory/types.ts';

export interface RuleView extends Rule {
  readonly level: 'user' | 'domain';
  /** The address of the user, or `@domain`. */
  readonly owner: string;
  /** null without a message. */
  readonly matches: boolean | null;
  /** It is the first one that matches. */
  readonly decides: boolean;
}

/** The rules of every reader behind an address, in the order in which they are tried. */
export function explainRules(
  { facts, readers }: Pick<Decision, 'facts' | 'readers'>,
  message: RuledMessage | null,
): readonly RuleView[] {
  return readers.flatMap(({ reader, rules, rule: deciding }) => {
    const domain = reader?.kind === 'user' ? reader.user.domain : facts.domain;
    return rules.map((found) => ({
      ...found.rule,
      level: found.level,
      owner:
        found.level === 'user' && reader?.kind === 'user' ? reader.user.address : `@${domain?.name ?? ''}`,
      matches: message === null ? null : ruleMatches(found.rule, message),
      decides: found === deciding,
    }));
  });
}

export function ruleLine(rule: RuleView): string {
  const what = rule.decides
    ? 'matches, and decides'
    : rule.matches === null
      ? 'may match'
      : rule.matches
        ? 'matches, after another one'
        : 'does not match';
  return `rule ${String(rule.id).padEnd(5)}${rule.action} for ${rule.owner}: ${conditionsInWords(rule)}: ${what}`;
}

// What `explain` says of rules: every one that could decide on mail for an address, and which one does on the message at hand.
import { rulesOfReader } from '../delivery/plan-reader.ts';
import { firstMatch, type RuledMessage, ruleMatches, rulesInOrder } from '../delivery/rules.ts';
import { conditionsInWords } from '../directory/rule-rows.ts';
import type { RecipientFacts, Rule } from '../directory/types.ts';

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
export function explainRules(facts: RecipientFacts, message: RuledMessage | null): readonly RuleView[] {
  const readers = 'readers' in facts.resolution ? facts.resolution.readers : [];
  const lists =
    facts.resolution.kind === 'nobody'
      ? [{ owner: '', domain: facts.domain?.name ?? '', rules: rulesInOrder(null, facts.domain) }]
      : readers.map((reader) => ({
          owner: reader.kind === 'user' ? reader.user.address : reader.address,
          domain: (reader.kind === 'user' ? reader.user.domain : facts.domain)?.name ?? '',
          rules: rulesOfReader(facts, reader),
        }));
  return lists.flatMap(({ owner, domain, rules }) => {
    const deciding = message === null ? null : firstMatch(rules, message);
    return rules.map((found) => ({
      ...found.rule,
      level: found.level,
      owner: found.level === 'user' ? owner : `@${domain}`,
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

// Rules as they are stored and as they are typed: read back without guessing, and made canonical before they are kept. Pure.

import { foldText, normaliseText } from '../address/fold.ts';
import { normaliseDomain } from '../address/normalise.ts';
import { MAX_PATTERN } from '../address/pattern.ts';
import { RULE_ACTIONS } from '../database/rule-actions.ts';
import { ChangeRefused } from './refused.ts';
import type { Rule } from './types.ts';

/** A row of `rules`. */
export interface RawRule {
  readonly id: number;
  readonly position: number;
  readonly action: string;
  readonly sender: string | null;
  readonly header_name: string | null;
  readonly header_pattern: string | null;
  readonly larger_than: number | null;
}

/**
 * Reads the rows of one owner, in any order; null: there are none.
 * @throws as {@link ruleOf}
 */
export function rulesOf(rows: readonly RawRule[] | null | undefined): readonly Rule[] {
  if (rows === null || rows === undefined || rows.length === 0) return NO_RULES;
  return [...rows].sort((a, b) => a.position - b.position || a.id - b.id).map(ruleOf);
}

const NO_RULES: readonly Rule[] = [];

/**
 * Reads a row.
 * @throws Error on an action that this version does not know: it must never be taken for "no rule"
 */
export function ruleOf(row: RawRule): Rule {
  const action = RULE_ACTIONS.find((known) => known === row.action);
  if (action === undefined) throw new Error(`rule ${row.id} has an action that this version does not know`);
  return {
    id: row.id,
    action,
    sender: row.sender === null ? null : foldSender(row.sender),
    header:
      row.header_name === null || row.header_pattern === null
        ? null
        : { name: row.header_name, pattern: row.header_pattern },
    largerThan: row.larger_than,
  };
}

/** A stored pattern folded as senders are, also where it was stored when they were folded less. */
function foldSender(pattern: string): string {
  const at = pattern.lastIndexOf('@');
  return at === -1 ? pattern : `${foldText(pattern.slice(0, at))}${pattern.slice(at)}`;
}

/** The conditions of a rule as a person reads them: `from *@bank.example, larger than 10000000 bytes`. */
export function conditionsInWords({ sender, header, largerThan }: Omit<Rule, 'id' | 'action'>): string {
  return [
    ...(sender === null ? [] : [`from ${sender}`]),
    ...(header === null ? [] : [`with ${header.name}: ${header.pattern}`]),
    ...(largerThan === null ? [] : [`larger than ${largerThan} bytes`]),
  ].join(', ');
}

/**
 * A sender pattern as typed, made canonical: lower case, its domain in A-labels, `*@` before a domain alone, and before
 * `@domain` too; `<>` is the null sender, and nothing else matches that.
 * @throws ChangeRefused
 */
export function readSenderPattern(typed: string): string {
  const text = bounded(typed.trim());
  if (text === '<>') return text;
  const refused = new ChangeRefused(
    `found the sender ${JSON.stringify(typed)}, expected a pattern such as "bank.example", "*@*.bank.example", ` +
      '"billing@bank.example", or "<>" for the null sender',
  );
  const at = text.lastIndexOf('@');
  const local = at <= 0 ? '*' : foldText(text.slice(0, at));
  const domain = domainPattern(normaliseText(text.slice(at + 1)).toLowerCase());
  if (domain === null || /[\p{Cc}\s<>]/u.test(local)) throw refused;
  return bounded(`${local}@${domain}`);
}

/** Each label by itself, since one with `*` or `?` is no name; null where it can be no domain. */
function domainPattern(text: string): string | null {
  if (!/[*?]/.test(text)) return normaliseDomain(text);
  const labels = text.split('.').map((label) => (/[*?]/.test(label) ? label : normaliseDomain(label)));
  return labels.every((label) => label !== null && /^[a-z0-9*?_-]+$/.test(label)) ? labels.join('.') : null;
}

/**
 * `Name: pattern` as typed.
 * @throws ChangeRefused
 */
export function readHeaderPattern(typed: string): { readonly name: string; readonly pattern: string } {
  const colon = typed.indexOf(':');
  const name = typed.slice(0, Math.max(colon, 0)).trim().toLowerCase();
  const pattern = typed.slice(colon + 1).trim();
  // RFC 5322, section 3.6.8: printable ASCII without the colon.
  if (colon < 1 || !/^[\x21-\x39\x3b-\x7e]+$/.test(name) || pattern === '' || /\p{Cc}/u.test(pattern)) {
    throw new ChangeRefused(
      `found the header ${JSON.stringify(typed)}, expected a field and a pattern for its whole value, such as "List-Id: *announce*"`,
    );
  }
  return { name: bounded(name), pattern: bounded(pattern) };
}

function bounded(text: string): string {
  const length = Array.from(text).length;
  if (length <= MAX_PATTERN) return text;
  throw new ChangeRefused(`found a pattern of ${length} characters, expected at most ${MAX_PATTERN}`);
}

// What Postfix makes of a recipient address once the mail has left the filter (trivial-rewrite(8), the resolve service): as
// long as the domain is the machine's own it is dropped, and the local part is read on for `@`, `!` and `%`. Pure.
import { internalise, quoteInternal, scan, type Token } from './tokens.ts';

/** postconf(5), and what the machine calls its own. */
export interface ResolveRules {
  /** allow_percent_hack: `user%domain` is `user@domain`. */
  readonly percentHack: boolean;
  /** swap_bangpath: `domain!user` is `user@domain`. */
  readonly bangpath: boolean;
  /** resolve_dequoted_address: operators count in a quoted local part, too. */
  readonly dequote: boolean;
  /** Whether the machine delivers for a domain itself: mydestination, and the literals of its interfaces. */
  readonly isLocal: (domain: string) => boolean;
  /** myorigin: the domain of a name that has none. */
  readonly origin: string;
  /** myhostname: the same in the second place. */
  readonly hostname: string;
  /** append_dot_mydomain: what is appended to a domain without a dot; null for nothing. */
  readonly appendedDomain: string | null;
}

/** On what a reading of an address rests. */
export type RestsOn =
  | 'as written'
  | 'an @ in the local part'
  | 'a bang path'
  | 'a percent sign'
  | 'a source route'
  | 'a name without a domain'
  | 'an empty local part';

/** One way to read the address, in internal form: without quotes. */
export interface Step {
  readonly local: string;
  /** As it stands there; '' for none. */
  readonly domain: string;
  readonly restsOn: RestsOn;
}

export interface Resolved {
  /** From the address as it is written to what Postfix delivers to, which is the last one. */
  readonly steps: readonly Step[];
  /** `local`: the last domain is the machine's own; `remote`: it is not; `gave up`: nested deeper than {@link MAX_STEPS}. */
  readonly end: 'local' | 'remote' | 'gave up';
}

/** Postfix has no limit but the address's length. Nobody nests addresses that deep for a good reason. */
export const MAX_STEPS = 20;

/** empty_address_recipient. */
const EMPTY_RECIPIENT = 'MAILER-DAEMON';

/**
 * Resolves an address as Postfix does. The steps depend on `isLocal` only in where they end. Takes time in proportion to the
 * address.
 * @param address in internal form, as smtpd(8) has unquoted it: the last @ begins the domain
 */
export function asPostfixResolves(address: string, rules: ResolveRules): Resolved {
  let tokens = withoutTrailingDot(scan(quoteInternal(address)));
  /** The own domain that was dropped last, with its @. */
  let dropped: readonly Token[] = [];
  const steps: Step[] = [stepOf(tokens, 'as written')];
  while (steps.length <= MAX_STEPS) {
    const at = lastOperator(tokens, '@');
    if (at !== -1) {
      const domain = tokens.slice(at + 1);
      if (domain.length > 0 && !rules.isLocal(internalise(domain))) return { steps, end: 'remote' };
      dropped = tokens.slice(at);
      tokens = tokens.slice(0, at);
    }
    const read = readOn(tokens, rules) ?? completed(tokens, dropped, rules);
    if (read === null) return { steps, end: 'local' };
    tokens = withoutTrailingDot(read.tokens);
    steps.push(stepOf(hasOperator(tokens, '@') ? tokens : joined(tokens, dropped), read.restsOn));
  }
  return { steps, end: 'gave up' };
}

interface Read {
  readonly tokens: readonly Token[];
  readonly restsOn: RestsOn;
}

const AT: Token = { kind: 'operator', text: '@' };
const DOT: Token = { kind: 'operator', text: '.' };

/** What the operators of a local part make of it; null where it has none. */
function readOn(tokens: readonly Token[], rules: ResolveRules): Read | null {
  const { percentHack, bangpath, dequote } = rules;
  if (
    hasOperator(tokens, '@') ||
    (bangpath && hasOperator(tokens, '!')) ||
    (percentHack && hasOperator(tokens, '%'))
  )
    return rewrite(tokens, rules);
  const [only, ...others] = tokens;
  if (!dequote || only?.kind !== 'quoted' || others.length > 0) return null;
  if (only.text.includes('@')) return rewrite(scan(quoteInternal(only.text)), rules);
  if (percentHack && only.text.includes('%')) {
    const at = only.text.lastIndexOf('%');
    const promoted = `${only.text.slice(0, at)}@${only.text.slice(at + 1)}`;
    return { ...rewrite(scan(quoteInternal(promoted)), rules), restsOn: 'a percent sign' };
  }
  return bangpath && only.text.includes('!') ? rewrite(scan(only.text), rules) : null;
}

/** What stands where nothing is left to read; null where the address is complete. */
function completed(tokens: readonly Token[], dropped: readonly Token[], rules: ResolveRules): Read | null {
  const [only, ...others] = tokens;
  if (only === undefined || (only.kind === 'quoted' && only.text === '' && others.length === 0))
    return { tokens: scan(EMPTY_RECIPIENT), restsOn: 'an empty local part' };
  if (dropped.length > 0) return null;
  return { tokens: [...tokens, AT, ...scan(rules.hostname)], restsOn: 'a name without a domain' };
}

/** The canonical form that trivial-rewrite(8) gives an address: `user@domain`, whatever it was before. */
function rewrite(tokens: readonly Token[], rules: ResolveRules): Read {
  if (tokens.length === 1 && hasOperator(tokens, '@'))
    return { tokens: [{ kind: 'quoted', text: '' }], restsOn: 'an empty local part' };
  const colon = tokens.findIndex((token) => isOperator(token, ':'));
  const routed = isOperator(tokens[0], '@') && colon !== -1 && colon < tokens.length - 1;
  const read = withDomain(routed ? tokens.slice(colon + 1) : tokens, rules);
  return {
    tokens: withDots(read.tokens, rules),
    restsOn: routed && read.restsOn === 'an @ in the local part' ? 'a source route' : read.restsOn,
  };
}

function withDomain(tokens: readonly Token[], rules: ResolveRules): Read {
  if (hasOperator(tokens, '@')) return { tokens, restsOn: 'an @ in the local part' };
  const bang = rules.bangpath ? tokens.findIndex((token) => isOperator(token, '!')) : -1;
  if (bang !== -1) {
    const swapped = [...tokens.slice(bang + 1), { ...tokens[bang], ...AT }, ...tokens.slice(0, bang)];
    // Postfix hangs these words into an empty tree, from where they come back without spaces: "!x y" is xy.
    return {
      tokens: bang === 0 ? swapped.map((token) => ({ ...token, glued: true })) : swapped,
      restsOn: 'a bang path',
    };
  }
  const percent = rules.percentHack ? lastOperator(tokens, '%') : -1;
  if (percent !== -1)
    return {
      tokens: [...tokens.slice(0, percent), { ...tokens[percent], ...AT }, ...tokens.slice(percent + 1)],
      restsOn: 'a percent sign',
    };
  return { tokens: [...tokens, AT, ...scan(rules.origin)], restsOn: 'a name without a domain' };
}

/** append_dot_mydomain. */
function withDots(tokens: readonly Token[], { appendedDomain }: ResolveRules): readonly Token[] {
  const domain = tokens.slice(lastOperator(tokens, '@') + 1);
  if (appendedDomain === null || domain.length === 0) return tokens;
  const complete = domain.some((token) => token.kind === 'literal' || isOperator(token, '.'));
  return complete ? tokens : [...tokens, DOT, ...scan(appendedDomain)];
}

/** One dot behind a domain is dropped, two are not. */
function withoutTrailingDot(tokens: readonly Token[]): readonly Token[] {
  const before = tokens.at(-2);
  const strip =
    hasOperator(tokens, '@') &&
    isOperator(tokens.at(-1), '.') &&
    !isOperator(before, '.') &&
    !isOperator(before, '@');
  return strip ? tokens.slice(0, -1) : tokens;
}

/** What is hung behind a tree is as glued as its last word. */
function joined(tokens: readonly Token[], behind: readonly Token[]): readonly Token[] {
  const { glued } = tokens.at(-1) ?? {};
  const hung = behind.map(({ kind, text }): Token => (glued ? { kind, text, glued } : { kind, text }));
  return [...tokens, ...hung];
}

function stepOf(tokens: readonly Token[], restsOn: RestsOn): Step {
  const text = internalise(tokens);
  const at = text.lastIndexOf('@');
  return at === -1
    ? { local: text, domain: '', restsOn }
    : { local: text.slice(0, at), domain: text.slice(at + 1), restsOn };
}

function isOperator(token: Token | undefined, operator: string): boolean {
  return token?.kind === 'operator' && token.text === operator;
}

function hasOperator(tokens: readonly Token[], operator: string): boolean {
  return tokens.some((token) => isOperator(token, operator));
}

function lastOperator(tokens: readonly Token[], operator: string): number {
  return tokens.findLastIndex((token) => isOperator(token, operator));
}

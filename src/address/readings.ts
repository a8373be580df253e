// Every way in which Postfix may read a recipient path, from as it is written to what it delivers to, in the form in which
// addresses are stored. Pure; takes time in proportion to the path.
import { asPostfixResolves, type ResolveRules, type RestsOn } from './as-postfix-resolves.ts';
import { foldCase } from './fold.ts';
import { type AddressParts, internalForm, nameOf, normaliseDomain, parsePath } from './normalise.ts';

/** One way to read the path. */
export interface Reading {
  /** As in {@link AddressParts}. */
  readonly local: string;
  /** What its domain may be, the likeliest first: as it stands, folded as Postfix's tables are, with a domain appended. */
  readonly domains: readonly string[];
  readonly restsOn: RestsOn;
}

export interface Readings {
  /** The path as it is written; null where that is no address, such as `alice%example.org@`. */
  readonly written: AddressParts | null;
  /** In order: each holds where the domains of all before it are the machine's own. Empty where nothing can be read. */
  readonly readings: readonly Reading[];
  /** Nested deeper than anybody needs: where it ends is not known. */
  readonly gaveUp: boolean;
}

export interface ReadingRules extends Omit<ResolveRules, 'isLocal' | 'appendedDomain'> {
  /** What Postfix may append to a domain without a dot (append_dot_mydomain); null for nothing. */
  readonly maybeAppended: string | null;
}

/**
 * Reads a path.
 * @param path without angle brackets, one character per byte (latin1)
 * @param rules `origin`: for a path without a domain
 */
export function readingsOf(path: string, rules: ReadingRules): Readings {
  const written = parsePath(path, rules.origin);
  const internal = internalForm(path);
  if (internal === null || (written !== null && isPlain(written)))
    return { written, readings: written === null ? [] : [asWritten(written)], gaveUp: false };
  const { steps, end } = asPostfixResolves(internal, { ...rules, appendedDomain: null, isLocal: () => true });
  const [first, ...further] = steps;
  const readings: Reading[] = [];
  // What forgives more has read it already.
  if (written !== null) readings.push(asWritten(written, domainsOf(first?.domain ?? '', null)));
  // Postfix drops an empty domain as it drops its own; what is no domain at all ends it.
  else if (first === undefined || first.domain !== '') return { written, readings, gaveUp: false };
  for (const { local, domain, restsOn } of further) {
    const domains = domainsOf(domain, rules.maybeAppended);
    if (domain !== '' && domains.length === 0) return { written, readings, gaveUp: false };
    const name = nameOf(local);
    if (domains.length > 0 && name !== '') readings.push({ local: name, domains, restsOn });
  }
  return { written, readings, gaveUp: end === 'gave up' };
}

/** Whether there is nothing to read on, unless the domain is another name of one of ours. */
export function isPlain({ local, domain }: AddressParts): boolean {
  return local !== '' && !/[@!%]/.test(local) && !domain.includes('xn--');
}

function asWritten({ local, domain }: AddressParts, others: readonly string[] = []): Reading {
  return { local, domains: [...new Set([domain, ...others])], restsOn: 'as written' };
}

function domainsOf(text: string, maybeAppended: string | null): readonly string[] {
  const folded = foldCase(text);
  const appended = maybeAppended === null || /[.[]/.test(text) ? [] : [`${text}.${maybeAppended}`];
  const spellings = [text, ...(folded === text.toLowerCase() ? [] : [folded]), ...appended];
  const domains = spellings.map((each) => (text === '' ? null : normaliseDomain(each)));
  return [...new Set(domains.filter((domain) => domain !== null))];
}

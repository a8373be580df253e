// Domains of a source compared with ours. Pure.
import { domainNameOf, normaliseDomain } from '../address/normalise.ts';
import { addDomain, type DraftDomain } from './draft.ts';
import type { DomainRow } from './formats/rows.ts';
import { note, type Planning, shown } from './planning.ts';

/** The domain is added, or gets what it has not got yet: nothing is taken from it. */
export function planDomain(planning: Planning, row: DomainRow): void {
  const { draft } = planning;
  const name = domainNameOf(row.name);
  const refuse = (because: string): void => note(planning, 'domain', 'refused', row, because);
  if (name === null) {
    refuse(`found ${JSON.stringify(shown(row.name))}, expected a domain name such as example.org`);
    return;
  }
  const other = draft.otherNames.get(name);
  if (other !== undefined) {
    refuse(`it is another name of ${other.name} here; see "sealpost domain list"`);
    return;
  }
  const known = draft.domains.get(name);
  const domain = known ?? addDomain(draft, name);
  const changes = [
    ...(row.class !== undefined && row.class !== domain.class ? [`class=${row.class}`] : []),
    ...(row.local === true && !domain.local ? ['local=on'] : []),
  ];
  domain.class = row.class ?? domain.class;
  domain.local ||= row.local === true;
  for (const each of row.otherNames ?? []) {
    const because = giveName(planning, domain, each);
    if (because === null) changes.push(`other_names=${each}`);
    else if (because !== '') note(planning, 'domain', 'refused', { name: each, where: row.where }, because);
  }
  if (known === undefined)
    note(planning, 'domain', 'added', { name, where: row.where }, changes.join(' ') || null);
  else if (changes.length === 0) note(planning, 'domain', 'same', { name, where: row.where });
  else {
    domain.changed = true;
    note(planning, 'domain', 'changed', { name, where: row.where }, changes.join(' '));
  }
}

/** @returns null: it is new; empty: it has that name already; else why it does not get it */
function giveName({ draft }: Planning, domain: DraftDomain, typed: string): string | null {
  const name = normaliseDomain(typed.trim());
  if (name === null)
    return `found ${JSON.stringify(shown(typed))}, expected a domain name such as example.net`;
  if (name === domain.name || domain.otherNames.has(name)) return '';
  if (draft.domains.has(name))
    return `it is a domain of its own here, and cannot be another name of ${domain.name}; see "sealpost domain list"`;
  const other = draft.otherNames.get(name);
  if (other !== undefined) return `it is another name of ${other.name} here; see "sealpost domain list"`;
  domain.otherNames.add(name);
  domain.newNames.push(name);
  draft.otherNames.set(name, domain);
  return null;
}

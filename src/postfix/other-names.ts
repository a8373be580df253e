// Which domain of ours the machine's own names are other names of, as mydestination says. Pure.
import type { DomainView } from '../directory/domains.ts';
import type { AddressSettings } from './settings.ts';

type Known = Pick<DomainView, 'name' | 'other_names' | 'local'>;

/** What is to be done, or why nothing. */
export type OtherNames =
  | {
      readonly kind: 'give';
      readonly domain: string;
      /** All that it will have: those that it has, and those that are new. */
      readonly names: readonly string[];
      readonly added: readonly string[];
    }
  | { readonly kind: 'nothing'; readonly because: string };

/**
 * Postfix delivers for all of its own names to the same mailboxes: those of the domain of ours that stands among them.
 * A name that is a domain of ours, or another name of one, stays what it is.
 */
export function planOtherNames(
  { localNames, origin }: Pick<AddressSettings, 'localNames' | 'origin'>,
  domains: readonly Known[],
): OtherNames {
  if (domains.length === 0)
    return { kind: 'nothing', because: 'there is no domain yet; repeat "sealpost init" when there is one' };
  const local = domains.filter(({ name }) => localNames.includes(name));
  const domain = local.find(({ name }) => name === origin) ?? (local.length === 1 ? local[0] : undefined);
  if (local.length === 0) return { kind: 'nothing', because: 'none of your domains stands in mydestination' };
  if (domain === undefined) {
    const names = local.map(({ name }) => name).join(', ');
    return {
      kind: 'nothing',
      because: `${names} stand in mydestination, and none of them is myorigin; say whose the other names are: sealpost domain set NAME other_names=... local=on`,
    };
  }
  const taken = new Set(domains.flatMap(({ name, other_names }) => [name, ...other_names]));
  const added = localNames.filter((name) => !taken.has(name));
  if (added.length === 0 && domain.local)
    return { kind: 'nothing', because: `${domain.name} has all names of mydestination already` };
  return { kind: 'give', domain: domain.name, names: [...domain.other_names, ...added], added };
}

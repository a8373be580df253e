// The next hops that a configuration names: filter.next_hop, and those of listeners that have one of their own.
import type { FilterConfig } from './schema.ts';
import { formatNextHop, type NextHop } from './units.ts';

/** Where mail of the listeners goes, each next hop once, in the order of the listeners. Pure. */
export function nextHopsOf(filter: Pick<FilterConfig, 'listen' | 'next_hop'>): readonly NextHop[] {
  const named = filter.listen.map((listener) => listener.next_hop ?? filter.next_hop);
  return [...new Map(named.map((nextHop) => [formatNextHop(nextHop), nextHop])).values()];
}

/** For logs and `status`: one next hop, or each with the listeners that send there. Pure. */
export function describeNextHops(filter: Pick<FilterConfig, 'listen' | 'next_hop'>): string {
  if (filter.listen.every((listener) => listener.next_hop === undefined))
    return formatNextHop(filter.next_hop);
  const senders = new Map<string, string[]>();
  for (const { name, protocol, next_hop } of filter.listen) {
    const nextHop = formatNextHop(next_hop ?? filter.next_hop);
    senders.set(nextHop, [...(senders.get(nextHop) ?? []), name ?? protocol]);
  }
  return [...senders].map(([nextHop, names]) => `${nextHop} (${names.join(', ')})`).join(', ');
}

// Which addresses the portal may connect to when a person names a domain: those of the public Internet, and no other. Pure.
import { BlockList, isIP } from 'node:net';

/** IANA's registry of IPv4 special-purpose addresses (RFC 6890), with multicast and the reserved class E. */
const NOT_PUBLIC_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const;

/** Global unicast (RFC 4291, section 2.4). Everything outside, loopback and mapped addresses included, is not public. */
const GLOBAL_IPV6 = ['2000::', 3] as const;

/** What within it is special (IANA's registry): protocols, documentation, and 6to4, which carries an IPv4 address. */
const NOT_PUBLIC_IPV6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['2620:4f:8000::', 48],
  ['3fff::', 20],
] as const;

function listOf(networks: readonly (readonly [string, number])[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList();
  for (const [address, bits] of networks) list.addSubnet(address, bits, family);
  return list;
}

const specialIpv4 = listOf(NOT_PUBLIC_IPV4, 'ipv4');
const specialIpv6 = listOf(NOT_PUBLIC_IPV6, 'ipv6');
const globalIpv6 = listOf([GLOBAL_IPV6], 'ipv6');

/**
 * Whether an address is one of the public Internet.
 * @param address IPv4 or IPv6 in any spelling that Node's resolver gives; anything else is not public
 */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !specialIpv4.check(address, 'ipv4');
    case 6:
      // A zone (fe80::1%eth0) is of a link.
      if (address.includes('%')) return false;
      // Blocks of IPv4 hold for mapped addresses too, and none of those is in 2000::/3.
      return globalIpv6.check(address, 'ipv6') && !specialIpv6.check(address, 'ipv6');
    default:
      return false;
  }
}

// The names under which this machine may get mail without anybody having said so: its host name, localhost, and the literals
// of its addresses (postconf(5), mydestination and inet_interfaces).
import { hostname as hostnameOfSystem, networkInterfaces } from 'node:os';
import { normaliseDomain } from '../address/normalise.ts';

/**
 * @param hostname the configured one
 * @returns normalised names and address literals
 */
export function ownNames(hostname: string): ReadonlySet<string> {
  const domain = domainOfHost(hostname);
  const names = [
    hostname,
    hostnameOfSystem(),
    'localhost',
    ...(domain === null ? [] : [`localhost.${domain}`]),
    ...machineLiterals(),
  ];
  return new Set(names.map(normaliseDomain).filter((name) => name !== null));
}

/** mydomain: the host name without its first label; null where it has one only. */
export function domainOfHost(hostname: string): string | null {
  const dot = hostname.indexOf('.');
  return dot === -1 ? null : hostname.slice(dot + 1);
}

/**
 * The address literals of all interfaces, as `inet_interfaces = all` means them: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
 * @throws Error with one sentence where the system does not tell: a name of ours that is not known could lead past the seal
 */
export function machineLiterals(): readonly string[] {
  const addresses = Object.values(interfaces()).flatMap((each) => each ?? []);
  return ['[127.0.0.1]', '[IPv6:::1]'].concat(
    addresses.map(({ address, family }) => {
      const bare = address.replace(/%.*$/, '');
      return family === 'IPv6' ? `[IPv6:${bare}]` : `[${bare}]`;
    }),
  );
}

function interfaces(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch (error) {
    throw new Error(
      'the addresses of this machine cannot be read (getifaddrs(3)); under systemd RestrictAddressFamilies= has to name AF_NETLINK, too',
      { cause: error },
    );
  }
}

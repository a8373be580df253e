// Whose word about a client is believed: that of unix sockets, and of the addresses of filter.xforward_hosts (XFORWARD) or
// receiver.api.trusted_proxies (X-Forwarded-For).
import { BlockList, isIP } from 'node:net';

/** A client's address without its zone; an IPv4 one, which a dual-stack listener reports as ::ffff:a.b.c.d, as a.b.c.d. Pure. */
export function bareAddress(remoteAddress: string): string {
  return remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
}

/**
 * Builds the test for a client address.
 * @param hosts addresses and networks such as `127.0.0.0/8`, `::1` or `[2001:db8::]/32`
 * @returns a function of the socket's remote address; undefined (a unix socket) is trusted
 * @throws Error for an entry that is neither
 */
export function trustedClients(hosts: readonly string[]): (remoteAddress: string | undefined) => boolean {
  const list = new BlockList();
  for (const host of hosts) {
    const match = /^\[?([0-9a-f:.]+)\]?(?:\/(\d{1,3}))?$/i.exec(host.trim());
    const address = match?.[1] ?? '';
    const family = isIP(address);
    const bits = match?.[2] === undefined ? undefined : Number(match[2]);
    if (family === 0 || (bits ?? 0) > (family === 4 ? 32 : 128)) {
      throw new Error(
        `filter.xforward_hosts: "${host}" is no IP address or network; expected one such as "127.0.0.0/8" or "::1"`,
      );
    }
    const type = family === 4 ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(address, type);
    else list.addSubnet(address, bits, type);
  }
  function isListed(remoteAddress: string): boolean {
    const address = bareAddress(remoteAddress);
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }
  // Nearly every connection comes from the one Postfix: the last answer is the next one.
  let last = { address: '', trusted: true };
  return (remoteAddress) => {
    if (remoteAddress === undefined || remoteAddress === '') return true;
    if (remoteAddress !== last.address) last = { address: remoteAddress, trusted: isListed(remoteAddress) };
    return last.trusted;
  };
}

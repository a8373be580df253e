// A tcp_table(5) daemon: one map on one port.
import type { MapName } from './facts.ts';
import type { Lookups } from './lookups.ts';
import type { RequestProtocol } from './serve-requests.ts';
import { createTcpTableDecoder, encodeTcpAnswer } from './tcp-table-codec.ts';

/** The protocol for one map. */
export function tcpTable(
  map: MapName,
  lookups: Lookups,
  malformed: (reason: string) => void,
): RequestProtocol<string> {
  const details = { protocol: 'tcp_table' } as const;
  return {
    decoder: createTcpTableDecoder,
    malformed,
    answer(key) {
      const answer = lookups.answer(map, key, details);
      return answer instanceof Promise ? answer.then(encodeTcpAnswer) : encodeTcpAnswer(answer);
    },
  };
}

// A tcp_table(5) daemon: one map on one port.
import { type MapName, TOO_MANY_CONNECTIONS } from './facts.ts';
import type { Lookups } from './lookups.ts';
import type { ListenerProtocol } from './put-off.ts';
import { createTcpTableDecoder, encodeTcpAnswer } from './tcp-table-codec.ts';

/** The protocol for one map. */
export function tcpTable(
  map: MapName,
  lookups: Lookups,
  malformed: (reason: string) => void,
): ListenerProtocol<string> {
  const details = { protocol: 'tcp_table' } as const;
  return {
    decoder: createTcpTableDecoder,
    malformed,
    tooMany: encodeTcpAnswer(TOO_MANY_CONNECTIONS),
    answer(key) {
      const answer = lookups.answer(map, key, details);
      return answer instanceof Promise ? answer.then(encodeTcpAnswer) : encodeTcpAnswer(answer);
    },
  };
}

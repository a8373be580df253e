// A socketmap_table(5) daemon: every map behind one listener, named in the request.
import { isMapName, MAPS, TOO_MANY_CONNECTIONS } from './facts.ts';
import type { Lookups } from './lookups.ts';
import type { ListenerProtocol } from './put-off.ts';
import {
  createSocketmapDecoder,
  encodeSocketmapAnswer,
  type SocketmapRequest,
  socketmapRefusal,
} from './socketmap-codec.ts';

/** The protocol for all maps. */
export function socketmap(
  lookups: Lookups,
  malformed: (reason: string) => void,
): ListenerProtocol<SocketmapRequest> {
  const details = { protocol: 'socketmap' } as const;
  return {
    decoder: createSocketmapDecoder,
    malformed,
    tooMany: encodeSocketmapAnswer(TOO_MANY_CONNECTIONS),
    answer({ map, key }) {
      if (!isMapName(map)) {
        malformed('unknown map');
        return socketmapRefusal(`no such map; expected one of ${MAPS.join(', ')}`);
      }
      const answer = lookups.answer(map, key, details);
      return answer instanceof Promise ? answer.then(encodeSocketmapAnswer) : encodeSocketmapAnswer(answer);
    },
  };
}

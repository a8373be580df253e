// The clients of the next hops, one for each: `filter.next_hop`, and those that listeners have of their own. Mail of two
// listeners never shares a session unless it goes to the same place.
import { nextHopsOf } from '../config/next-hops.ts';
import type { Config } from '../config/schema.ts';
import { formatNextHop, type NextHop } from '../config/units.ts';
import type { Logger } from '../observe/log.ts';
import { createNextHopClient, type NextHopClient } from '../smtp/client/next-hop.ts';
import type { Reply } from '../smtp/types.ts';

/** A next hop that does not answer, and why. */
export interface Unreachable {
  readonly nextHop: NextHop;
  readonly reply: Reply;
}

export interface NextHops {
  /** @param own the next hop of a listener; undefined: `filter.next_hop` */
  client(own: NextHop | undefined): NextHopClient;
  /** Opens a session with each next hop that a listener sends to. Never throws. @returns those that failed */
  connect(): Promise<readonly Unreachable[]>;
  /**
   * As {@link connect}, for those from which no session was had lately, and those that gave none when they were asked last.
   * Never throws.
   */
  look(): Promise<readonly Unreachable[]>;
  /** Sessions of a configuration that has changed end when their messages are sent. */
  reconfigure(config: Config): void;
  /** Ends idle sessions and waits for the messages that are being sent. */
  close(): Promise<void>;
}

/** Each look is a line in the log of the next hop. */
const HEARD_LATELY_MS = 55_000;

/** @param only takes all mail in place of them (sendmail) */
export function createNextHops(config: Config, logger: Logger, only?: NextHopClient): NextHops {
  let current = config;
  let clients = new Map<string, NextHopClient>();
  /** Of earlier configurations, still sending. */
  const retiring = new Set<Promise<void>>();
  /** When a session was had last, by the name of the next hop; a failure takes it out. */
  const heard = new Map<string, number>();

  function client(own: NextHop | undefined): NextHopClient {
    if (only !== undefined) return only;
    const nextHop = own ?? current.filter.next_hop;
    const name = formatNextHop(nextHop);
    const known = clients.get(name);
    if (known !== undefined) return known;
    const { hostname, filter } = current;
    const onSession = (had: boolean): void => {
      if (had) heard.set(name, performance.now());
      else heard.delete(name);
    };
    const made = createNextHopClient({ nextHop, hostname, config: filter, logger, onSession });
    clients.set(name, made);
    return made;
  }

  async function connect(wanted: (name: string) => boolean): Promise<readonly Unreachable[]> {
    const tried = await Promise.all(
      nextHopsOf(current.filter)
        .filter((nextHop) => wanted(formatNextHop(nextHop)))
        .map(async (nextHop) => ({ nextHop, reply: await client(nextHop).prepare() })),
    );
    return tried.flatMap(({ nextHop, reply }) => (reply === null ? [] : [{ nextHop, reply }]));
  }

  const isQuiet = (name: string): boolean =>
    performance.now() - (heard.get(name) ?? Number.NEGATIVE_INFINITY) > HEARD_LATELY_MS;
  return {
    client,
    connect: () => connect(() => true),
    look: () => connect(isQuiet),
    reconfigure(next) {
      const changed =
        JSON.stringify([current.filter, current.hostname]) !== JSON.stringify([next.filter, next.hostname]);
      current = next;
      if (!changed) return;
      for (const old of clients.values()) {
        const closed = old.close().finally(() => retiring.delete(closed));
        retiring.add(closed);
      }
      clients = new Map();
    },
    async close() {
      await Promise.all([only?.close(), ...[...clients.values()].map((each) => each.close()), ...retiring]);
    },
  };
}

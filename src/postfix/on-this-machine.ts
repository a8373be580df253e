// What this machine and its sealpost.toml say that a wiring has to follow: ports, next hop, user, program.
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parse } from 'smol-toml';
import { type Config, configSchema } from '../config/schema.ts';
import { type Endpoint, formatEndpoint, formatNextHop, type NextHop } from '../config/units.ts';
import { findAccount } from '../database/embedded/user.ts';
import type { Places, Wiring } from './wiring.ts';

/** What a wiring assumes of sealpost.toml: its own sealpost.example.toml, defaults added. Pure. */
function assumedConfig(wiring: Wiring): Config {
  return configSchema.parse(parse(wiring.toml));
}

/** The listeners that a wiring names; those of the defaults are none of its own. */
function listenersOf({ toml }: Wiring, { filter }: Config): Config['filter']['listen'] {
  return toml.includes('[[filter.listen]]') ? filter.listen : [];
}

/**
 * The ports that sealpost.toml has in place of the wiring's: those of listeners of the same name, and those of next hops that
 * lead back to Postfix. Pure.
 */
export function portsOf(wiring: Wiring, config: Config): ReadonlyMap<number, number> {
  const assumed = assumedConfig(wiring);
  const pairs = [
    ...listenersOf(wiring, assumed).flatMap((listener): (readonly [Endpoint, Endpoint])[] => {
      const own = config.filter.listen.find(({ name }) => name === listener.name);
      if (own === undefined) return [];
      const back = wayBack(
        listener.next_hop ?? assumed.filter.next_hop,
        own.next_hop ?? config.filter.next_hop,
      );
      return [[listener.address, own.address], ...back];
    }),
    ...servicesOf(assumed, config),
  ];
  return new Map(
    pairs.flatMap(([there, here]) =>
      there.kind === 'inet' && here.kind === 'inet' && there.port !== here.port
        ? [[there.port, here.port] as const]
        : [],
    ),
  );
}

/** Where the lookup daemons and the queue listen, by the keys of sealpost.toml. */
function namedEndpoints({ policy, receiver }: Config): readonly (readonly [string, Endpoint | null])[] {
  return [
    ...Object.entries(policy.tcp).map(([map, at]) => [`policy.tcp.${map}`, at] as const),
    ['policy.socketmap.listen', policy.socketmap.listen],
    ['policy.delegation.listen', policy.delegation.listen],
    ['receiver.listen', receiver.listen[0] ?? null],
  ];
}

/** As the wiring has it, and as sealpost.toml does. */
function servicesOf(assumed: Config, own: Config): (readonly [Endpoint, Endpoint])[] {
  const there = new Map(namedEndpoints(own));
  return namedEndpoints(assumed).flatMap(([key, each]) => {
    const here = there.get(key) ?? null;
    return each !== null && here !== null ? [[each, here] as const] : [];
  });
}

function wayBack(assumed: NextHop, own: NextHop): (readonly [Endpoint, Endpoint])[] {
  if (assumed.protocol !== 'smtp' || own.protocol !== 'smtp' || own.endpoint.kind !== 'inet') return [];
  // Port 25 is Postfix's front door, and another machine's port is no way back.
  if (own.endpoint.port === 25 || own.endpoint.host !== '127.0.0.1') return [];
  return [[assumed.endpoint, own.endpoint]];
}

/** What is on this machine. */
export function placesOf(wiring: Wiring, config: Config): Places {
  return {
    ports: portsOf(wiring, config),
    pipeProgram: programInPath('sealpost-pipe'),
    user: findAccount(readFileSync('/etc/passwd', 'utf8'), 'sealpost'),
  };
}

function programInPath(name: string): string | null {
  for (const folder of ['/usr/bin', ...(process.env.PATH ?? '').split(delimiter)]) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // The next one.
    }
  }
  return null;
}

/**
 * What is still missing beside Postfix's own files before mail flows, each with the command that helps. Until then mail waits in
 * Postfix's queue. Pure.
 * @param wiring with the machine's places in it
 */
export function stillMissing(wiring: Wiring, config: Config, places: Places): readonly string[] {
  const assumed = assumedConfig(wiring);
  const example = `postfix-examples/${wiring.name}/sealpost.example.toml`;
  const own = (endpoint: Endpoint): string => {
    const port = endpoint.kind === 'inet' ? places.ports.get(endpoint.port) : undefined;
    return formatEndpoint(port === undefined || endpoint.kind === 'unix' ? endpoint : { ...endpoint, port });
  };
  const listening = new Set(
    config.filter.listen.map(({ protocol, address }) => `${protocol} ${formatEndpoint(address)}`),
  );
  const listeners = listenersOf(wiring, assumed);
  const spools = assumed.receiver.spool.filter((spool) => !config.receiver.spool.includes(spool));
  return [
    ...listeners
      .filter(({ protocol, address }) => !listening.has(`${protocol} ${own(address)}`))
      .map(
        ({ protocol, address }) =>
          `sealpost.toml has no [[filter.listen]] with protocol = "${protocol}" and address = "${own(address)}": take it over from ${example}`,
      ),
    ...missingNextHops(listeners, assumed, config, own),
    ...namedEndpoints(assumed).flatMap(([key, at]) =>
      at === null || !isWired(wiring, at) || listensThere(config, key, own(at))
        ? []
        : [`sealpost.toml does not listen where Postfix asks: sealpost config set ${key} ${own(at)}`],
    ),
    ...spools.map(
      (spool) => `sealpost.toml does not read the spool: sealpost config set receiver.spool ${spool}`,
    ),
    ...(/user=sealpost|static:5000/.test(wiring.main + wiring.master) && places.user === null
      ? [
          'there is no user sealpost on this machine: adduser --system --group --home /var/lib/sealpost sealpost',
        ]
      : []),
    ...(wiring.main.includes('static:5000')
      ? ['main.cf has the number 5000 for the user sealpost: undo, make the user, and apply again']
      : []),
    ...(wiring.master.includes('sealpost-pipe') && places.pipeProgram === null
      ? ['sealpost-pipe was not found in $PATH: put its place into argv= of master.cf']
      : []),
  ];
}

/** Whether the wiring's own files lead to an address; it may name only some of what is offered by default. */
function isWired({ toml }: Wiring, endpoint: Endpoint): boolean {
  return toml.includes(`"${formatEndpoint(endpoint)}"`);
}

function listensThere(config: Config, key: string, at: string): boolean {
  const own = new Map(namedEndpoints(config)).get(key) ?? null;
  return own !== null && formatEndpoint(own) === at;
}

function missingNextHops(
  listeners: Config['filter']['listen'],
  assumed: Config,
  config: Config,
  own: (endpoint: Endpoint) => string,
): readonly string[] {
  return listeners.flatMap((listener) => {
    const wanted = listener.next_hop ?? assumed.filter.next_hop;
    const mine = config.filter.listen.find(({ name }) => name === listener.name);
    if (mine === undefined) return [];
    const there = mine.next_hop ?? config.filter.next_hop;
    if (wanted.protocol === 'lmtp')
      return there.protocol === 'lmtp'
        ? []
        : [
            `filter.next_hop = "${formatNextHop(there)}" is no mail store: sealpost config set filter.next_hop ${formatNextHop(wanted)} (or where the store listens for LMTP)`,
          ];
    const expected = `${wanted.protocol}:${own(wanted.endpoint)}`;
    if (formatNextHop(there) === expected) return [];
    return [
      `mail of the listener ${listener.name} goes to ${formatNextHop(there)}, and Postfix takes it back on ${expected}: ${
        listener.next_hop === undefined
          ? `sealpost config set filter.next_hop ${expected}`
          : `next_hop = "${expected}" in that [[filter.listen]]`
      }`,
    ];
  });
}

// Whether another program has a port that a wiring makes Postfix listen on, or hand mail to.
import { connect } from 'node:net';
import type { Config } from '../config/schema.ts';
import { formatEndpoint, reachable } from '../config/units.ts';
import { OUR_GREETING } from '../smtp/greeting.ts';
import { ownEndpoints } from './entrances.ts';
import { listensAt, readMasterCf, serviceName } from './master-cf.ts';
import { portsIn } from './plan-ports.ts';
import { postconf } from './postconf.ts';
import type { Conflict, Site } from './site.ts';
import type { Wiring } from './wiring.ts';

/**
 * Ports that Postfix is to listen on and another program has: master(8) ends where it cannot listen, and no mail flows at all. A
 * greeting as this Postfix has it is its own, of a wiring that was taken back and not reloaded yet.
 */
export async function busyPorts(configDir: string, site: Site, wiring: Wiring): Promise<readonly Conflict[]> {
  const there = new Set(readMasterCf(site.master).map(serviceName));
  const wanted = readMasterCf(wiring.master).filter(
    (service) => service.type === 'inet' && !there.has(serviceName(service)),
  );
  const answers = await Promise.all(
    wanted.map(async ({ name }) => {
      const { host, port } = listensAt(name);
      return { name, port, greeting: await greetingOf(host, Number(port)) };
    }),
  );
  const taken = answers.filter(({ greeting }) => greeting !== null);
  if (taken.length === 0) return [];
  const own = (await postconf(configDir, ['-x', '-h', 'smtpd_banner'])).trim();
  return taken
    .filter(({ greeting }) => greeting !== `220 ${own}`)
    .map(({ name, port }) => ({
      where: `port ${port}`,
      found: `another program listens on ${name} ("ss -ltnp" names it)`,
      remedy: `Postfix would not start any more; give the way back another port: sealpost config set filter.next_hop smtp:127.0.0.1:PORT, and apply again`,
    }));
}

/**
 * Ports that the wiring hands mail to, and that another program than sealpost answers on: it would get the mail, and might give it
 * back in plaintext. Where nobody answers, serve does not run yet.
 */
export async function foreignListeners(
  wiring: Wiring,
  config: Pick<Config, 'filter' | 'receiver'>,
): Promise<readonly Conflict[]> {
  const named = new Set(portsIn(wiring.main + wiring.master));
  const found = await Promise.all(
    ownEndpoints(config).map(async (endpoint): Promise<readonly Conflict[]> => {
      const at = reachable(endpoint);
      if (at.kind !== 'inet' || !named.has(String(at.port))) return [];
      const greeting = await greetingOf(at.host, at.port);
      if (greeting === null || !greeting.startsWith('220') || OUR_GREETING.test(greeting)) return [];
      return [
        {
          where: `port ${at.port}`,
          found: `another program than sealpost answers on ${formatEndpoint(endpoint)}: ${JSON.stringify(greeting.slice(0, 80))}`,
          remedy:
            'it would get the mail; give sealpost another port: change address in [[filter.listen]] (or receiver.listen) of sealpost.toml, and apply again; the wiring follows',
        },
      ];
    }),
  );
  return found.flat();
}

/** The first line of what answers on a port; '' where it says nothing; null where nobody listens. */
function greetingOf(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let heard = '';
    const end = (answer: string | null): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => end(heard));
    socket.on('data', (bytes) => {
      heard = `${heard}${bytes.toString('latin1')}`.slice(0, 1000);
      if (heard.includes('\n')) end(heard.split(/\r?\n/, 1)[0] ?? '');
    });
    socket.once('close', () => end(heard));
    socket.once('error', () => end(null));
  });
}

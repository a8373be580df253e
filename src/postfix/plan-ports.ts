// Whether the ports of a wiring are somebody else's already: another listener of master.cf, or a program to which the site's own
// settings send mail (amavis on 10024 to 10026). Pure.
import { definitionsThatCount, readMainCf } from './main-cf.ts';
import { listensAt, type MasterService, readMasterCf, serviceName } from './master-cf.ts';
import type { MainVerdict } from './plan-main.ts';
import type { Conflict, Site } from './site.ts';
import type { Wiring } from './wiring.ts';

/** Every port of a wiring that something else of the site's listens on or speaks to. */
export function portConflicts(
  site: Site,
  wiring: Wiring,
  verdicts: readonly MainVerdict[],
): readonly Conflict[] {
  const own = readMasterCf(wiring.master);
  const ownNames = new Set(own.map(serviceName));
  const foreign = readMasterCf(site.master).filter(
    (service) => !ownNames.has(serviceName(service)) && !isOurs(service),
  );
  const listening = new Set(
    own.filter(({ type }) => type === 'inet').map(({ name }) => listensAt(name).port),
  );
  const spokenTo = new Set(
    [...readMainCf(wiring.main).map(({ value }) => value), ...own.flatMap(valuesOf)].flatMap(portsIn),
  );
  return [...new Set([...listening, ...spokenTo])].flatMap((port) => [
    ...foreign
      .filter((service) => isOn(service, port))
      .map((service) => taken(port, `${serviceName(service)} in master.cf listens on it`)),
    ...usesOf(port, foreign, site, verdicts).map((use) => taken(port, `${use} leads there`)),
  ]);
}

function taken(port: string, found: string): Conflict {
  return {
    where: `port ${port}`,
    found,
    remedy:
      'give sealpost another one: change address in [[filter.listen]] (where sealpost listens) or filter.next_hop (where Postfix takes mail back) of sealpost.toml, and apply again; the wiring follows',
  };
}

/** A service of another wiring of ours, by its name or by what it logs as. */
function isOurs({ name, options }: MasterService): boolean {
  return name.startsWith('sealpost') || (options.get('syslog_name') ?? '').startsWith('postfix/sealpost-');
}

function isOn({ name, type }: MasterService, port: string): boolean {
  if (type !== 'inet') return false;
  const at = listensAt(name);
  // Another address of this machine is another listener; a name or a reference may stand for any.
  const elsewhere = /^[\d.]+$|:/.test(at.host) && !['127.0.0.1', '0.0.0.0', '::'].includes(at.host);
  return at.port === port && !elsewhere;
}

/** What the site sends to a port of this machine, in words. */
function usesOf(
  port: string,
  foreign: readonly MasterService[],
  site: Site,
  verdicts: readonly MainVerdict[],
): readonly string[] {
  // What the wiring takes over or finds as it wants it, and what is a conflict of its own, says nothing of the port.
  const judged = new Set(verdicts.filter(({ name }) => name !== 'content_filter').map(({ name }) => name));
  const wanted = new Map(verdicts.map(({ name, value }) => [name, value]));
  const settings = [...definitionsThatCount(site.main).values()].filter(
    ({ name, value }) => !judged.has(name) && wanted.get(name) !== value && name !== 'master_service_disable',
  );
  return [
    ...settings
      .filter(({ value }) => portsIn(value).includes(port))
      .map(({ name, value }) => `${name} = ${value}`),
    ...foreign
      .filter((service) => valuesOf(service).some((value) => portsIn(value).includes(port)))
      .map((service) => `an option of ${serviceName(service)}`),
  ];
}

function valuesOf({ options, others }: MasterService): readonly string[] {
  return [...options.values(), ...others];
}

/** The ports of this machine that a value names, as Postfix writes destinations. */
export function portsIn(value: string): readonly string[] {
  return [...value.matchAll(/(?:127\.0\.0\.1|localhost|::1)\]?:(\d+)\b/g)].map(([, port = '']) => port);
}

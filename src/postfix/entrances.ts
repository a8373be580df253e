// Which services and settings of a Postfix lead mail to sealpost, and which take it back. Pure.

import { nextHopsOf } from '../config/next-hops.ts';
import type { Config } from '../config/schema.ts';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../config/units.ts';
import { listOf, type PostfixModel, type PostfixService, settingOf } from './model.ts';
import { endpointOf, parseTransport, type Transport } from './transport.ts';

type Places = Pick<Config, 'filter' | 'receiver'>;

/** The service of master.cf that a transport names; undefined: there is none. */
export function serviceOf({ services }: PostfixModel, { service }: Transport): PostfixService | undefined {
  return services.find(
    ({ name, type }) => name === service && (type === 'unix' || type === 'inet' || type === 'pass'),
  );
}

/** Where a next hop of this Postfix leads; null as in {@link endpointOf}. */
export function hopEndpoint(postfix: PostfixModel, nextHop: string): Endpoint | null {
  return endpointOf(nextHop, settingOf(postfix, 'queue_directory'));
}

/** Whether who connects to `asked` reaches who listens at `listens`. */
export function reaches(asked: Endpoint, listens: Endpoint): boolean {
  if (asked.kind === 'unix' || listens.kind === 'unix')
    return formatEndpoint(asked) === formatEndpoint(listens);
  const host = ({ host }: { readonly host: string }): string => (host === 'localhost' ? '127.0.0.1' : host);
  const isAll = ['0.0.0.0', '::'].includes(listens.host);
  return asked.port === listens.port && (isAll || host(asked) === host(listens));
}

/** Every place where sealpost takes mail. */
export function ownEndpoints({ filter, receiver }: Places): readonly Endpoint[] {
  return [...filter.listen.map(({ address }) => address), ...receiver.listen];
}

/** Whether mail for a transport comes to sealpost: by lmtp(8), smtp(8), or pipe(8) with sealpost-pipe. */
export function leadsToUs(postfix: PostfixModel, places: Places, value: string): boolean {
  const transport = parseTransport(value);
  const service = serviceOf(postfix, transport);
  if (service === undefined) return false;
  if (service.command === 'pipe') return /\bsealpost-pipe\b/.test(service.args);
  if (service.command !== 'lmtp' && service.command !== 'smtp') return false;
  const asked = hopEndpoint(postfix, transport.nextHop);
  return asked !== null && ownEndpoints(places).some((own) => reaches(asked, own));
}

/** Whether virtual(8) puts mail into a spool of the receiver's: there it is sealed next. */
function fillsSpool(postfix: PostfixModel, { receiver }: Places): boolean {
  const base = settingOf(postfix, 'virtual_mailbox_base');
  const folder = /^static:(.*?)\/?$/.exec(settingOf(postfix, 'virtual_mailbox_maps'))?.[1];
  if (base === '' || folder === undefined) return false;
  return receiver.spool.some((spool) => spool === `${base}/${folder}`);
}

/** By which of its settings a Postfix hands mail to sealpost. */
export interface Entrances {
  /** content_filter of main.cf: everything that is accepted, before aliases of local(8) and the like. */
  readonly contentFilter: boolean;
  /** Listeners whose own content_filter or smtpd_proxy_filter is sealpost. */
  readonly listeners: readonly PostfixService[];
  readonly virtual: boolean;
  readonly mailbox: boolean;
  readonly relay: boolean;
  /** mydestination's mail leaves Postfix for sealpost without local(8). */
  readonly local: boolean;
}

export function entrancesOf(postfix: PostfixModel, places: Places): Entrances {
  const leads = (name: string, service?: PostfixService): boolean =>
    leadsToUs(postfix, places, settingOf(postfix, name, service));
  const proxied = (service: PostfixService): boolean => {
    const asked = hopEndpoint(postfix, service.overrides.get('smtpd_proxy_filter') ?? '');
    return asked !== null && ownEndpoints(places).some((own) => reaches(asked, own));
  };
  return {
    contentFilter: leads('content_filter'),
    listeners: postfix.services.filter(
      (service) =>
        (service.overrides.has('content_filter') && leads('content_filter', service)) || proxied(service),
    ),
    virtual:
      leads('virtual_transport') ||
      (parseTransport(settingOf(postfix, 'virtual_transport')).service === 'virtual' &&
        fillsSpool(postfix, places)),
    mailbox: leads('mailbox_transport'),
    relay: leads('relay_transport'),
    local: leads('local_transport'),
  };
}

/** Mail is sealed before Postfix expands aliases for the last time: what it makes afterwards is not. */
export function isGateway({ contentFilter, listeners }: Entrances): boolean {
  return contentFilter || listeners.length > 0;
}

export function isWired(wiring: Entrances): boolean {
  const { virtual, mailbox, relay, local } = wiring;
  return isGateway(wiring) || virtual || mailbox || relay || local;
}

/** The endpoint on which a service of type inet listens; null for another one, and for names of ports. */
export function listensAt({ name, type }: PostfixService): Endpoint | null {
  if (type !== 'inet') return null;
  const parsed = parseEndpoint(/^(\d+)$/.test(name) ? `0.0.0.0:${name}` : name);
  return parsed.ok ? parsed.value : null;
}

/** The smtpd(8) services that take back what sealpost hands on. */
export function waysBack(
  { services }: PostfixModel,
  { filter }: Pick<Config, 'filter'>,
): readonly PostfixService[] {
  const hops = nextHopsOf(filter).map(({ endpoint }) => endpoint);
  return services.filter((service) => {
    const at = listensAt(service);
    return at !== null && hops.some((hop) => reaches(hop, at));
  });
}

/** The services that carry mail to sealpost, each once. */
export function deliveryServices(postfix: PostfixModel, places: Places): readonly PostfixService[] {
  const values = [
    ...['content_filter', 'virtual_transport', 'mailbox_transport', 'relay_transport', 'local_transport'].map(
      (name) => settingOf(postfix, name),
    ),
    ...postfix.services.map(({ overrides }) => overrides.get('content_filter') ?? ''),
  ];
  const found = values
    .filter((value) => leadsToUs(postfix, places, value))
    .map((value) => serviceOf(postfix, parseTransport(value)));
  return [...new Set(found.filter((service) => service !== undefined))];
}

/** A place where main.cf, master.cf or a table says FILTER. */
export interface FilterAction {
  /** `header_checks`, `sealpost-bounces header_checks`. */
  readonly where: string;
  readonly destination: string;
}

/** FILTER actions of a table's text (header_checks(5), access(5)); comments do not count. */
export function filterActions(where: string, text: string): readonly FilterAction[] {
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'));
  return lines.flatMap((line) =>
    [...line.matchAll(/\bFILTER\s+([^\s}]+)/gi)].map(([, destination = '']) => ({ where, destination })),
  );
}

/** Names of the tables in a setting that holds some: `hash:/etc/postfix/transport`, `regexp:{{...}}`. */
export function tablesOf(value: string): readonly string[] {
  return listOf(value).filter((word) => /^[a-z_]+:/.test(word));
}

// What no single key can tell: two listeners on one address, a next hop that is ourselves, limits that contradict each other.
import { showValue } from './errors.ts';
import { type DocumentProblem, formatKey, valueAt } from './problems.ts';
import { type Config, configSchema, parseConfig } from './schema.ts';
import { type Endpoint, formatEndpoint, parseEndpoint, parseNextHop } from './units.ts';

interface NamedEndpoint {
  readonly path: readonly PropertyKey[];
  readonly endpoint: Endpoint;
  /** false: a default that the file does not mention. */
  readonly written: boolean;
}

/**
 * Checks a document as it was written, with defaults where it says nothing. Works on documents that the schema refuses as
 * well (a value that cannot be read is left out), so that everything is reported at once. Pure.
 */
export function crossCheck(document: unknown): DocumentProblem[] {
  const listeners = listeningEndpoints(document);
  return [
    ...sameAddress(listeners)
      .filter((pair) => pair.written)
      .map(({ problem }) => problem),
    ...sameName(document),
    ...loopingNextHops(document, listeners),
    ...unixOnlyKeys(document),
    ...besideEmbedded(document),
  ];
}

/** What will work, but is probably not what was meant. One sentence each. */
export function warningsAbout(config: Config, document: unknown): string[] {
  // A default that nobody wrote may belong to a program that nobody runs here, so it is no error.
  const warnings = sameAddress(listeningEndpoints(document))
    .filter((pair) => !pair.written)
    .map(({ problem }) => `${problem.key}: found ${problem.found}; expected ${problem.expected}`);
  const { filter } = config;
  if (filter.memory_budget < filter.max_message_size) {
    warnings.push(
      'filter.memory_budget is below filter.max_message_size: a message above the budget is taken only while nothing else is in flight',
    );
  }
  if (filter.duplicate_lifetime < 5 * 86_400_000) {
    warnings.push(
      "filter.duplicate_lifetime is below 5d, Postfix's maximal_queue_lifetime: a late retry could deliver a second time",
    );
  }
  for (const [index, listener] of filter.listen.entries()) {
    if (listener.before_queue && listener.protocol === 'lmtp') {
      warnings.push(
        `filter.listen[${index}].before_queue is set on an LMTP listener, but Postfix's smtpd_proxy_filter speaks SMTP`,
      );
    }
  }
  return warnings;
}

const SINGLE_LISTENERS: readonly (readonly string[])[] = [
  ...Object.keys(configSchema.shape.policy.unwrap().shape.tcp.unwrap().shape).map((map) => [
    'policy',
    'tcp',
    map,
  ]),
  ['policy', 'socketmap', 'listen'],
  ['policy', 'delegation', 'listen'],
  ['receiver', 'api', 'listen'],
  ['portal', 'listen'],
  ['portal', 'trusted_listen'],
  ['observe', 'listen'],
];

/** Every address that the file, or a default, makes us listen on. */
function listeningEndpoints(document: unknown): NamedEndpoint[] {
  const found: { path: readonly PropertyKey[]; value: unknown; written: boolean }[] = [];
  const ownList = valueAt(document, ['filter', 'listen']) !== undefined;
  for (const [index, table] of listOfTables(document).entries()) {
    const path = ['filter', 'listen', index, 'address'];
    found.push({ path, value: valueAt(table, ['address']), written: ownList });
  }
  for (const path of SINGLE_LISTENERS) {
    found.push({
      path,
      value: valueOrDefault(document, path),
      written: valueAt(document, path) !== undefined,
    });
  }
  const receiver = valueAt(document, RECEIVER);
  for (const [index, value] of (Array.isArray(receiver) ? receiver : [receiver]).entries()) {
    found.push({ path: Array.isArray(receiver) ? [...RECEIVER, index] : RECEIVER, value, written: true });
  }
  return found.flatMap(({ path, value, written }) => {
    const parsed = typeof value === 'string' ? parseEndpoint(value) : undefined;
    return parsed?.ok ? [{ path, endpoint: parsed.value, written }] : [];
  });
}

const RECEIVER = ['receiver', 'listen'];

/** Whether a listener takes mail, and could get back what we send to the next hop. */
function takesMail(listener: NamedEndpoint): boolean {
  return listener.path[0] === 'filter' || (listener.path[0] === 'receiver' && listener.path[1] === 'listen');
}

function listOfTables(document: unknown): readonly unknown[] {
  const listeners = valueOrDefault(document, ['filter', 'listen']);
  return Array.isArray(listeners) ? listeners : [];
}

function valueOrDefault(document: unknown, path: readonly string[]): unknown {
  const value = valueAt(document, path);
  return value === undefined ? valueAt(defaultDocument(), path) : value;
}

let defaults: unknown;

/** The defaults as people would write them: addresses as text. */
function defaultDocument(): unknown {
  defaults ??= asWritten(parseConfig({}).data);
  return defaults;
}

/** Parsed addresses as the text they came from, everything else as it is. */
function asWritten(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(asWritten);
  if ('kind' in value && (value.kind === 'inet' || value.kind === 'unix'))
    return formatEndpoint(value as Endpoint);
  return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, asWritten(child)]));
}

/** Whether binding the one prevents binding the other. */
function collide(a: Endpoint, b: Endpoint): boolean {
  if (a.kind === 'unix' || b.kind === 'unix')
    return a.kind === b.kind && formatEndpoint(a) === formatEndpoint(b);
  if (a.port !== b.port) return false;
  const [hostA, hostB] = [canonicalHost(a.host), canonicalHost(b.host)];
  return hostA === hostB || covers(hostA, hostB) || covers(hostB, hostA);
}

function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  return lower === 'localhost' ? '127.0.0.1' : lower;
}

/** 0.0.0.0 takes the port on every IPv4 address, and :: on every address (net.Server's default is dual-stack). */
function covers(wildcard: string, host: string): boolean {
  return wildcard === '::' || (wildcard === '0.0.0.0' && !host.includes(':'));
}

function sameAddress(listeners: readonly NamedEndpoint[]): { problem: DocumentProblem; written: boolean }[] {
  return listeners.flatMap((listener, index) => {
    const earlier = listeners.slice(0, index).find((other) => collide(other.endpoint, listener.endpoint));
    if (!earlier) return [];
    const problem = {
      key: formatKey(listener.path),
      found: JSON.stringify(formatEndpoint(listener.endpoint)),
      expected: `another address than ${formatKey(earlier.path)} = ${JSON.stringify(formatEndpoint(earlier.endpoint))}`,
    };
    return [{ problem, written: listener.written && earlier.written }];
  });
}

function sameName(document: unknown): DocumentProblem[] {
  const seen = new Map<string, number>();
  return listOfTables(document).flatMap((table, index) => {
    const name = valueAt(table, ['name']);
    if (typeof name !== 'string') return [];
    const earlier = seen.get(name);
    if (earlier === undefined) {
      seen.set(name, index);
      return [];
    }
    const path = ['filter', 'listen', index, 'name'];
    return [
      {
        key: formatKey(path),
        found: JSON.stringify(name),
        expected: `another name than filter.listen[${earlier}]`,
      },
    ];
  });
}

function loopingNextHops(document: unknown, listeners: readonly NamedEndpoint[]): DocumentProblem[] {
  const path = ['filter', 'next_hop'];
  return [
    ...loopingNextHop(path, valueAt(document, path) ?? 'smtp:127.0.0.1:10026', listeners),
    ...listOfTables(document).flatMap((table, index) =>
      loopingNextHop(['filter', 'listen', index, 'next_hop'], valueAt(table, ['next_hop']), listeners),
    ),
  ];
}

function loopingNextHop(
  path: readonly PropertyKey[],
  written: unknown,
  listeners: readonly NamedEndpoint[],
): DocumentProblem[] {
  const parsed = typeof written === 'string' ? parseNextHop(written) : undefined;
  if (!parsed?.ok) return [];
  const own = listeners.find(
    (listener) => takesMail(listener) && collide(listener.endpoint, parsed.value.endpoint),
  );
  if (!own) return [];
  const expected = `an address behind sealpost: this one is our own ${formatKey(own.path)}, and mail would loop`;
  return [{ key: formatKey(path), found: showValue(written), expected }];
}

/** Each section that has mode and group, and the addresses that they are for. */
function sectionsWithAccess(document: unknown): { path: readonly PropertyKey[]; addresses: unknown }[] {
  return [
    ...listOfTables(document).map((table, index) => ({
      path: ['filter', 'listen', index],
      addresses: valueAt(table, ['address']),
    })),
    ...[['policy', 'socketmap'], ['policy', 'delegation'], ['receiver'], ['receiver', 'api']].map((path) => ({
      path,
      addresses: valueOrDefault(document, [...path, 'listen']),
    })),
  ];
}

/** mode and group say nothing about a TCP port; somebody who set them believes the port to be protected. */
function unixOnlyKeys(document: unknown): DocumentProblem[] {
  return sectionsWithAccess(document).flatMap(({ path: section, addresses }) => {
    const kinds = (Array.isArray(addresses) ? addresses : [addresses]).map((address) => {
      const parsed = typeof address === 'string' ? parseEndpoint(address) : undefined;
      return parsed?.ok ? parsed.value.kind : 'none';
    });
    if (kinds.includes('unix') || !kinds.includes('inet')) return [];
    return ['mode', 'group'].flatMap((name) => {
      const path = [...section, name];
      const value = valueAt(document, path);
      if (value === undefined) return [];
      return [
        {
          path,
          key: formatKey(path),
          found: showValue(value),
          expected: 'none: it is for a unix socket only',
        },
      ];
    });
  });
}

/** The embedded server has neither a replica nor a pooler. */
function besideEmbedded(document: unknown): DocumentProblem[] {
  const url = valueAt(document, ['database', 'url']) ?? 'embedded:';
  if (url !== 'embedded:') return [];
  return Object.entries({ read_url: 'replica', listen_url: 'pooler' }).flatMap(([name, has]) => {
    const path = ['database', name];
    const found = valueAt(document, path);
    const expected = `none while database.url is "embedded:", which has no ${has}`;
    return found === undefined ? [] : [{ key: formatKey(path), found: showValue(found), expected }];
  });
}

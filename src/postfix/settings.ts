// What a Postfix's settings say of addresses, read from what postconf(1) prints. Pure.
import { normaliseDomain } from '../address/normalise.ts';

/** What sealpost needs to know of a Postfix to read an address as it does. */
export interface AddressSettings {
  /** allow_percent_hack, swap_bangpath, resolve_dequoted_address: as sealpost.toml has them in [postfix]. */
  readonly operators: Readonly<Record<Operator, boolean>>;
  /** The names and address literals for which Postfix delivers by itself, normalised: mydestination, and its addresses. */
  readonly localNames: readonly string[];
  /** myorigin, normalised; null where it is no domain. */
  readonly origin: string | null;
  /** Entries of mydestination that are no names: patterns, files and tables, which were not read. */
  readonly unread: readonly string[];
}

export type Operator = 'percent_hack' | 'bangpath' | 'dequote';

/** sealpost.toml's names and main.cf's. */
export const OPERATORS: Readonly<Record<Operator, string>> = {
  percent_hack: 'allow_percent_hack',
  bangpath: 'swap_bangpath',
  dequote: 'resolve_dequoted_address',
};

export const OPERATOR_NAMES = Object.keys(OPERATORS) as readonly Operator[];

/** What is asked for: `postconf -x NAME...`. */
export const ASKED_SETTINGS: readonly string[] = [
  ...Object.values(OPERATORS),
  'mydestination',
  'myorigin',
  'inet_interfaces',
  'proxy_interfaces',
];

/**
 * @param main what `postconf -x` printed for {@link ASKED_SETTINGS}
 * @param services what `postconf -P` printed: the settings of master.cf, which count for one service
 * @param machineLiterals the address literals of this machine's interfaces, for `inet_interfaces = all`
 */
export function readAddressSettings(
  main: string,
  services: string,
  machineLiterals: readonly string[],
): AddressSettings {
  const values = settingsOf(main);
  const overrides = settingsOf(services);
  const isOn = (name: string): boolean => {
    const own = [...overrides].filter(([key]) => key.endsWith(`/${name}`)).map(([, value]) => value);
    // Where one service has it on, an address may be read so.
    return [values.get(name) ?? 'yes', ...own].some((value) => value.toLowerCase() !== 'no');
  };
  const literals = [
    ...literalsOf(values.get('inet_interfaces') ?? 'all', machineLiterals),
    ...literalsOf(values.get('proxy_interfaces') ?? '', []),
  ];
  const destinations = wordsOf(values.get('mydestination') ?? '');
  const isName = (word: string) => !/[:/!]/.test(word) || word.startsWith('[');
  const names = [...destinations.filter(isName), ...literals].map(normaliseDomain);
  return {
    operators: {
      percent_hack: isOn(OPERATORS.percent_hack),
      bangpath: isOn(OPERATORS.bangpath),
      dequote: isOn(OPERATORS.dequote),
    },
    localNames: [...new Set(names.filter((name) => name !== null))],
    origin: normaliseDomain(values.get('myorigin') ?? ''),
    unread: destinations.filter((word) => !isName(word)),
  };
}

/** `name = value`, a line each; a value that goes on begins its line with a blank. */
export function settingsOf(text: string): ReadonlyMap<string, string> {
  const joined = text.replace(/\n[ \t]+/g, ' ');
  return new Map(
    joined.split('\n').flatMap((line): [string, string][] => {
      const at = line.indexOf('=');
      return at === -1 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()]];
    }),
  );
}

/** Blanks and commas separate the words of a list alike. */
export function wordsOf(value: string): readonly string[] {
  return value.split(/[\s,]+/).filter((word) => word !== '');
}

/** inet_interfaces and proxy_interfaces as address literals (postconf(5)); a host name in them has no literal. */
function literalsOf(value: string, all: readonly string[]): readonly string[] {
  return wordsOf(value).flatMap((word) => {
    if (word === 'all') return all;
    if (word === 'loopback-only' || word === 'localhost') return ['[127.0.0.1]', '[IPv6:::1]'];
    const address = word.replace(/^\[|\]$/g, '').replace(/^ipv6:/i, '');
    if (/^\d+(?:\.\d+){3}$/.test(address)) return [`[${address}]`];
    return address.includes(':') ? [`[IPv6:${address}]`] : [];
  });
}

// The few keys of sealpost.toml that the thin pipe needs. The whole schema is not loaded here: starting up is most of what
// the pipe does. A test holds names and defaults against the schema.
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { parse } from 'smol-toml';
import { confFiles, isTable, mergeDocuments, type Table } from '../../src/config/conf-d.ts';
import {
  type Endpoint,
  type Parsed,
  parseDuration,
  parseEndpoint,
  parseSize,
  reachable,
} from '../../src/config/units.ts';

export interface PipeSettings {
  /** The file that was read; undefined when there is none and the defaults hold. */
  readonly configPath: string | undefined;
  readonly hostname: string;
  /** Where `sealpost serve` speaks LMTP, the best one first. */
  readonly listeners: readonly Endpoint[];
  /** Do the work in this process: pipe.standalone, or pipe.reinject = "sendmail". */
  readonly standalone: boolean;
  /** Milliseconds from the start of the process. */
  readonly deadline: number;
  /** Bytes. */
  readonly maxMessageSize: number;
}

/** The configuration cannot be read or is wrong; the message is one sentence. */
export class BadConfiguration extends Error {
  override readonly name = 'BadConfiguration';
}

const PIPE_KEYS = ['standalone', 'reinject', 'sendmail', 'deadline'];

/**
 * Finds and reads the configuration file.
 * @throws BadConfiguration
 */
export function loadPipeSettings(
  given: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  cwd: string,
): PipeSettings {
  const named = given ?? (environment.SEALPOST_CONFIG || undefined);
  const candidates = named === undefined ? ['sealpost.toml', '/etc/sealpost/sealpost.toml'] : [named];
  for (const candidate of candidates) {
    const path = resolve(cwd, candidate);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      const code = errorCode(error);
      if (named === undefined && (code === 'ENOENT' || code === 'ENOTDIR')) continue;
      throw new BadConfiguration(`${path} cannot be read (${code})`);
    }
    return readPipeSettings(text, path, readConfFiles(path));
  }
  return readPipeSettings('', undefined);
}

/** conf.d/*.toml beside it: path and text of each. */
function readConfFiles(path: string): readonly (readonly [string, string])[] {
  try {
    return confFiles(path).map((each) => [each, readFileSync(each, 'utf8')] as const);
  } catch (error) {
    throw new BadConfiguration(`conf.d beside ${path} cannot be read (${errorCode(error)})`);
  }
}

function readDocument(text: string, file: string): Table {
  try {
    return parse(text);
  } catch (error) {
    throw new BadConfiguration(
      `${file} is not valid TOML (line ${lineOf(error)}); see "sealpost config check"`,
    );
  }
}

/**
 * Reads the settings out of the text of sealpost.toml.
 * @param more path and text of each file of conf.d
 * @throws BadConfiguration that names every wrong key
 */
export function readPipeSettings(
  text: string,
  path: string | undefined,
  more: readonly (readonly [string, string])[] = [],
): PipeSettings {
  const file = path ?? 'the configuration';
  const document = mergeDocuments([
    readDocument(text, file),
    ...more.map(([name, each]) => readDocument(each, name)),
  ]);
  const problems: string[] = [];
  const table = (value: unknown, key: string): Readonly<Record<string, unknown>> => {
    if (value === undefined) return {};
    if (isTable(value)) return value;
    problems.push(`${key}: expected a table`);
    return {};
  };
  const unit = <T>(key: string, value: unknown, fallback: T, read: (text: string) => Parsed<T>): T => {
    if (value === undefined) return fallback;
    const parsed: Parsed<T> =
      typeof value === 'string' || typeof value === 'number'
        ? read(String(value))
        : { ok: false, expected: 'a string' };
    if (parsed.ok) return parsed.value;
    problems.push(`${key}: expected ${parsed.expected}`);
    return fallback;
  };

  const root = table(document, '');
  const filter = table(root.filter, 'filter');
  const pipe = table(root.pipe, 'pipe');
  for (const key of Object.keys(pipe))
    if (!PIPE_KEYS.includes(key)) problems.push(`pipe.${key}: unknown key`);
  const standalone = pipe.standalone ?? false;
  if (typeof standalone !== 'boolean') problems.push('pipe.standalone: expected true or false');
  const reinject = pipe.reinject ?? 'next_hop';
  if (reinject !== 'next_hop' && reinject !== 'sendmail') {
    problems.push('pipe.reinject: expected "next_hop" or "sendmail"');
  }
  const name = root.hostname ?? hostname();
  if (typeof name !== 'string' || name === '') problems.push('hostname: expected a host name');
  const settings: PipeSettings = {
    configPath: path,
    hostname: String(name),
    listeners: readListeners(filter.listen, problems, unit),
    standalone: standalone === true || reinject === 'sendmail',
    deadline: unit('pipe.deadline', pipe.deadline, 900_000, parseDuration),
    maxMessageSize: unit('filter.max_message_size', filter.max_message_size, 50_000_000, parseSize),
  };
  if (problems.length === 0 && settings.listeners.length === 0 && !settings.standalone) {
    problems.push('filter.listen: expected a listener with protocol = "lmtp" for sealpost-pipe');
  }
  if (problems.length > 0) throw new BadConfiguration(`${file}: ${problems.join('; ')}`);
  return settings;
}

type ReadUnit = (
  key: string,
  value: unknown,
  fallback: Endpoint,
  read: (text: string) => Parsed<Endpoint>,
) => Endpoint;

/** The LMTP listeners: unix sockets before ports, since only they need no port that others could take. */
function readListeners(value: unknown, problems: string[], unit: ReadUnit): readonly Endpoint[] {
  const fallback: Endpoint = { kind: 'inet', host: '127.0.0.1', port: 10024 };
  if (value === undefined) return [fallback];
  if (!Array.isArray(value)) {
    problems.push('filter.listen: expected [[filter.listen]] tables');
    return [];
  }
  const endpoints = value.flatMap((entry: unknown, index): readonly Endpoint[] => {
    if (isTable(entry) && entry.protocol === 'lmtp' && entry.address !== undefined) {
      return [reachable(unit(`filter.listen.${index}.address`, entry.address, fallback, parseEndpoint))];
    }
    if (!isTable(entry) || entry.protocol !== 'smtp') {
      problems.push(`filter.listen.${index}: expected protocol = "lmtp" or "smtp", and an address`);
    }
    return [];
  });
  return [
    ...endpoints.filter((endpoint) => endpoint.kind === 'unix'),
    ...endpoints.filter((endpoint) => endpoint.kind === 'inet'),
  ];
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}

function lineOf(error: unknown): string {
  return error instanceof Error && 'line' in error ? String(error.line) : 'unknown';
}

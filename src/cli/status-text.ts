// `sealpost status` for people. Pure.
import { EVENTS } from '../observe/events.ts';
import { printable, table } from './table.ts';

/** What serve says of itself; anything may be missing: another version may run. */
export type ServeStatus = Readonly<Record<string, unknown>>;

export interface Status {
  readonly version: string;
  /** null: there is no file, the defaults hold. */
  readonly config: string | null;
  /** As a person knows it, without a password. */
  readonly database_name: string;
  readonly running: boolean;
  readonly serve: ServeStatus | null;
  /** null: it could not be asked. */
  readonly database: Readonly<Record<string, number>> | null;
  /** What is wrong, one sentence each. */
  readonly problems: readonly string[];
}

const WIDTH = 14;
const line = (name: string, text: string): string => `${name.padEnd(WIDTH)} ${printable(text)}`;

export function statusInWords(status: Status): string {
  const { serve, database, problems } = status;
  return [
    line('sealpost', status.version),
    line('configuration', status.config ?? 'no file: the defaults hold'),
    line('database', status.database_name),
    line('serve', serve === null ? 'not running; start it with: sealpost serve' : runningInWords(serve)),
    ...(serve === null ? [] : serveInWords(serve)),
    ...(database === null ? [] : databaseInWords(database)),
    '',
    ...(problems.length === 0
      ? ['Nothing is wrong that can be seen from here; "sealpost doctor" looks closer.']
      : ['Wrong:', ...problems.map((problem) => `  ${printable(problem)}`), 'See also: sealpost doctor']),
  ].join('\n');
}

function runningInWords({ uptime_seconds, pid, version }: ServeStatus): string {
  return `running for ${timeInWords(Number(uptime_seconds ?? 0))} (pid ${String(pid)}, version ${String(version)})`;
}

/** Such as `3 h 12 min`. */
export function timeInWords(seconds: number): string {
  const [days, hours, minutes] = [seconds / 86_400, (seconds / 3600) % 24, (seconds / 60) % 60].map(
    Math.floor,
  );
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

function tableOf(value: unknown): ServeStatus {
  return typeof value === 'object' && value !== null ? (value as ServeStatus) : {};
}

function serveInWords(serve: ServeStatus): readonly string[] {
  const listeners = Array.isArray(serve.listeners) ? serve.listeners.map(tableOf) : [];
  const inFlight = tableOf(serve.in_flight);
  return [
    ...listeners.map(({ name, address, connections }, index) =>
      line(
        index === 0 ? 'listeners' : '',
        `${String(name)} ${String(address)}, ${String(connections)} connections`,
      ),
    ),
    ...(serve.next_hop === undefined ? [] : [line('next hop', String(serve.next_hop))]),
    ...(inFlight.transactions === undefined
      ? []
      : [line('in flight', `${String(inFlight.transactions)} messages, ${String(inFlight.bytes)} bytes`)]),
    ...replicaInWords(serve.replica),
    ...fatesInWords(tableOf(serve.fates), Number(serve.uptime_seconds ?? 0)),
  ];
}

function replicaInWords(replica: unknown): readonly string[] {
  if (replica === undefined) return [];
  const { lag_seconds } = tableOf(replica);
  const said = typeof lag_seconds === 'number' ? `${lag_seconds.toFixed(1)} s behind` : 'cannot be asked';
  return [line('replica', said)];
}

const SPANS = [
  ['last_minute', 'last minute', 60],
  ['last_hour', 'last hour', 3600],
  ['last_day', 'last day', 86_400],
] as const;

/** Always told, the others when there were some. */
const USUAL: readonly string[] = ['sealed', 'passed', 'deferred', 'refused'];

/** @param uptime seconds: what is older than the process was counted by nobody */
function fatesInWords(fates: ServeStatus, uptime: number): readonly string[] {
  if (fates.last_day === undefined) return [];
  const counts = SPANS.map(([span]) => tableOf(fates[span]));
  const events = Object.keys(EVENTS).filter(
    (event) => USUAL.includes(event) || counts.some((count) => Number(count[event] ?? 0) > 0),
  );
  const titles = SPANS.map(([, title, seconds]) => (uptime < seconds ? `${title} *` : title));
  const rows = events.map((event) => [
    event.padEnd(WIDTH - 1),
    ...counts.map((count) => String(count[event] ?? 0)),
  ]);
  const isYoung = uptime < 86_400;
  return [
    '',
    table([['recipients'.padEnd(WIDTH - 1), ...titles], ...rows]),
    ...(isYoung ? [`* since serve was started, ${timeInWords(uptime)} ago`] : []),
    '',
  ];
}

function databaseInWords(database: Readonly<Record<string, number>>): readonly string[] {
  const of = (name: string): number => database[name] ?? 0;
  return [
    line('domains', String(of('domains'))),
    line(
      'users',
      database.users_with_keys === undefined
        ? `about ${of('users')}`
        : `${of('users')}: ${of('users_with_keys')} with a key, ${of('users_without_keys')} without`,
    ),
    line('aliases', String(of('aliases'))),
    line('keys', String(of('keys'))),
    line('queue', `${of('queue_messages')} messages, ${of('queue_bytes')} bytes`),
    line('remembered', `${of('remembered')} acceptances`),
  ];
}

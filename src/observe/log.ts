// The log: pino, one JSON object a line on standard error. Never a body, a header, a password, or a third person's address.
import { createRequire } from 'node:module';
import { type DestinationStream, destination, pino } from 'pino';
import { PROBLEM_LEVEL } from './problems.ts';

export type Logger = pino.Logger;

export interface LoggerOptions {
  readonly level: pino.LevelWithSilent;
  /** `text`: a line for people. Default: one JSON object a line. */
  readonly format?: 'json' | 'text';
  /** Each line begins with its priority, `<3>` say, as sd-daemon(3) has it: for a service manager that reads them. */
  readonly priorities?: boolean;
  /** Default: standard error, written synchronously so that the last line before an exit is not lost. */
  readonly destination?: DestinationStream;
  /** Told of each line at level warn and above that has a code. */
  readonly noticed?: (event: string, level: number) => void;
}

/** Fields that hold secrets or content wherever somebody logs a whole object by mistake. */
const NEVER_LOGGED = [
  'password',
  'connectionString',
  'url',
  'read_url',
  'listen_url',
  'token',
  'authorization',
  'body',
  'header',
  'subject',
  'sender',
  'from',
  'mailFrom',
  'certificate',
  'secretKey',
  'passphrase',
];

/**
 * Makes the logger of a process. Log calls name the fields that they log, and never pass on an envelope or a message; as a
 * second line of defence, fields with the names of secrets and senders are replaced on the two upper levels of every record.
 */
export function createLogger(options: LoggerOptions): Logger {
  const paths = NEVER_LOGGED.flatMap((field) => [field, `*.${field}`]);
  return pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths, censor: '[redacted]' },
      serializers: { err: describeError, error: describeError },
      ...(options.noticed === undefined ? {} : { hooks: hooksFor(options.noticed) }),
    },
    linesTo(options.destination ?? destination({ dest: 2, sync: true }), options),
  );
}

/** Tells of codes, and lets the line be written as ever. */
function hooksFor(noticed: NonNullable<LoggerOptions['noticed']>): NonNullable<pino.LoggerOptions['hooks']> {
  return {
    logMethod(args, method, level) {
      const [fields] = args as readonly unknown[];
      if (level >= PROBLEM_LEVEL && typeof fields === 'object' && fields !== null && 'event' in fields)
        noticed(String(fields.event), level);
      method.apply(this, args);
    },
  };
}

/** Priorities of syslog(3), by pino's levels. */
const PRIORITY = [
  [60, 2],
  [50, 3],
  [40, 4],
  [30, 6],
] as const;

/** Loaded by whoever wants text only: every command starts with this file. */
function textLines(): (line: string) => string {
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  return prettyFactory({
    colorize: false,
    singleLine: true,
    ignore: 'pid,hostname',
    translateTime: 'SYS:standard',
  });
}

/** What stands between pino and where its lines go. */
function linesTo(
  target: DestinationStream,
  { format = 'json', priorities = false }: Pick<LoggerOptions, 'format' | 'priorities'>,
): DestinationStream {
  if (format === 'json' && !priorities) return target;
  const text = format === 'json' ? undefined : textLines();
  return {
    // pino tells the level of the line that it writes (pino.metadata).
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 30,
    write(line: string) {
      const shown = text === undefined ? line : text(line);
      const priority = PRIORITY.find(([least]) => this.lastLevel >= least)?.[1] ?? 7;
      target.write(priorities ? `<${priority}>${shown}` : shown);
    },
  } as DestinationStream & { lastLevel: number };
}

/** What is logged of an error: its name, code and message, and the same of its causes; texts of queries stay out. */
export interface LoggedError {
  readonly type: string;
  readonly code?: string;
  readonly message: string;
  readonly cause?: LoggedError;
}

/**
 * An error as it is logged. A stack is left out: it is for programmers, and drizzle's and pg's carry the parameters of
 * the query, which are addresses.
 */
export function describeError(error: unknown, depth = 0): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: withoutAddresses(String(error)) };
  const code = 'code' in error ? String(error.code) : undefined;
  const message = withoutAddresses(error.message.split('\nparams:')[0] ?? '');
  const cause = error.cause === undefined || depth >= 4 ? undefined : describeError(error.cause, depth + 1);
  return {
    type: error.name,
    ...(code === undefined ? {} : { code }),
    message,
    ...(cause === undefined ? {} : { cause }),
  };
}

/**
 * Where in the program an error arose: the places of its stack alone, since the text before them may quote anything.
 * For what must not happen, beside the error itself.
 */
export function placesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [];
  const lines = (error.stack ?? '').split('\n');
  return lines.flatMap((line) => withoutAddresses(/^\s+at (.*)$/.exec(line)?.[1] ?? '') || []);
}

/** A database as our own texts name it: with the role, and without a password. */
const OWN_DATABASE =
  'postgres(?:ql)?:\\/\\/[^\\s:@/<>"\'(),;]+@[\\w.:\\[\\]-]+(?:,[\\w.:\\[\\]-]+)*(?:\\/[\\w.-]*)?(?![\\w@?/])';
const ADDRESS = '(?:"(?:[^"\\\\]|\\\\.)*"|[^\\s<>"\'(),;=]+)@[^\\s<>"\'(),;]+';
const MASKED = new RegExp(`(${OWN_DATABASE})|${ADDRESS}`, 'g');

/**
 * Replaces everything that looks like an address or a URL's user information: texts of others quote both. A database's URL
 * without a password stays: an administrator has to know which one does not answer.
 */
export function withoutAddresses(text: string): string {
  return text.replace(MASKED, (_found, database: string | undefined) => database ?? '<address>');
}

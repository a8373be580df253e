// `sealpost status`: what runs and what it did (asked of the running serve over its own observe listener), what the database
// holds, and what is wrong. Each of the two may be away: the other one is told of all the same.
import type { Command } from 'commander';
import type { LoadedConfig } from '../config/load.ts';
import { packageVersion } from '../config/package.ts';
import { formatEndpoint } from '../config/units.ts';
import { embeddedFolder, isEmbeddedMissing } from '../database/embedded/place.ts';
import { isDatabaseUnavailable, redactUrl } from '../database/errors.ts';
import { messageOf } from '../database/exit.ts';
import type { Database } from '../database/open.ts';
import { notAccepted, restoredFrom } from '../database/restored.ts';
import { KEYED_USERS } from '../directory/keyed-users.ts';
import { EXIT } from '../host/exit-codes.ts';
import { askObserve } from '../http/ask-observe.ts';
import { type CommandContext, run, withCommonOptions } from './command.ts';
import { type ServeStatus, type Status, statusInWords } from './status-text.ts';

interface StatusOptions {
  readonly config?: string;
  readonly json?: boolean;
}

export function registerStatus(program: Command): void {
  withCommonOptions(
    program
      .command('status')
      .description(
        'what runs, what it did in the last minute, hour and day, what the database holds, and what is wrong; exit 1 when no serve answers',
      ),
    'sealpost status --json',
  ).action((options: StatusOptions) =>
    run(options, async (context) => {
      const [serve, stored] = await Promise.all([askServe(context.loaded), askDatabase(context)]);
      const status = statusOf(context.loaded, serve, stored);
      if (!status.running) process.exitCode = EXIT.refused;
      else if (status.database === null) process.exitCode = EXIT.temporary;
      context.print(status, statusInWords(status));
    }),
  );
}

/** What was asked, or why there is no answer. */
type Asked<T> = { readonly value: T; readonly problems: readonly string[] } | { readonly because: string };

function statusOf(
  { config, path, warnings }: LoadedConfig,
  serve: Asked<ServeStatus>,
  stored: Asked<Readonly<Record<string, number>>>,
): Status {
  const problems = [serve, stored].flatMap((asked) =>
    'because' in asked ? [asked.because] : asked.problems,
  );
  return {
    version: packageVersion(),
    config: path,
    database_name:
      config.database.url === 'embedded:'
        ? `embedded: (${embeddedFolder(config.state_dir)})`
        : redactUrl(config.database.url),
    running: 'value' in serve,
    serve: 'value' in serve ? serve.value : null,
    database: 'value' in stored ? stored.value : null,
    problems: [...new Set([...problems, ...warnings])],
  };
}

/** The running serve's own description, and why it is not ready. */
async function askServe({ config: { observe } }: LoadedConfig): Promise<Asked<ServeStatus>> {
  const { listen } = observe;
  if (listen === null) return { because: 'observe.listen is off: nobody can ask the running serve' };
  const [status, health] = await Promise.all([askObserve(listen, '/status'), askObserve(listen, '/readyz')]);
  if (status?.code !== 200 || typeof status.value !== 'object' || status.value === null)
    return { because: `no serve answers on ${formatEndpoint(listen)}` };
  const { reasons } = (health?.value ?? {}) as { readonly reasons?: unknown };
  const given = Array.isArray(reasons) ? reasons.map(String) : [];
  const { complaints } = status.value as { readonly complaints?: unknown };
  const said = Array.isArray(complaints) ? complaints.map(String) : [];
  return { value: status.value as ServeStatus, problems: [...given, ...said] };
}

async function askDatabase({
  loaded: { config },
  database,
}: CommandContext): Promise<Asked<Readonly<Record<string, number>>>> {
  // A question makes no database.
  if (isEmbeddedMissing(config)) return { because: 'there is no database yet: sealpost init' };
  try {
    const opened = await database();
    const from = await restoredFrom(opened.pool);
    return { value: await count(opened), problems: from === null ? [] : [notAccepted(from)] };
  } catch (error) {
    if (!isDatabaseUnavailable(error) && !hasNoRoom(error)) throw error;
    return { because: `what it holds is not known: ${messageOf(error)}` };
  }
}

/** The file system is full or read-only: an embedded database notes its users there. */
function hasNoRoom(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EROFS'].includes(String((error as { code?: unknown }).code));
}

async function count(database: Database): Promise<Readonly<Record<string, number>>> {
  // Users with a key are counted where all users are; beyond that, serve counts them in its own time.
  const { rows } = await database.pool.query<Record<string, string | null>>(
    `WITH few AS MATERIALIZED (SELECT count(*) AS users FROM (SELECT FROM users LIMIT ${COUNTED} + 1) AS part),
          keyed AS MATERIALIZED (SELECT count(*) AS users FROM (${KEYED_USERS}) AS part
                                  WHERE (SELECT users FROM few) <= ${COUNTED})
     SELECT ${counted('domains')}, ${counted('users')},
            CASE WHEN few.users <= ${COUNTED} THEN keyed.users END AS users_with_keys,
            CASE WHEN few.users <= ${COUNTED} THEN few.users - keyed.users END AS users_without_keys,
            ${counted('addresses', 'aliases', "kind = 'alias'", 'users')}, ${counted('keys')},
            ${counted('deliveries', 'remembered')},
            (SELECT coalesce(sum(messages), 0) FROM incoming_counts) AS queue_messages,
            (SELECT coalesce(sum(bytes), 0) FROM incoming_counts) AS queue_bytes
       FROM few, keyed`,
  );
  const known = Object.entries(rows[0] ?? {}).filter(([, value]) => value !== null);
  return Object.fromEntries(known.map(([name, value]) => [name, Number(value)]));
}

/** Rows that are counted one by one; of more, the planner's estimate is told. */
const COUNTED = 50_000;

/** SQL: how many rows a table has. @param without a table whose rows have others here, which are not meant */
function counted(table: string, name = table, condition = 'true', without?: string): string {
  const planned = (from: string): string =>
    `(SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = '${from}'::regclass)`;
  const estimate = without === undefined ? planned(table) : `${planned(table)} - ${planned(without)}`;
  return `(SELECT CASE WHEN part.rows <= ${COUNTED} THEN part.rows ELSE greatest(part.rows, ${estimate}) END
             FROM (SELECT count(*) AS rows FROM (SELECT FROM ${table} WHERE ${condition} LIMIT ${COUNTED} + 1) AS few) AS part)
          AS ${name}`;
}

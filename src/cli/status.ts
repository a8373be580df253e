// `sealpost status`: what runs and what it did in the last minute (asked of the running serve over its own metrics listener),
// and what the database holds, the queue included.
import { request } from 'node:http';
import type { Command } from 'commander';
import { type Endpoint, formatEndpoint } from '../config/units.ts';
import type { Database } from '../database/open.ts';
import { EXIT } from '../host/exit-codes.ts';
import { run, withCommonOptions } from './command.ts';

interface StatusOptions {
  readonly config?: string;
  readonly json?: boolean;
}

export function registerStatus(program: Command): void {
  withCommonOptions(
    program
      .command('status')
      .description(
        'what runs, what it did in the last minute, and what the database and its queue hold; exit 1 when no serve answers',
      ),
    'sealpost status --json',
  ).action((options: StatusOptions) =>
    run(options, async ({ loaded, database, print }) => {
      const { listen } = loaded.config.observe;
      const running = listen === null ? null : await askServe(listen);
      const stored = await count(await database());
      if (running === null) process.exitCode = EXIT.refused;
      print(
        { running: running !== null, serve: running, database: stored },
        [
          running === null
            ? `serve          not running: nothing answers on ${listen === null ? 'observe.listen (off)' : formatEndpoint(listen)}; start it with: sealpost serve`
            : 'serve          running',
          ...flatten(running).map(([name, value]) => `               ${name}: ${value}`),
          ...Object.entries(stored).map(([name, value]) => `${name.padEnd(14)} ${value}`),
        ].join('\n'),
      );
    }),
  );
}

const ASK_DEADLINE_MS = 2000;
const MOST_BYTES = 1_000_000;

/** The running serve's own description, or null when nobody answers as sealpost does. */
function askServe(listen: Endpoint): Promise<unknown> {
  return new Promise((resolve) => {
    const target =
      listen.kind === 'unix' ? { socketPath: listen.path } : { host: listen.host, port: listen.port };
    const asked = request({ ...target, path: '/status', timeout: ASK_DEADLINE_MS }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > MOST_BYTES) asked.destroy();
      });
      response.on('error', () => resolve(null));
      response.on('end', () => {
        try {
          resolve(response.statusCode === 200 ? JSON.parse(body) : null);
        } catch {
          resolve(null);
        }
      });
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(null));
    asked.end();
  });
}

async function count(database: Database): Promise<Readonly<Record<string, number>>> {
  const { rows } = await database.pool.query<Record<string, string>>(
    `SELECT (SELECT count(*) FROM domains) AS domains, (SELECT count(*) FROM users) AS users,
            (SELECT count(*) FROM addresses WHERE kind = 'alias') AS aliases, (SELECT count(*) FROM keys) AS keys,
            (SELECT count(*) FROM deliveries) AS remembered,
            (SELECT coalesce(sum(messages), 0) FROM incoming_counts) AS queue_messages,
            (SELECT coalesce(sum(bytes), 0) FROM incoming_counts) AS queue_bytes`,
  );
  return Object.fromEntries(Object.entries(rows[0] ?? {}).map(([name, value]) => [name, Number(value)]));
}

/** Nested facts as dotted names, for a person. */
function flatten(value: unknown, prefix = ''): readonly (readonly [string, string])[] {
  if (typeof value !== 'object' || value === null) return prefix === '' ? [] : [[prefix, String(value)]];
  return Object.entries(value).flatMap(([name, inner]) =>
    flatten(inner, prefix === '' ? name : `${prefix}.${name}`),
  );
}

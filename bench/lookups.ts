// The lookup daemons beside Postfix's own pgsql: map, on one directory in the same PostgreSQL and in the same run.
//
//   npx tsx bench/lookups.ts [--quick] [--addresses N]      part of `npm run bench`, too
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { waitUntil } from '../test/e2e/support/child.ts';
import { allocatePlaces, freePorts } from '../test/e2e/support/places.ts';
import { startPostgres } from '../test/e2e/support/private-postgres.ts';
import { createSealpost } from '../test/e2e/support/sealpost-process.ts';
import { ask, type LoadFigure, measureLoad, measurePostmap, residentMegabytes } from './lookups-client.ts';

export interface LookupsBenchOptions {
  /** In the directory; default 1,000,000, with `quick` 50,000. */
  readonly addresses?: number;
  readonly quick?: boolean;
  readonly progress?: (text: string) => void;
}

const KEYS = 20_000;
const SMALL = 1000;
const CONNECTIONS = 100;

const address = (index: number): string => `user${index}@bench.test`;
const answerTo = (key: string): string => `id_${Number(/^user(\d+)/.exec(key)?.[1]) + 1}@bench.test`;

/** A stride that visits every number below any size that it does not divide: random access that can be repeated. */
const scattered = (index: number, size: number): number => (index * 7919) % size;

/** What virtual_alias answers, in SQL: id addresses and forwards of users, targets of aliases (Postfix itself recurses). */
const ALIAS_QUERY =
  "SELECT unnest(array_prepend('id_' || u.id || '@' || a.domain, u.forwards)) FROM addresses a " +
  "JOIN users u ON u.id = a.user_id WHERE a.address = '%s' UNION ALL " +
  "SELECT t.target FROM addresses a JOIN alias_targets t ON t.alias_id = a.id WHERE a.address = '%s'";
/** The least that a map can ask: users, and nothing else. */
const USERS_QUERY = "SELECT 'id_' || user_id || '@' || domain FROM addresses WHERE address = '%s'";

interface Figures {
  readonly addresses: number;
  readonly cached: LoadFigure;
  readonly uncached: LoadFigure;
}

/**
 * Measures, and prints nothing.
 * @returns a Markdown section, ratios first
 * @throws Error when an answer was wrong
 */
export async function benchLookups(options: LookupsBenchOptions = {}): Promise<string> {
  const progress = options.progress ?? (() => undefined);
  const quick = options.quick ?? false;
  const total = Math.max(KEYS, options.addresses ?? (quick ? 50_000 : 1_000_000));
  const rounds = quick ? 3 : 5;
  const closing: (() => Promise<unknown>)[] = [];
  try {
    progress('lookups: starting PostgreSQL and sealpost ...');
    const postgres = await startPostgres([
      'fsync=off',
      'shared_buffers=512MB',
      'max_wal_size=4GB',
      'autovacuum=off',
    ]);
    closing.push(() => postgres.remove());
    const places = await allocatePlaces();
    closing.push(() => places.remove());
    const [port = 0] = await freePorts(1);
    const sealpost = await createSealpost({
      places,
      example: null,
      substitutions: {},
      config: {
        database: { url: postgres.url },
        filter: { listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` }] },
        policy: { tcp: { virtual_alias: `127.0.0.1:${port}` } },
        observe: { log_level: 'error' },
      },
    });
    closing.push(() => sealpost.close());
    const migrated = await sealpost.cli(['migrate']);
    if (migrated.code !== 0) throw new Error(`sealpost migrate: ${migrated.stderr}`);
    await sealpost.cli(['domain', 'add', 'bench.test']);
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    closing.push(() => client.end());

    const fill = async (from: number, to: number): Promise<void> => {
      await client.query(
        'INSERT INTO users (id, domain_id) SELECT n + 1, 1 FROM generate_series($1::int, $2::int) n',
        [from, to - 1],
      );
      await client.query(
        `INSERT INTO addresses (address, domain, kind, user_id)
         SELECT 'user' || n || '@bench.test', 'bench.test', 'user', n + 1 FROM generate_series($1::int, $2::int) n`,
        [from, to - 1],
      );
      // As after the first autovacuum: no question has to tidy up what the import left behind.
      await client.query('VACUUM (FREEZE, ANALYZE)');
      // Waits for what was written, so that it is not part of what is measured.
      await client.query('CHECKPOINT');
    };
    /** Every cached answer is forgotten, as after a change of many rows. */
    const forget = async (): Promise<void> => {
      await client.query(`SELECT pg_notify('sealpost_change', '{"table":"domains","key":null}')`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    };

    await fill(0, SMALL);
    await sealpost.start();
    const load = async (size: number): Promise<Figures> => {
      const per = quick ? 200 : 500;
      const keys = Math.min(size, KEYS);
      const key = (index: number) => address(scattered(index, keys));
      await measureLoad(port, CONNECTIONS, per, key);
      await ask(port, keys, 500, (index) => address(index));
      const cached = await measureLoad(port, CONNECTIONS, per, key);
      // As many different keys as there are questions, or as there are addresses.
      const uncached: LoadFigure[] = [];
      let from = 0;
      for (let round = 0; round < (size <= SMALL ? 10 : 1); round += 1) {
        await forget();
        const count = size <= SMALL ? SMALL / CONNECTIONS : per;
        uncached.push(
          await measureLoad(port, CONNECTIONS, count, (index) => address(scattered(from + index, size))),
        );
        from += count * CONNECTIONS;
      }
      return { addresses: size, cached, uncached: mean(uncached) };
    };
    const small = await load(SMALL);
    progress(`lookups: ${SMALL} addresses: ${figure(small.cached)} cached`);
    progress(`lookups: adding ${total} addresses ...`);
    await fill(SMALL, total);
    await forget();
    const large = await load(total);
    progress(`lookups: ${total} addresses: ${figure(large.cached)} cached`);

    const configDir = join(places.dir, 'postmap');
    await mkdir(configDir);
    await writeFile(join(configDir, 'main.cf'), 'compatibility_level = 3.6\n');
    const pgsqlMap = async (name: string, query: string): Promise<string> => {
      const file = join(configDir, `${name}.cf`);
      const where = [
        `hosts = inet:127.0.0.1:${postgres.port}`,
        'user = sealpost',
        'password = irrelevant',
        'dbname = sealpost',
      ];
      await writeFile(file, [...where, `query = ${query}`, ''].join('\n'));
      return `pgsql:${file}`;
    };
    const map = await pgsqlMap('alias', ALIAS_QUERY);
    const usersOnly = await pgsqlMap('users', USERS_QUERY);
    const table = `tcp:127.0.0.1:${port}`;
    const ours: number[] = [];
    const fresh: number[] = [];
    const theirs: number[] = [];
    const simplest: number[] = [];
    let set = 0;
    /** Keys that were not asked for in the rounds before (as far as there are enough). */
    const keySet = (): string[] => {
      set += 1;
      return Array.from({ length: KEYS }, (_, index) => address(scattered(index + set * KEYS, total)));
    };
    for (let round = 0; round <= rounds; round += 1) {
      await forget();
      const keys = keySet();
      const figures = [
        await measurePostmap(configDir, table, keys, answerTo),
        await measurePostmap(configDir, table, keys, answerTo),
        await measurePostmap(configDir, map, keySet(), answerTo),
        await measurePostmap(configDir, usersOnly, keySet(), answerTo),
      ] as const;
      const shown = figures.map((micros) => micros.toFixed(0)).join(', ');
      progress(`lookups: round ${round}: uncached, cached, pgsql: with and without aliases: ${shown} µs`);
      // The first round only warms everybody up.
      if (round === 0) continue;
      fresh.push(figures[0]);
      ours.push(figures[1]);
      theirs.push(figures[2]);
      simplest.push(figures[3]);
    }

    const pid = sealpost.pid() ?? 0;
    const questions = quick ? 200_000 : 1_000_000;
    const wide = (index: number) => address(scattered(index, total));
    // Fills the cache to its bound first.
    await ask(port, questions / 4, 500, wide);
    const before = residentMegabytes(pid);
    await ask(port, questions, 500, (index) => wide(index + questions));
    const after = residentMegabytes(pid);
    await waitUntil('serve to be alive', 1000, () => sealpost.pid() === pid);

    return report({
      total,
      cached: median(ours),
      uncached: median(fresh),
      pgsql: median(theirs),
      simplest: median(simplest),
      small,
      large,
      questions,
      before,
      after,
    });
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function mean(figures: readonly LoadFigure[]): LoadFigure {
  const of = (pick: (figure: LoadFigure) => number): number =>
    figures.reduce((sum, each) => sum + pick(each), 0) / figures.length;
  return {
    perSecond: of((each) => each.perSecond),
    p50: of((each) => each.p50),
    p99: of((each) => each.p99),
  };
}

function figure({ perSecond, p50, p99 }: LoadFigure): string {
  return `${perSecond.toFixed(0)}/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
}

interface Measured {
  readonly total: number;
  /** Microseconds per key. */
  readonly cached: number;
  readonly uncached: number;
  readonly pgsql: number;
  /** pgsql: with a query that knows no aliases. */
  readonly simplest: number;
  readonly small: Figures;
  readonly large: Figures;
  readonly questions: number;
  readonly before: number;
  readonly after: number;
}

function report(measured: Measured): string {
  const { total, cached, uncached, pgsql, simplest, small, large } = measured;
  const growth = (pick: (figures: Figures) => LoadFigure): string =>
    `${(pick(large).p50 / pick(small).p50).toFixed(2)} / ${(pick(large).p99 / pick(small).p99).toFixed(2)}`;
  return [
    '## Lookups',
    '',
    `virtual_alias on ${total} addresses, ${KEYS} keys by \`postmap -q -\`; Postfix's own \`pgsql:\` map asks the same PostgreSQL for the same answers (id addresses, forwards, alias targets).`,
    '',
    '| ratio | measured | target |',
    '|---|---|---|',
    `| Postfix's pgsql: map over sealpost, cached (time) | ${(pgsql / cached).toFixed(2)} | > 2.5 |`,
    `| Postfix's pgsql: map over sealpost, uncached (time) | ${(pgsql / uncached).toFixed(2)} | > 1 |`,
    `| growth from ${SMALL} to ${total} addresses, cached: p50 / p99 | ${growth((figures) => figures.cached)} | |`,
    `| growth from ${SMALL} to ${total} addresses, uncached: p50 / p99 | ${growth((figures) => figures.uncached)} | |`,
    `| memory after ${measured.questions} lookups over memory before | ${(measured.after / measured.before).toFixed(2)} | 1 |`,
    '',
    '| figure | value |',
    '|---|---|',
    `| one key by postmap: sealpost cached, uncached, pgsql: | ${cached.toFixed(0)}, ${uncached.toFixed(0)}, ${pgsql.toFixed(0)} µs |`,
    `| one key by postmap: pgsql: with the simplest query, which knows users only | ${simplest.toFixed(0)} µs |`,
    ...[small, large].flatMap((figures) => [
      `| ${CONNECTIONS} connections, ${figures.addresses} addresses, cached | ${figure(figures.cached)} |`,
      `| ${CONNECTIONS} connections, ${figures.addresses} addresses, uncached | ${figure(figures.uncached)} |`,
    ]),
    `| resident memory before and after ${measured.questions} lookups | ${measured.before.toFixed(0)}, ${measured.after.toFixed(0)} MB |`,
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' }, addresses: { type: 'string' } } });
  const text = await benchLookups({
    quick: values.quick ?? false,
    ...(values.addresses === undefined ? {} : { addresses: Number(values.addresses) }),
    progress: (line) => process.stderr.write(`bench: ${line}\n`),
  });
  process.stdout.write(`\n${text}\n`);
}

// The lookup daemons beside Postfix's own pgsql: map, on one directory in the same PostgreSQL and in the same run.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { waitUntil } from '../test/support/child.ts';
import { allocatePlaces, freePorts } from '../test/support/places.ts';
import { startPostgres } from '../test/support/private-postgres.ts';
import { createSealpost } from '../test/support/sealpost-process.ts';
import { ask, type LoadFigure, measureLoad, measurePostmap } from './lookups-client.ts';
import { treeResidentMegabytes } from './process-tree.ts';
import type { Finding, PartOptions, PartResult, Row } from './rows.ts';
import { median } from './statistics.ts';

const KEYS = 20_000;
const SMALL = 1000;
const CONNECTIONS = 100;
/** More different addresses than the cache holds. */
const FILLING = 60_000;

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

/** @throws Error when an answer was wrong */
export async function lookupsPart({ quick, progress, serveArguments }: PartOptions): Promise<PartResult> {
  const total = quick ? 50_000 : 1_000_000;
  const rounds = quick ? 3 : 5;
  const closing: (() => Promise<unknown>)[] = [];
  try {
    progress('starting PostgreSQL and sealpost ...');
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
      commands: 'program',
      places,
      example: null,
      substitutions: {},
      serveArguments,
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
    progress(`${SMALL} addresses: ${figure(small.cached)} cached`);
    progress(`adding ${total} addresses ...`);
    await fill(SMALL, total);
    await forget();
    const large = await load(total);
    progress(`${total} addresses: ${figure(large.cached)} cached`);

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
      progress(`round ${round}: uncached, cached, pgsql: with and without aliases: ${shown} µs`);
      // The first round only warms everybody up.
      if (round === 0) continue;
      fresh.push(figures[0]);
      ours.push(figures[1]);
      theirs.push(figures[2]);
      simplest.push(figures[3]);
    }

    const pid = sealpost.pid() ?? 0;
    const questions = quick ? 60_000 : 300_000;
    const wide = (index: number) => address(scattered(index, total));
    // Fills the cache to its bound first.
    progress('filling the cache to its bound');
    await ask(port, FILLING, 500, wide);
    progress(`${questions} lookups more: does the memory stay bounded?`);
    const before = treeResidentMegabytes(pid);
    await ask(port, questions, 500, (index) => wide(index + FILLING));
    const after = treeResidentMegabytes(pid);
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

function report(measured: Measured): PartResult {
  const { total, cached, uncached, pgsql, simplest, small, large } = measured;
  return {
    rows: [
      { work: 'one key by postmap: sealpost, cached', figures: { ms: cached / 1000 } },
      { work: 'one key by postmap: sealpost, not cached', figures: { ms: uncached / 1000 } },
      { work: "one key by postmap: Postfix's pgsql:, the same answers", figures: { ms: pgsql / 1000 } },
      { work: "one key by postmap: Postfix's pgsql:, users only", figures: { ms: simplest / 1000 } },
      ...[small, large].flatMap(loadRows),
      { work: 'resident memory of serve before', figures: { 'peak MB': measured.before } },
      { work: `the same after ${measured.questions} more lookups`, figures: { 'peak MB': measured.after } },
    ],
    findings: findingsOf(measured),
    charts: [
      {
        name: 'maps',
        title: 'One key by postmap, microseconds',
        kind: 'bars',
        xTitle: '',
        yTitle: 'microseconds',
        points: [
          { series: '', x: 'sealpost, cached', y: cached },
          { series: '', x: 'sealpost, not cached', y: uncached },
          { series: '', x: 'pgsql:, the same answers', y: pgsql },
          { series: '', x: 'pgsql:, users only', y: simplest },
        ],
      },
    ],
    notes: [
      `virtual_alias on ${total} addresses, ${KEYS} keys by \`postmap -q -\`; Postfix's own \`pgsql:\` map asks the same PostgreSQL for the ` +
        'same answers (id addresses, forwards, alias targets), and with the simplest query, which knows users only. Every answer was checked.',
    ],
  };
}

function loadRows({ addresses, cached, uncached }: Figures): Row[] {
  const row = (kind: string, { perSecond, p50, p99 }: LoadFigure): Row => ({
    work: `lookups on ${CONNECTIONS} connections, ${addresses} addresses, ${kind}`,
    figures: { 'lookups/s': perSecond, 'p50 ms': p50, 'p99 ms': p99 },
  });
  return [row('cached', cached), row('not cached', uncached)];
}

function findingsOf({ total, cached, uncached, pgsql, small, large, ...memory }: Measured): Finding[] {
  const growth = `lookups, growth from ${SMALL} to ${total} addresses`;
  const over = (kind: 'cached' | 'uncached', figure: 'p50' | 'p99'): number =>
    large[kind][figure] / small[kind][figure];
  return [
    {
      what: "lookup: time of Postfix's pgsql: map over that of sealpost, cached",
      measured: pgsql / cached,
      target: { is: 'above', value: 2.5 },
    },
    {
      what: "lookup: time of Postfix's pgsql: map over that of sealpost, not cached",
      measured: pgsql / uncached,
      target: { is: 'above', value: 1 },
    },
    { what: `${growth}, cached: p50`, measured: over('cached', 'p50') },
    { what: `${growth}, cached: p99`, measured: over('cached', 'p99') },
    { what: `${growth}, not cached: p50`, measured: over('uncached', 'p50') },
    { what: `${growth}, not cached: p99`, measured: over('uncached', 'p99') },
    {
      what: `memory of serve after ${memory.questions} lookups over before`,
      measured: memory.after / memory.before,
    },
  ];
}

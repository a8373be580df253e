// A running serve with traffic, watched: its alerts by promtool, every query of the dashboard by a real Prometheus, its page by Debian's
// Chromium, and the page while the database is frozen. $SEALPOST_PICTURES names a folder for screenshots.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram, waitUntil } from '../../support/child.ts';
import { CHROMIUM, lackOfChromium, lookAt } from '../../support/chromium.ts';
import { type Dashboard, expressionsOf } from '../../support/dashboard.ts';
import { createGpgHome, type GpgHome, makeKey } from '../../support/keys.ts';
import { makeMaildir } from '../../support/maildir.ts';
import { skipFor } from '../../support/needs.ts';
import { allocatePlaces, freePorts, type Places, repository } from '../../support/places.ts';
import { type PrivatePostgres, startPostgres } from '../../support/private-postgres.ts';
import { type PrivatePrometheus, startPrometheus } from '../../support/private-prometheus.ts';
import { createSealpost, type SealpostProcess } from '../../support/sealpost-process.ts';
import { type Sink, startSink } from '../../support/sink.ts';
import { sendRaw } from '../../support/submit.ts';

const ALICE = 'alice@sealpost.test';
const ULLA = 'ulla@sealpost.test';
const WIDTHS = [390, 1280] as const;
const pictures = process.env.SEALPOST_PICTURES ?? null;
const rules = join(repository, 'packaging/prometheus/alerts.yml');

let places: Places;
let postgres: PrivatePostgres;
let sink: Sink;
let sealpost: SealpostProcess;
let gpg: GpgHome;
let prometheus: PrivatePrometheus;
let browser: Browser | undefined;
let observed = '';
let lookups = 0;

beforeAll(async () => {
  places = await allocatePlaces();
  postgres = await startPostgres();
  const [queuePort = 0, socketmap = 0] = await freePorts(2);
  lookups = socketmap;
  observed = `127.0.0.1:${places.observePort}`;
  const spool = makeMaildir(join(places.dir, 'spool'));
  sink = await startSink({ protocol: 'smtp', listen: { port: places.reinjectPort } });
  sealpost = await createSealpost({
    places,
    example: null,
    substitutions: {},
    config: {
      database: { url: postgres.url },
      policy: { socketmap: { listen: `127.0.0.1:${socketmap}` } },
      filter: {
        next_hop: `smtp:127.0.0.1:${places.reinjectPort}`,
        listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` }],
      },
      receiver: { listen: `127.0.0.1:${queuePort}`, spool },
    },
  });
  gpg = await createGpgHome();
  const key = await makeKey(gpg, ALICE);
  for (const args of [
    ['domain', 'add', 'sealpost.test'],
    ['user', 'add', ALICE],
    ['user', 'add', ULLA],
  ])
    await sealpost.must(args);
  await sealpost.must(['key', 'import', '-'], key.publicKey);
  mkdirSync(join(places.dir, 'state'), { recursive: true });
  writeFileSync(join(places.dir, 'state', 'last-backup'), '');
  await sealpost.start();
  prometheus = await startPrometheus(join(places.dir, 'prometheus'), observed, [rules]);
  if (lackOfChromium() === null)
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  await prometheus?.stop();
  await sealpost?.close();
  await sink?.stop();
  await postgres?.remove();
  await gpg?.close();
  await places?.remove();
});

async function send(recipients: readonly string[]): Promise<void> {
  await sendRaw({
    to: { port: places.lmtpPort },
    protocol: 'lmtp',
    sender: 'bob@outside.test',
    recipients,
    message: Buffer.from(
      `Subject: <b>secret</b>\r\nMessage-ID: <${Math.random()}@outside.test>\r\n\r\nat noon\r\n`,
    ),
  });
}

interface Got {
  readonly ms: number;
  readonly status: number;
  readonly body: string;
}

async function page(): Promise<Got> {
  const started = performance.now();
  const response = await fetch(`http://${observed}/`);
  const body = await response.text();
  return { ms: performance.now() - started, status: response.status, body };
}

const textOf = (html: string): string => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

describe('the alerts', () => {
  it('are rules that promtool takes, and fire in their cases', async () => {
    const checked = await runProgram('promtool', ['check', 'rules', rules]);
    expect(checked.code).toBe(0);
    const tried = await runProgram('promtool', ['test', 'rules', rules.replace('.yml', '.test.yml')], {
      timeout: 600_000,
    });
    expect(`${tried.stdout}${tried.stderr}`).toContain('SUCCESS');
    expect(tried.code).toBe(0);
  });
});

describe('with traffic', () => {
  it('each query of the dashboard gives data, and no metric tells of an address', async () => {
    const dashboard = JSON.parse(
      readFileSync(join(repository, 'packaging/grafana/sealpost.json'), 'utf8'),
    ) as Dashboard;
    const asked = expressionsOf(dashboard).map(({ title, expr }) => ({
      title,
      expr: expr.replaceAll('$__rate_interval', '20s').replaceAll('$instance', '.*'),
    }));
    const empty = async (): Promise<readonly string[]> => {
      const silent = [];
      for (const { title, expr } of asked) {
        const series = await prometheus.query(expr);
        if (series.length === 0 || series.every(({ value }) => Number.isNaN(value)))
          silent.push(`${title}: ${expr}`);
      }
      return silent;
    };
    let silent: readonly string[] = [];
    await waitUntil('every query to give data', 180_000, async () => {
      await send([ALICE, ULLA, 'nobody@sealpost.test']);
      await sealpost.cli(['lookup', 'virtual_mailbox', ALICE]);
      await ask(lookups, `virtual_mailbox ${ALICE}`);
      silent = await empty();
      return silent.length === 0;
    }).catch(() => expect(silent).toEqual([]));
    const metrics = await (await fetch(`http://${observed}/metrics`)).text();
    expect(metrics).toMatch(/^sealpost_outcomes_total\{listener="lmtp",event="sealed"\} [1-9]/m);
    expect(metrics).not.toMatch(/@|alice|ulla|postgres:|\d{8}[0-9A-F]{32}/);
    process.stdout.write(`${asked.length} queries of the dashboard give data\n`);
  });

  it('the page says that mail flows, in Chromium at both widths, light and dark', async (context) => {
    skipFor(context, lackOfChromium());
    if (browser === undefined) return;
    await send([ALICE]);
    await waitUntil('the page to show sealed mail', 60_000, async () =>
      /sealed [1-9][\d,]*, at most/.test(textOf((await page()).body)),
    );
    // axe-core is a script, which the page would not run.
    const visitor = await (await browser.newContext({ bypassCSP: true })).newPage();
    await visitor.goto(`http://${observed}/`);
    expect(await visitor.locator('h1').textContent()).toBe('Mail flows.');
    await visitor.getByText('The same as numbers').click();
    expect(await lookAt(visitor, 'serve', { widths: WIDTHS, pictures })).toEqual([]);
    const { body } = await page();
    expect(textOf(body)).toMatch(/Users with a key 1 Users without a key 1/);
    expect(body).not.toMatch(/alice|ulla|outside\.test|secret|nobody@/);
  });

  it('the page comes within a second while the database is frozen, and says so', async () => {
    const before = await page();
    postgres.freeze();
    try {
      // What was made just before is shown for two seconds.
      await waitUntil('the page to say that the database does not answer', 120_000, async () => {
        const got = await page();
        expect(got.ms).toBeLessThan(1000);
        return /database (?:answers slowly|does not answer)/.test(textOf(got.body));
      });
      await waitUntil('the page to say since when what it shows is old', 150_000, async () => {
        const got = await page();
        expect(got.ms).toBeLessThan(1000);
        return /has not answered since/.test(textOf(got.body));
      });
      const { body } = await page();
      expect(textOf(body)).toMatch(/Users with a key 1 Users without a key 1/);
      // Whoever gets no answer has found neither.
      expect(textOf(body)).not.toMatch(/pooler|restored from a backup/);
      expect(textOf(before.body)).toContain('Mail flows.');
      if (browser !== undefined) {
        const visitor = await (await browser.newContext({ bypassCSP: true })).newPage();
        await visitor.goto(`http://${observed}/`);
        expect(await lookAt(visitor, 'frozen', { widths: WIDTHS, pictures })).toEqual([]);
      }
    } finally {
      postgres.thaw();
    }
    await waitUntil('the page to say that mail flows again', 120_000, async () => {
      await send([ALICE]);
      return /Good Mail flows\./.test(textOf((await page()).body));
    });
  });
});

describe('with a million users', () => {
  it('they are counted, and the page comes within a second all the while', async () => {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    let shown = '';
    try {
      // The audit of half a million keys is no part of this.
      await client.query('ALTER TABLE keys DISABLE TRIGGER USER');
      await client.query(
        'INSERT INTO users (domain_id) SELECT min(id) FROM domains, generate_series(1, 1000000) GROUP BY generate_series',
      );
      await client.query(
        `INSERT INTO keys (fingerprint, user_id, certificate, expires_at)
         SELECT lpad(to_hex(id), 40, '0'), id, decode(repeat('00', 1000), 'hex'), now() + interval '5 days' FROM users WHERE id % 2 = 0 AND id > 10`,
      );
      const { rows } = await client.query<{ without: string; keyed: string }>(
        `SELECT count(*) FILTER (WHERE k.user_id IS NULL) AS without, count(k.user_id) AS keyed
           FROM users LEFT JOIN keys AS k ON k.user_id = users.id`,
      );
      const [keyed, without] = [rows[0]?.keyed, rows[0]?.without].map((count) =>
        Number(count).toLocaleString('en'),
      );
      shown = `Users with a key ${keyed} Users without a key ${without}`;
    } finally {
      await client.end();
    }
    const started = performance.now();
    let slowest = 0;
    await waitUntil('a million users on the page', 900_000, async () => {
      const got = await page();
      slowest = Math.max(slowest, got.ms);
      return textOf(got.body).includes(shown);
    });
    expect(shown).toMatch(/ (?:499,9|500,0)\d\d .* 500,0\d\d$/);
    process.stdout.write(
      `a million users are on the page after ${Math.round((performance.now() - started) / 1000)} s; it took at most ${Math.round(slowest)} ms\n`,
    );
    expect(slowest).toBeLessThan(1000);
  });
});

/** Asks the socketmap daemon once. */
async function ask(port: number, question: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${question.length}:${question},`));
    socket.once('data', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

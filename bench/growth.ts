// Messages per second with more and more keys in the database. All users have the same certificate, under rows of their own:
// what grows is the directory, not the mathematics.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Load } from './burst.ts';
import { figuresOf, measureBurst, perSecond, proveLoad, type Speed } from './measure.ts';
import { treeResidentMegabytes } from './process-tree.ts';
import type { Finding, PartOptions, PartResult, Row } from './rows.ts';
import { besideTheStand, RECIPIENTS, type Stand, theStand } from './stand.ts';
import { median } from './statistics.ts';

const DOMAIN = 'growth.test';
const SIZES = [1000, 10_000, 100_000, 1_000_000] as const;
/** Each burst asks for so many different users, spread evenly over all. */
const MESSAGES = 1000;
const ROUNDS = 5;
const QUICK_ROUNDS = 2;
/** Until what the first size finds compiled is what the last one finds. */
const WARM_UP_ROUNDS = 3;
/** At each size, until each of PostgreSQL's processes has met the pages: a page fault each, the first time, is no growth. */
const SETTLING_ROUNDS = 3;

/**
 * smtp-source -N numbers the recipients from 1. The zeros behind the number make it a multiple of size / 1000, so that as
 * many messages visit the whole of any directory.
 */
const recipientOf = (size: number): string => `${'0'.repeat(Math.log10(size / MESSAGES))}u@${DOMAIN}`;

const loadOf = (size: number): Load => ({
  protocol: 'lmtp',
  sessions: 8,
  reuse: true,
  recipients: 1,
  bytes: 4096,
  recipient: recipientOf(size),
  sealed: true,
  numbered: true,
});

/** A directory that is filled, and the serve in front of it. */
interface Directory {
  readonly stand: Stand;
  readonly client: pg.Client;
  readonly domainId: number;
}

interface Measured {
  readonly size: number;
  readonly uncached: Speed;
  readonly cached: Speed;
  /** Messages per second over those of the smallest size, round by round in turn. */
  readonly overSmallest: { readonly uncached: number; readonly cached: number };
  readonly memory: number;
}

export async function growthPart(options: PartOptions): Promise<PartResult> {
  const stand = await theStand(options);
  const sizes = options.quick ? SIZES.slice(0, 2) : SIZES;
  const beside = await besideTheStand(stand, 'smallest', options);
  const client = new pg.Client({ connectionString: stand.postgres.url });
  const smallClient = new pg.Client({ connectionString: beside.databaseUrl });
  try {
    await client.connect();
    await smallClient.connect();
    const certificate = await certificateOf(client, RECIPIENTS.curve);
    const growing = { stand, client, domainId: await addDomain(client) };
    const smallest = { stand: beside.stand, client: smallClient, domainId: await addDomain(smallClient) };
    await fill(smallest, certificate, 0, SIZES[0]);
    await fill(growing, certificate, 0, SIZES[0]);
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1)
      for (const directory of [growing, smallest]) await measurePair(directory, SIZES[0]);
    const measured: Measured[] = [];
    let filled = SIZES[0] as number;
    for (const size of sizes) {
      options.progress(`adding users with keys, up to ${size}`);
      if (size > filled) await fill(growing, certificate, filled, size);
      filled = size;
      const each = await measureSize(growing, smallest, size, options.quick ? QUICK_ROUNDS : ROUNDS);
      options.progress(`${size} keys: ${perSecond(each.cached).toFixed(0)}/s, cached`);
      measured.push(each);
      await proveLoad(stand, 'sealpost', loadOf(size), 10);
    }
    return { rows: measured.flatMap(rowsOf), findings: findingsOf(measured), charts: [], notes: NOTES };
  } finally {
    await client.end();
    await smallClient.end();
    await beside.close();
  }
}

async function addDomain(client: pg.Client): Promise<number> {
  const added = await client.query<{ id: number }>('INSERT INTO domains (name) VALUES ($1) RETURNING id', [
    DOMAIN,
  ]);
  return added.rows[0]?.id ?? 0;
}

type Certificate = [fingerprint: string, certificate: Buffer, source: string, expires: Date | null];

async function certificateOf(client: pg.Client, address: string): Promise<Certificate> {
  const { rows } = await client.query<Certificate>({
    text: `SELECT keys.fingerprint, keys.certificate, keys.source, keys.expires_at
           FROM keys JOIN addresses ON addresses.user_id = keys.user_id WHERE addresses.address = $1`,
    values: [address],
    rowMode: 'array',
  });
  const [found] = rows;
  if (found === undefined) throw new Error(`${address} has no key`);
  return found;
}

/** Without triggers: a million audit rows and notifications are not what is measured. Users begin at an id of their own. */
async function fill(
  { client, domainId }: Directory,
  certificate: Certificate,
  from: number,
  to: number,
): Promise<void> {
  const range = [from + 1, to];
  await client.query('BEGIN');
  await client.query("SET LOCAL session_replication_role = 'replica'");
  await client.query(
    'INSERT INTO users (id, domain_id) SELECT 10000000 + n, $3 FROM generate_series($1::int, $2::int) n',
    [...range, domainId],
  );
  await client.query(
    `INSERT INTO addresses (address, domain, kind, user_id)
     SELECT n || 'u@' || $3::text, $3::text, 'user', 10000000 + n FROM generate_series($1::int, $2::int) n`,
    [...range, DOMAIN],
  );
  await client.query(
    `INSERT INTO keys (fingerprint, user_id, certificate, source, expires_at)
     SELECT $3::text, 10000000 + n, $4::bytea, $5::text, $6::timestamptz
     FROM generate_series($1::int, $2::int) n`,
    [...range, ...certificate],
  );
  await client.query('COMMIT');
  // As after the first autovacuum, and with everything written that would else be written meanwhile.
  await client.query('VACUUM (FREEZE, ANALYZE) users, addresses, keys');
  await client.query('CHECKPOINT');
}

/** Both directories in turn, so that an hour that is slower is so for both. */
async function measureSize(
  growing: Directory,
  smallest: Directory,
  size: number,
  times: number,
): Promise<Measured> {
  const pid = growing.stand.sealpost.pid() ?? 0;
  // Runs of a second or two each: the middle one counts.
  const rounds: { readonly grown: Pair; readonly small: Pair }[] = [];
  for (let round = 0; round < SETTLING_ROUNDS; round += 1) await measurePair(growing, size);
  for (let round = 0; round < times; round += 1) {
    const small = round % 2 === 0 ? await measurePair(smallest, SIZES[0]) : undefined;
    const grown = await measurePair(growing, size);
    rounds.push({ grown, small: small ?? (await measurePair(smallest, SIZES[0])) });
  }
  const ratio = (curve: keyof Pair): number =>
    median(rounds.map(({ grown, small }) => perSecond(grown[curve]) / perSecond(small[curve])));
  return {
    size,
    uncached: middle(rounds.map(({ grown }) => grown.uncached)),
    cached: middle(rounds.map(({ grown }) => grown.cached)),
    overSmallest: { uncached: ratio('uncached'), cached: ratio('cached') },
    memory: treeResidentMegabytes(pid),
  };
}

interface Pair {
  readonly uncached: Speed;
  readonly cached: Speed;
}

async function measurePair({ stand, client }: Directory, size: number): Promise<Pair> {
  await client.query(`SELECT pg_notify('sealpost_change', '{"table":"domains","key":null}')`);
  await sleep(300);
  const uncached = await measureBurst(stand, 'sealpost', loadOf(size), MESSAGES);
  return { uncached, cached: await measureBurst(stand, 'sealpost', loadOf(size), MESSAGES) };
}

function middle(speeds: readonly Speed[]): Speed {
  const sorted = [...speeds].sort((a, b) => perSecond(a) - perSecond(b));
  const found = sorted[Math.floor(sorted.length / 2)];
  if (found === undefined) throw new Error('nothing was measured');
  return found;
}

function rowsOf({ size, uncached, cached, memory }: Measured): Row[] {
  const row = (curve: string, speed: Speed): Row => ({
    work: `${size} keys, each message to another user, ${curve}`,
    figures: { ...figuresOf(speed, loadOf(size)), 'peak MB': memory },
    growth: { curve, of: size },
  });
  return [row('nothing cached', uncached), row('cached', cached)];
}

/** What counts as flat: figures of one second each move by some percent. */
const FLAT = 0.9;

function findingsOf(measured: readonly Measured[]): Finding[] {
  const first = measured[0];
  const last = measured.at(-1);
  if (first === undefined || last === undefined) return [];
  const what = `growth from ${first.size} to ${last.size} keys: messages per second, last over first`;
  const target = { is: 'at least', value: FLAT } as const;
  return [
    { what: `${what}, nothing cached`, measured: last.overSmallest.uncached, target },
    { what: `${what}, cached`, measured: last.overSmallest.cached, target },
    {
      what: `memory of serve with ${last.size} keys over that with ${first.size}`,
      measured: last.memory / first.memory,
    },
  ];
}

const NOTES = [
  `LMTP, 8 sessions, reuse, 4 KB, ${MESSAGES} messages to as many users, spread evenly over all. "Nothing cached": after a notification ` +
    'that drops every cached row, as any change of many rows sends it. All keys are one Curve25519 certificate, so the cache of parsed ' +
    'certificates stays warm. The ratios are those of two running serves, measured in turn: one over the directory that grows, one over ' +
    `another of ${SIZES[0]} keys, after ${SETTLING_ROUNDS} rounds in which PostgreSQL's processes meet pages that are new to them. "Peak MB" is the resident memory after the measurement. "Flat" is taken as at least nine tenths.`,
];

// Messages per second with more and more keys in the database. All users have the same certificate, under rows of their own:
// what grows is the directory, not the mathematics.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Load } from './burst.ts';
import { figuresOf, measureBurst, perSecond, proveLoad, type Speed } from './measure.ts';
import { treeResidentMegabytes } from './process-tree.ts';
import type { Finding, PartOptions, PartResult, Row } from './rows.ts';
import { RECIPIENTS, type Stand, theStand } from './stand.ts';

const DOMAIN = 'growth.test';
const SIZES = [1000, 10_000, 100_000, 1_000_000] as const;
/** Each burst asks for so many different users, spread evenly over all. */
const MESSAGES = 1000;
const ROUNDS = 5;
/** Until what the first size finds compiled is what the last one finds. */
const WARM_UP = 5000;

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

interface Measured {
  readonly size: number;
  readonly uncached: Speed;
  readonly cached: Speed;
  readonly memory: number;
}

export async function growthPart(options: PartOptions): Promise<PartResult> {
  const stand = await theStand(options);
  const sizes = options.quick ? SIZES.slice(0, 2) : SIZES;
  const client = new pg.Client({ connectionString: stand.postgres.url });
  await client.connect();
  try {
    const domain = await client.query<{ id: number }>('INSERT INTO domains (name) VALUES ($1) RETURNING id', [
      DOMAIN,
    ]);
    const domainId = domain.rows[0]?.id ?? 0;
    const measured: Measured[] = [];
    let filled = 0;
    await measureBurst(
      stand,
      'sealpost',
      { ...loadOf(SIZES[0]), recipient: RECIPIENTS.curve, numbered: false },
      WARM_UP,
    );
    for (const size of sizes) {
      options.progress(`adding users with keys, up to ${size}`);
      await fill(client, domainId, filled, size);
      filled = size;
      const each = await measureSize(stand, client, size);
      options.progress(`${size} keys: ${perSecond(each.cached).toFixed(0)}/s, cached`);
      measured.push(each);
      await proveLoad(stand, 'sealpost', loadOf(size), 10);
    }
    return { rows: measured.flatMap(rowsOf), findings: findingsOf(measured), charts: [], notes: NOTES };
  } finally {
    await client.end();
  }
}

/** Without triggers: a million audit rows and notifications are not what is measured. Users begin at an id of their own. */
async function fill(client: pg.Client, domainId: number, from: number, to: number): Promise<void> {
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
     SELECT k.fingerprint, 10000000 + n, k.certificate, k.source, k.expires_at
     FROM generate_series($1::int, $2::int) n,
       (SELECT keys.* FROM keys JOIN addresses ON addresses.user_id = keys.user_id WHERE addresses.address = $3) k`,
    [...range, RECIPIENTS.curve],
  );
  await client.query('COMMIT');
  // As after the first autovacuum, and with everything written that would else be written meanwhile.
  await client.query('VACUUM (FREEZE, ANALYZE) users, addresses, keys');
  await client.query('CHECKPOINT');
}

async function measureSize(stand: Stand, client: pg.Client, size: number): Promise<Measured> {
  const load = loadOf(size);
  const pid = stand.sealpost.pid() ?? 0;
  // Runs of a second or two each: the middle one counts.
  const uncached: Speed[] = [];
  const cached: Speed[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await client.query(`SELECT pg_notify('sealpost_change', '{"table":"domains","key":null}')`);
    await sleep(300);
    uncached.push(await measureBurst(stand, 'sealpost', load, MESSAGES));
    cached.push(await measureBurst(stand, 'sealpost', load, MESSAGES));
  }
  return { size, uncached: middle(uncached), cached: middle(cached), memory: treeResidentMegabytes(pid) };
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
    {
      what: `${what}, nothing cached`,
      measured: perSecond(last.uncached) / perSecond(first.uncached),
      target,
    },
    { what: `${what}, cached`, measured: perSecond(last.cached) / perSecond(first.cached), target },
    {
      what: `memory of serve with ${last.size} keys over that with ${first.size}`,
      measured: last.memory / first.memory,
    },
  ];
}

const NOTES = [
  `LMTP, 8 sessions, reuse, 4 KB, ${MESSAGES} messages to as many users, spread evenly over all. "Nothing cached": after a notification ` +
    'that drops every cached row, as any change of many rows sends it. All keys are one Curve25519 certificate, so the cache of parsed ' +
    'certificates stays warm. "Peak MB" is the resident memory after the measurement. "Flat" is taken as at least nine tenths.',
];

// A receiver under test: a private PostgreSQL, `sealpost serve` with a spool and an LMTP listener, users with and without a
// key, and a sink that gets the bounces.
import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { waitUntil } from './child.ts';
import { createGpgHome, type GpgHome, makeKey, type TestKey } from './keys.ts';
import { makeMaildir } from './maildir.ts';
import { metricOf } from './metric-of.ts';
import { allocatePlaces, freePorts, type Places } from './places.ts';
import { type PrivatePostgres, startPostgres } from './private-postgres.ts';
import { createSealpost, type SealpostProcess } from './sealpost-process.ts';
import { type Sink, startSink } from './sink.ts';

export interface QueueRow {
  readonly id: string;
  readonly user_id: number;
  readonly number: number;
  readonly size: number;
  readonly chunks: number;
  readonly content: Buffer;
}

export interface ReceiverStand {
  readonly places: Places;
  readonly postgres: PrivatePostgres;
  readonly sealpost: SealpostProcess;
  readonly gpg: GpgHome;
  readonly alice: TestKey;
  readonly bounces: Sink;
  readonly spool: string;
  readonly lmtpPort: number;
  /** Runs a command that must succeed. */
  readonly must: SealpostProcess['must'];
  /** Puts a message into new/ as Maildir wants it, by a rename from tmp/. */
  deliver(name: string, message: string | Uint8Array, into?: string): void;
  /** What is in a folder of the spool. */
  names(folder: 'new' | 'failed'): string[];
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** The queue of a user, oldest first, chunks put together. */
  queue(userId: number): Promise<QueueRow[]>;
  waitForQueue(userId: number, count: number, ms?: number): Promise<QueueRow[]>;
  waitForEmptySpool(ms?: number): Promise<void>;
  /** Decrypts with gpg. */
  open(row: Pick<QueueRow, 'content'>): Promise<Buffer>;
  metric(name: string): Promise<number>;
  close(): Promise<void>;
}

export const DOMAIN = 'example.org';
export const ALICE_ID = 1;
/** Has no key. */
export const ULLA_ID = 2;

/** Asks the stand's database. */
async function ask<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  text: string,
  values?: unknown[],
): Promise<Row[]> {
  return (await pool.query<Row>(text, values)).rows;
}

const READ_QUEUE = `SELECT i.id, i.user_id, i.number::int, i.size::int, i.chunks,
       coalesce(i.content, (SELECT string_agg(c.content, '' ORDER BY c.chunk) FROM incoming_chunks c WHERE c.id = i.id)) AS content
  FROM incoming i WHERE i.user_id = $1 ORDER BY i.number`;
const COUNT_QUEUE = 'SELECT count(*) AS n FROM incoming WHERE user_id = $1';

/** What lies in a folder, in the order of its names; nothing where there is no folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Makes everything; `serve` runs. @param receiver laid over [receiver] */
export async function startReceiverStand(
  receiver: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
): Promise<ReceiverStand> {
  const { database = {}, ...others } = more;
  const cleanups: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const cleanup of cleanups.reverse()) await cleanup().catch(() => undefined);
  };
  try {
    const places = await allocatePlaces();
    cleanups.push(() => places.remove());
    const postgres = await startPostgres();
    cleanups.push(() => postgres.remove());
    const [bouncePort = 0, lmtpPort = 0] = await freePorts(2);
    const bounces = await startSink({ protocol: 'smtp', listen: { port: bouncePort } });
    cleanups.push(() => bounces.stop());
    const spool = makeMaildir(join(places.dir, 'spool'));
    const sealpost = await createSealpost({
      places,
      example: null,
      substitutions: {},
      config: {
        database: { url: postgres.url, ...(database as object) },
        filter: { next_hop: `smtp:127.0.0.1:${bouncePort}`, listen: [] },
        receiver: { spool, listen: `127.0.0.1:${lmtpPort}`, minimal_backoff: '200ms', ...receiver },
        ...others,
      },
    });
    cleanups.push(() => sealpost.close());
    const gpg = await createGpgHome();
    cleanups.push(() => gpg.close());
    const { must } = sealpost;
    await must(['domain', 'add', DOMAIN]);
    await must(['user', 'add', `alice@${DOMAIN}`]);
    await must(['user', 'add', `ulla@${DOMAIN}`]);
    const alice = await makeKey(gpg, `alice@${DOMAIN}`);
    await must(['key', 'import', '-'], alice.publicKey);
    await sealpost.start();
    const pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
    pool.on('error', () => undefined);
    cleanups.push(() => pool.end());

    const queue = (userId: number) => ask<QueueRow>(pool, READ_QUEUE, [userId]);
    const count = async (userId: number) =>
      Number((await ask<{ n: string }>(pool, COUNT_QUEUE, [userId]))[0]?.n);
    const names = (folder: 'new' | 'failed') => namesIn(join(spool, folder));
    const shown = () =>
      `in new/: ${names('new').slice(0, 5)}; failed/: ${names('failed').slice(0, 5)}\n${sealpost.log().slice(-3000)}`;
    return {
      places,
      postgres,
      sealpost,
      gpg,
      alice,
      bounces,
      spool,
      lmtpPort,
      must,
      deliver(name, message, into = spool) {
        writeFileSync(join(into, 'tmp', name), message);
        renameSync(join(into, 'tmp', name), join(into, 'new', name));
      },
      names,
      query: (text, values) => ask(pool, text, values),
      queue,
      async waitForQueue(userId, least, ms = 20_000) {
        await waitUntil(
          `${least} messages in the queue of user ${userId}`,
          ms,
          async () => (await count(userId)) >= least,
          shown,
        );
        return queue(userId);
      },
      waitForEmptySpool: (ms = 20_000) =>
        waitUntil('an empty spool', ms, () => names('new').length === 0, shown),
      async open({ content }) {
        const done = await gpg.run(['--decrypt'], content);
        if (done.code !== 0) throw new Error(`gpg --decrypt: exit ${done.code}: ${done.stderr}`);
        return done.stdout;
      },
      metric: (name) => metricOf(places.observePort, name),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A message as Postfix's virtual(8) writes it into a Maildir: LF, its own fields on top. */
export function spooled(
  recipient: string,
  fields: {
    readonly subject?: string;
    readonly sender?: string;
    readonly header?: string;
    readonly original?: string;
  } = {},
  body = 'Hello\n',
): string {
  const { subject = 'test', sender = 'bob@outside.test', header = '', original } = fields;
  return (
    `Return-Path: <${sender}>\n${original === undefined ? '' : `X-Original-To: ${original}\n`}Delivered-To: ${recipient}\n` +
    'Received: from mail.outside.test (mail.outside.test [192.0.2.1])\n\tby mx.example.org (Postfix) with ESMTP id 4ABC\n' +
    `\tfor <${original ?? recipient}>; Wed, 25 Nov 2026 18:00:00 +0000 (UTC)\n` +
    `${header}From: Bob <${sender === '' ? 'MAILER-DAEMON@outside.test' : sender}>\nTo: alice@example.org\nSubject: ${subject}\nMessage-ID: <m1.${subject.replace(/\W/g, '-')}@outside.test>\n\n${body}`
  );
}

// What the first message after a start would be slow by: code that has never run. Messages of our own take the way of every
// other one, from a listener to a next hop, over sockets in a folder of their own; only the directory's rows and the memory are
// played.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { parsePath } from '../address/normalise.ts';
import type { Config } from '../config/schema.ts';
import type { NextHop } from '../config/units.ts';
import { NO_ACCEPTANCES } from '../delivery/acceptances.ts';
import { createClaims } from '../delivery/claims.ts';
import { deciderOf } from '../delivery/decide.ts';
import { createDeliverer, type Deliverer } from '../delivery/deliver.ts';
import type { Engine } from '../delivery/engine.ts';
import { readRecipient } from '../directory/read.ts';
import { createLogger } from '../observe/log.ts';
import { createMetrics } from '../observe/metrics.ts';
import { createSealer, type Sealer } from '../sealing/pool.ts';
import { createNextHopClient, type NextHopClient } from '../smtp/client/next-hop.ts';
import { reply } from '../smtp/replies.ts';
import { createBudget } from '../smtp/server/budget.ts';
import { type FilterListenerHandle, startListener } from '../smtp/server/listener.ts';

/** Certificates of keys that nobody has: RSA 3072 and Curve25519, without expiry. */
const CERTIFICATES = [
  {
    path: 'rsa@sealpost.invalid',
    fingerprint: '2749dc7bd07994ef3bb85f7a95091ff1d3b6e936',
    base64:
      'xsDNBGlVuQABDADCakrs+MNZdNnaaFKFMyWAxPX+UynbnoCCUOiimuEgc5U0JLXcpzGldfZmYRO4ypCtWNgBBLymzLn6joQofM+p9P5o' +
      'jKrUy//fYP+38W0noZw0fypGaG87WQwicj0iphuDCdwNHtFUym69RDwPjND920rDLHl51PY7QCliJ/NFdtQQ7/3A0psoGWbnYYxOJyaU' +
      'aaJ/xPicM/QBYCVO4rewuYbM7CjpGssl/PDqw/GU+QmFzq6lvSwqJhm4pS0zXsz/DVtG8DZp89oTwKfmvGZ2hB3PK2VGiBR5uPh3WAAl' +
      'kKV7CyFtey78veJ/s6aeVkOpupbHJpzmPNCGNrgb4UZmJ2jcl8PkGAQnmgdtSbXFHNMKHIRpZZq06DhQXf9Ewhl/dkT1EMPR/O7gYVrF' +
      'L5nnZwQaYVOgXw6MqnyiBrsVRt43q3WV4K+t42YsgSwwm/rVjs6f9hP4W++f7cDnF+1Mylol3624vo6eJl+RuF+xYUCvbV+ZzLR0Ud4I' +
      'mz25vKkAEQEAAc0aPHdhcm0tdXBAc2VhbHBvc3QuaW52YWxpZD7CwVEEEwEKAIUFgmlVuQADCwkHCRCVCR/x07bpNkUUAAAAAAAcACBz' +
      'YWx0QG5vdGF0aW9ucy5vcGVucGdwanMub3JnXVNmx7DPkaso7VDEAYjbIqhEERUAbQZpXv/c2HD5p0IFFQoIDgwEFgACAQIZAQKbAwIe' +
      'ARYhBCdJ3HvQeZTvO7hfepUJH/HTtuk2AADWeQv8C0dYglgjI3iLmTnyxJzmlipIVVOwwfLqEdFt9Vjxrv3ixlCJLP6ln/G9Y+xa9aW/' +
      '3aQ+5c81eTGMsGz+3OYX+BlsQ3pBw03z0HzQZiOHRp6aqB6j0TNalBPMATkkWxuV+qOw7/Zlan6XQLZb9dYzVA7o1k1WTyJowmHH03wl' +
      'Yo3EH0X1IV4yCTHpnk+T8grjhDDBtltTE/ikfVgndZD3O6sLZd8hSQxdRdXJkPy9xNeE+250SX749RIHHPn+3MLTDuApyQiZ4Ymih9x1' +
      'OqK/KZTQjlLLgTJbePJCdEdJfyIAAbTa76nAoYEy+UqLLqaYDADGDtoZb7RemcTmKVnXOmyKoqc/joPUSHOGVYAzPKZs/KQb2rtZ7Nc+' +
      'JApVADhlQ7kBs0MSVOmJeQ5fAvjbAbOuHr3eu4088YHlmIRyYG0oQV6YeggrNznRQ4zPvGEc8Dn1DjKnRa4W91YeTgWgqN+GI9OdbWae' +
      'go8cQ+fjfcj6Os41FoyBcmGXL9HXeD4RzsDNBGlVuQABDACv0LKijL6q/fIb60WzX1lgfTQnOweijaWJYf/PzICFG+bvAkil3QTJ+Mny' +
      '5/AdNCabiWnk0Is99pbMrbC9ik7HyuA3ODfcgfq52sJR6ulP2jJ9ySZNsMlcr37uQwY9vG6hK8t02roldsC9BBov4LFqDHY9yqFb1QIn' +
      'pNsekC3u2co4Vqv93mJxKwex8kgzBBLZIqfFo0L02sYIz4S7H57+H+TmpWVJHMgqd/FnXbJnaNAn++bNMXMwkViKGzl9jP6SBokQKSLR' +
      'zVXNzCmVFLIlRoIy89VumGkHXYJE4N8OTm3pIOPa/Lw/ap6SG1Axfs2xNa/Z2DXJmTkSmVi7XpLHn9dvp/+Cc0grxaWRIkpnAtnmuviz' +
      'ZiW5o2yxIbna6Uz8xmcemGJoh+SyLAinZ2K9sDfOCCC19M0PV61PS4rn/XJHd11CVkH1BA7YYYET1WE2unu5ndaeFKSlFB9sk1VUSXLr' +
      'MC0uPY3KNNDyIGTJGuuKxPemP2+hQ4I4jWVVv98AEQEAAcLBPAQYAQoAcAWCaVW5AAkQlQkf8dO26TZFFAAAAAAAHAAgc2FsdEBub3Rh' +
      'dGlvbnMub3BlbnBncGpzLm9yZ8BCG6HrOKSvUAvwbdnGvhtKjpfi0jeut3NvHBxNQ4lXApsMFiEEJ0nce9B5lO87uF96lQkf8dO26TYA' +
      'ADlSC/9H4WvlSdIVJ+dtPzD6R9DNAKc/XeE8cU03718/DKQE3BlIoPqAr/x8uTe33PjxTljqat8xJhzeqevQyCTG5RZ1dh9Uek/sLRgf' +
      'HeyTqhewnaMwPqHN7LPWAl3J4DPepFgUNquYx4P8fnucjuU4ZW58DTKOZ6fR4G+1R8olS48emNNa3TT2BgCJIchwG6u0OD4KWz55MGKm' +
      'DBDE9/Di2LRSnmFtrC3OzDpowqZbAbQ+NrzsTBNtBWL7hsNHJSzNgHZqVojfe74SXgAAuLMVjwBSj4//HpKCqbgBg11Z9Mzvh2e5el38' +
      'MONOIwTzpz0TP5Vljx+APY5Zgig0nB3N+jKtADF0CWMf7Y43cfd6C+k0SKwLOH0l67CACPbQedNfz9Q5CdsU9fZoCsvdGe8wVGjAlLr/' +
      'ZZkRH/neZm85cspQGLILlCkc3z6KxpQkjp5Us5nbHzDKeo6A1LupQYFMytX7LKeB92IgSeLclg4iRrqH7NSg/GMj6OivL3A3AEdblzE=',
  },
  {
    path: 'curve25519@sealpost.invalid',
    fingerprint: '96bd575a92335994a1044ea3210a4dcafe1ad713',
    base64:
      'xjMEaVW5ABYJKwYBBAHaRw8BAQdAuxQUHwHzQvZddWM/VRsXbHiLe9pusPwoBOyrcHHl4B7NGjx3YXJtLXVwQHNlYWxwb3N0LmludmFs' +
      'aWQ+wsATBBMWCgCFBYJpVbkAAwsJBwkQIQpNyv4a1xNFFAAAAAAAHAAgc2FsdEBub3RhdGlvbnMub3BlbnBncGpzLm9yZ6TylnqFbwVc' +
      'Ew65eKoPggY1kFxIUzpBuYmtBVqaG+kbBRUKCA4MBBYAAgECGQECmwMCHgEWIQSWvVdakjNZlKEETqMhCk3K/hrXEwAAWbsBAJNyCkkH' +
      '8wkvoeq7GL4I4A/rzee1UGE0xZZbVMbTv4O0AQDEcR4Yidw10qIYhTYxOh4GdGl3co/dvOeayrvd2bxqBs44BGlVuQASCisGAQQBl1UB' +
      'BQEBB0DBZ7wf/OxKnlwxnRHQ4mm0eczTVCzFXnPauKnuECHNCQMBCAfCvgQYFgoAcAWCaVW5AAkQIQpNyv4a1xNFFAAAAAAAHAAgc2Fs' +
      'dEBub3RhdGlvbnMub3BlbnBncGpzLm9yZ8uPHQSxE8Ywt80FiGZ5AUtJuilk6MkPdVg/KqD0VqmcApsMFiEElr1XWpIzWZShBE6jIQpN' +
      'yv4a1xMAAJjOAPsHO3Vtl9OTWW5xNaZsUuP5CWrsJyPAZEH+QD769B/yZQEA37Yrb3ZoLAhJy+vcBNncblAitTrDPRtWMPMiapY3Gg4=',
  },
];

const DOMAIN = 'sealpost.invalid';
/** Of no message and no recipient. */
const NO_KEY = '00'.repeat(32);
/** Before anybody is greeted, and after it: so many until V8 has compiled most of it. */
const ROUNDS = 3;
const FURTHER_ROUNDS = 40;
const FURTHER_PAUSE_MS = 10;
const MESSAGE = Buffer.from(
  [
    'Received: from localhost (localhost [127.0.0.1]) by localhost; Thu, 1 Jan 1970 00:00:00 +0000',
    `From: <warm-up@${DOMAIN}>`,
    `To: <warm-up@${DOMAIN}>`,
    'Subject: =?utf-8?Q?warm=2Dup?=',
    'Message-ID: <warm-up@sealpost.invalid>',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'Nobody reads this.',
    '',
  ].join('\r\n'),
);
const SILENT = createLogger({ level: 'silent' });
const SEALED = reply(250, '2.0.0', 'Ok');
const IN_PLAINTEXT = reply(550, '5.6.0', 'This is not sealed');
/** Longer than this nobody is to wait for a start. */
const PATIENCE_MS = 2000;

interface Rehearsal {
  readonly rounds?: number;
  /** Milliseconds after each message. */
  readonly pauseMs?: number;
  /** Asked before anything is opened and before each message, and may wait; false ends it. */
  readonly mayGoOn?: () => Promise<boolean>;
}

/** Never rejects: without it the first message is slower, and that is all; should more be wrong, it will say what. */
export function warmUp(config: Config): Promise<void> {
  return rehearse(config).catch(() => undefined);
}

/**
 * The same once more, for longer. Never rejects.
 * @param mayGoOn asked before each message; waits while real mail is under way, and says false when it is to end
 */
export function warmUpFurther(config: Config, mayGoOn: () => Promise<boolean>): Promise<void> {
  return rehearse(config, { rounds: FURTHER_ROUNDS, pauseMs: FURTHER_PAUSE_MS, mayGoOn }).catch(
    () => undefined,
  );
}

/** {@link warmUp}, telling what was wrong. @throws Error */
export async function rehearse(
  config: Config,
  { rounds = ROUNDS, pauseMs = 0, mayGoOn = async () => true }: Rehearsal = {},
): Promise<void> {
  if (!(await mayGoOn())) return;
  const folder = await mkdtemp(join(tmpdir(), 'sealpost-'));
  const sealer = createSealer({ workers: 0 });
  const clients: NextHopClient[] = [];
  const listeners: FilterListenerHandle[] = [];
  const clientOf = (name: string): NextHopClient => {
    const client = createNextHopClient({
      nextHop: { protocol: 'lmtp', endpoint: endpointIn(folder, name) },
      hostname: config.hostname,
      config: config.filter,
      logger: SILENT,
    });
    clients.push(client);
    return client;
  };
  try {
    const deliverer = delivererOver(config, sealer, clientOf('mailbox'));
    listeners.push(
      await openRehearsal(config, folder, 'mailbox', async ({ message, envelope }) =>
        envelope.recipients.map(() => (message.includes('multipart/encrypted') ? SEALED : IN_PLAINTEXT)),
      ),
      await openRehearsal(config, folder, 'filter', async (transaction) => {
        const { outcomes } = await deliverer.deliver(transaction);
        return outcomes.map((outcome) => outcome.reply);
      }),
    );
    const postfix = clientOf('filter');
    for (const client of clients) await client.prepare();
    // Everybody is connected: a process that ends in the middle of the rest leaves no files behind.
    await rm(folder, { recursive: true, force: true });
    for (let round = 0; round < rounds; round += 1) {
      for (const { path } of CERTIFICATES) {
        if (!(await mayGoOn())) return;
        await deliver(postfix, path);
        if (pauseMs > 0) await sleep(pauseMs);
      }
    }
  } finally {
    for (const client of clients) client.destroy();
    for (const listener of listeners) await listener.close({ graceMs: 0 });
    await sealer.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The statements that every message needs, once, so that PostgreSQL has planned them. One after the other: the pool hands out
 * the connection that was used last, and each connection has plans of its own. Never rejects.
 */
export async function warmUpDatabase({
  directory,
  memory,
}: Pick<Engine, 'directory' | 'memory'>): Promise<void> {
  await directory.recipient(`warm-up@${DOMAIN}`).catch(() => undefined);
  await memory.begin(NO_KEY, [NO_KEY]).catch(() => undefined);
  await memory.remember(NO_KEY, NO_KEY, '').catch(() => undefined);
  memory.forget(NO_KEY, [NO_KEY]);
}

function endpointIn(folder: string, name: string): NextHop['endpoint'] {
  return { kind: 'unix', path: join(folder, name) };
}

function openRehearsal(
  config: Config,
  folder: string,
  name: string,
  deliver: Parameters<typeof startListener>[0]['deliver'],
): Promise<FilterListenerHandle> {
  return startListener({
    listener: {
      name,
      protocol: 'lmtp',
      address: endpointIn(folder, name),
      mode: '0600',
      before_queue: false,
    },
    config: config.filter,
    hostname: config.hostname,
    logger: SILENT,
    admission: createBudget(config.filter.memory_budget),
    deliver,
    acknowledged: () => undefined,
    lost: () => undefined,
  });
}

async function deliver(postfix: NextHopClient, path: string): Promise<void> {
  const { recipients } = await postfix.send({
    envelope: { sender: path, parameters: [], recipients: [{ path, parameters: [] }] },
    xforward: {},
    message: MESSAGE,
    deadline: Date.now() + PATIENCE_MS,
  });
  if (recipients[0]?.class !== 'accepted') throw new Error('a message of our own was not sealed');
}

function delivererOver(config: Config, sealer: Sealer, nextHop: NextHopClient): Deliverer {
  const resolveOptions = { delimiters: config.recipient_delimiter, mailboxDomain: '' };
  return createDeliverer({
    config: () => config,
    directory: {
      recipient: async (path) => {
        const parts = parsePath(path, config.hostname);
        const user = CERTIFICATES.find((each) => each.path === path);
        if (parts === null || user === undefined) throw new Error(`${path} is nobody`);
        return (await readRecipient(databaseWith(user), parts, resolveOptions)).facts;
      },
    },
    decider: deciderOf(() => config, sealer.certificates),
    encrypt: sealer.encrypt,
    detect: sealer.detect,
    sealInline: sealer.sealInline,
    keyDoor: null,
    giveBack: sealer.giveBack,
    memory: NO_ACCEPTANCES,
    claims: createClaims(null),
    tell: () => undefined,
    shown: () => '',
    nextHop: () => nextHop,
    outgoingDirectory: '',
    logger: SILENT,
    metrics: createMetrics({ processMetrics: false }),
  });
}

/** Answers every question with the rows of one user who has this key. */
function databaseWith({ path, fingerprint, base64 }: (typeof CERTIFICATES)[number]): Pick<Pool, 'query'> {
  const domain = {
    id: 1,
    name: DOMAIN,
    class: 'virtual',
    fold_local_part: true,
    settings: {},
    transport: null,
  };
  const user = { id: 1, domain_id: 1, status: 'active', settings: {}, quota_bytes: null, address: path };
  const key = { id: 1, owner: 'user:1', kind: 'openpgp', fingerprint, status: 'active', source: 'cli' };
  const rows = [
    { what: 'domain', row: domain },
    { what: 'address', row: { id: 1, address: path, kind: 'user', user_id: 1 } },
    { what: 'user', row: user },
    {
      what: 'key',
      row: { ...key, created_at: new Date(0).toISOString() },
      certificate: Buffer.from(base64, 'base64'),
    },
  ];
  // pg's overloads have no type that a function could be given.
  return { query: async () => ({ rows }) } as unknown as Pick<Pool, 'query'>;
}

// The daily notices of keys that expire: claimed in the database, sealed and sent by the filter's own path, tried again an hour
// later where that failed. Each is given once, whatever the number of servers that share the database.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../config/package.ts';
import type { Config } from '../config/schema.ts';
import type { Database } from '../database/open.ts';
import type { Deliverer } from '../delivery/deliver.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { logReply } from '../smtp/log-reply.ts';
import { ourEnvelope } from '../smtp/our-envelope.ts';
import { pathOfAddress } from '../smtp/paths.ts';
import { classOf } from '../smtp/replies.ts';
import {
  type ClaimedMail,
  claimMail,
  forgetNotices,
  knownNotices,
  openMails,
  readExpiring,
  reclaimMail,
  settleNotices,
} from './claims.ts';
import {
  type Audience,
  type DueNotice,
  dueNotices,
  type ExpiringKey,
  isTimeToRun,
  isWorthTelling,
  type LastRun,
  lastSlot,
  noticeId,
} from './expiring.ts';
import { buildNotice, type NoticeTemplate, parseTemplate } from './message.ts';
import { noticeValues, type ToldKey } from './notice-text.ts';

export interface NoticeParts {
  /** Read for every run, so that SIGHUP takes effect with the next one. */
  readonly config: () => Config;
  readonly database: Pick<Database, 'orm'>;
  readonly deliverer: Pick<Deliverer, 'deliverAsOne'>;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'keyNotices'>;
  /** Between two mails of a run: it ends then. */
  readonly stopped?: () => boolean;
}

/** What one run did, in mails. */
export interface NoticeReport {
  readonly sent: number;
  readonly refused: number;
  /** To be tried again. */
  readonly postponed: number;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** For one mail, from its plan to the next hop's reply. */
const MAIL_DEADLINE_MS = 5 * 60_000;
/** After so many failures in a row the next hop or the database is away: the others wait too. */
const FAILURES_IN_A_ROW = 3;
const KEYS_IN_A_MAIL = 500;
/** How long what was sent is remembered after the key has expired. */
const REMEMBERED_MS = 90 * DAY_MS;

/**
 * Runs at the daily moment, within its minute, and every hour for what failed, until it is closed. The time of day is read each
 * minute: a reload, a summer time or a clock that was set takes effect.
 */
export function startNotices(parts: NoticeParts): { close(): Promise<void> } {
  let stopped = false;
  let running: Promise<void> | undefined;
  let last: LastRun | null = null;
  const runNow = (): void => {
    const { administrator, at } = parts.config().notices;
    const now = Date.now();
    if (running !== undefined || administrator === '' || !isTimeToRun(last, at, now)) return;
    last = { at: now, slot: lastSlot(at, now) };
    running = runNotices({ ...parts, stopped: () => stopped }, Date.now())
      .then(
        (report) => {
          if (report.sent + report.refused + report.postponed > 0)
            parts.logger.info({ event: 'notices_sent', ...report }, 'notices of keys that expire');
        },
        (error: unknown) =>
          parts.logger.error(
            { event: 'notices_failed', err: error },
            'notices of keys that expire failed; trying again',
          ),
      )
      .finally(() => {
        running = undefined;
      });
  };
  // The first one after a minute: a server that was just started has more urgent things to do.
  const timer = setInterval(runNow, MINUTE_MS);
  timer.unref();
  return {
    async close() {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
}

const MINUTE_MS = 60_000;

/** The keys that have to do with notices now, and the notices that are due. */
export async function findDue(
  parts: Pick<NoticeParts, 'config' | 'database'>,
  now: number,
  slot = lastSlot(parts.config().notices.at, now),
): Promise<{ readonly keys: readonly ExpiringKey[]; readonly due: readonly DueNotice[] }> {
  const { notices, encryption } = parts.config();
  const longest = Math.max(...notices.days) * DAY_MS;
  const keys = await readExpiring(parts.database, now, now + longest, encryption);
  const known = await knownNotices(parts.database, now);
  const audiences: readonly Audience[] = notices.users ? ['user', 'administrator'] : ['administrator'];
  return { keys, due: dueNotices({ keys, known, days: notices.days, audiences, slot, now }) };
}

/**
 * One run: what has become due, then the mails whose claim ran out without an end.
 * @param now Unix milliseconds
 * @param slot the daily moment that it belongs to; default: the last one
 * @throws what the database throws, and Error where a template cannot be used: nothing was sent that is not recorded
 */
export async function runNotices(parts: NoticeParts, now: number, slot?: number): Promise<NoticeReport> {
  const { database } = parts;
  const templates = await readTemplates(parts.config().notices.templates);
  await forgetNotices(database, now - REMEMBERED_MS);
  const { keys, due } = await findDue(parts, now, slot);
  const report = { sent: 0, refused: 0, postponed: 0 };
  let failures = 0;
  const attempt = async (claim: Promise<ClaimedMail | null>): Promise<void> => {
    const mail = await claim;
    if (mail === null) return;
    const outcome = await sendMail(parts, mail, templates[mail.audience], keys, now);
    if (outcome === 'cancelled') return;
    report[outcome] += 1;
    failures = outcome === 'postponed' ? failures + 1 : 0;
  };
  const goesOn = (): boolean => failures < FAILURES_IN_A_ROW && parts.stopped?.() !== true;
  for (const notices of intoMails(due)) {
    const [first] = notices;
    if (first !== undefined && goesOn())
      await attempt(claimMail(database, randomUUID(), first.audience, notices, HOUR_MS));
  }
  // Behind the new ones, which what fails again and again would else keep waiting.
  for (const id of await openMails(database)) {
    if (goesOn()) await attempt(reclaimMail(database, id, HOUR_MS));
  }
  return report;
}

/** One mail for each user, and one for the administrator. */
function intoMails(due: readonly DueNotice[]): readonly (readonly DueNotice[])[] {
  const byReader = new Map<string, DueNotice[]>();
  for (const notice of due) {
    const reader = notice.audience === 'administrator' ? '' : notice.key.owner;
    byReader.set(reader, [...(byReader.get(reader) ?? []), notice]);
  }
  return [...byReader.values()].flatMap((notices) =>
    Array.from({ length: Math.ceil(notices.length / KEYS_IN_A_MAIL) }, (_, index) =>
      notices.slice(index * KEYS_IN_A_MAIL, (index + 1) * KEYS_IN_A_MAIL),
    ),
  );
}

/**
 * Sends a claimed mail. Its bytes are the same at every attempt, so that the memory of deliveries knows it again when its
 * process died between the next hop's reply and the record here.
 */
async function sendMail(
  parts: NoticeParts,
  mail: ClaimedMail,
  template: NoticeTemplate,
  keys: readonly ExpiringKey[],
  now: number,
): Promise<'sent' | 'refused' | 'postponed' | 'cancelled'> {
  const { database, logger, metrics } = parts;
  const { administrator } = parts.config().notices;
  const told = mail.notices.map((notice) => ({ notice, key: keyOf(notice, keys, now) }));
  // Renewed, revoked, disabled, removed or expired since the first attempt.
  await settleNotices(
    database,
    told.flatMap(({ notice, key }) => (key === null ? [notice] : [])),
    'cancelled',
  );
  const notices = told.flatMap(({ notice, key }) => (key === null ? [] : [{ notice, key }]));
  const [first] = notices;
  if (first === undefined) return 'cancelled';
  const to = mail.audience === 'administrator' ? administrator : first.key.ownerName;
  const message = buildNotice({
    template,
    values: noticeValues(
      notices.map(({ key }) => key),
      { address: to, administrator, date: mail.date },
    ),
    from: administrator,
    to,
    date: mail.date,
    id: `sealpost-notice-${mail.id}`,
  });
  const answer = await parts.deliverer.deliverAsOne({
    id: `notice-${mail.id}`,
    envelope: ourEnvelope(pathOfAddress(to)),
    xforward: {},
    message,
    deadline: Date.now() + MAIL_DEADLINE_MS,
  });
  const outcome = OUTCOMES[classOf(answer.reply)];
  metrics.keyNotices.inc({ audience: mail.audience, outcome });
  if (outcome !== 'sent') {
    logger[outcome === 'refused' ? 'error' : 'warn'](
      { event: 'notice_not_sent', mail: mail.id, audience: mail.audience, reply: logReply(answer.reply) },
      outcome === 'refused'
        ? 'the notice of a key that expires was refused'
        : 'the notice of a key that expires could not be sent yet',
    );
  }
  // What is postponed keeps its claim: it runs out in an hour.
  if (outcome === 'postponed') return outcome;
  await settleNotices(
    database,
    notices.map(({ notice }) => notice),
    outcome,
  );
  answer.forget();
  return outcome;
}

const OUTCOMES = { accepted: 'sent', temporary: 'postponed', permanent: 'refused' } as const;

function keyOf(
  notice: ClaimedMail['notices'][number],
  keys: readonly ExpiringKey[],
  now: number,
): ToldKey | null {
  for (const key of keys) {
    const { expiresAt } = key;
    if (expiresAt === null || !isWorthTelling(key, now)) continue;
    if (noticeId('user', { ...key, expiresAt }, 0) === noticeId('user', notice, 0))
      return { ...key, expiresAt };
  }
  return null;
}

/** The administrator's own templates where there are any, else the package's. @throws Error on one that cannot be used */
async function readTemplates(folder: string): Promise<Readonly<Record<Audience, NoticeTemplate>>> {
  return {
    user: await readTemplate(folder, 'user'),
    administrator: await readTemplate(folder, 'administrator'),
  };
}

async function readTemplate(folder: string, audience: Audience): Promise<NoticeTemplate> {
  const own = folder === '' ? undefined : join(folder, `${audience}.txt`);
  const packaged = join(packageRoot(), 'packaging', 'notices', `${audience}.txt`);
  let path = own ?? packaged;
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' || own === undefined) throw error;
    path = packaged;
    return readFile(packaged, 'utf8');
  });
  const template = parseTemplate(text);
  if (typeof template === 'string') throw new Error(`${path}: ${template}`);
  return template;
}

// The no-duplicates memory (filters.md, "No duplicates"): which recipients the next hop has already accepted, in the
// table `deliveries`, so that a retry after a half-finished delivery or a lost reply sends only the rest.
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import { createBatcher } from '../pacing/group-commit.ts';
import type { RawPath } from '../smtp/types.ts';
import { contentHash } from './content-hash.ts';

/** What makes two deliveries the same message. */
export interface MessageIdentity {
  /** XFORWARD IDENT: Postfix's queue ID; '' where it is absent (Postfix's own bounces). */
  readonly queueId: string;
  /** Used where the queue ID is absent. */
  readonly messageId: string;
  readonly sender: RawPath;
  readonly content: Uint8Array;
}

/** SHA-256 in hexadecimal of what identifies a message: queue ID and content; else Message-ID, sender and content. */
export async function messageKey(identity: MessageIdentity): Promise<string> {
  const content = await contentHash(identity.content);
  const parts =
    identity.queueId === ''
      ? ['absent', identity.messageId, identity.sender, content]
      : ['queue', identity.queueId, content];
  return createHash('sha256').update(parts.join('\0'), 'latin1').digest('hex');
}

/** SHA-256 in hexadecimal of a raw recipient path. */
export function recipientKey(path: RawPath): string {
  return createHash('sha256').update(path, 'latin1').digest('hex');
}

/** The recipient key under which it is remembered that this refused recipient was reported. No path can contain NUL. */
export function bounceKey(path: RawPath): string {
  return recipientKey(`\0bounce ${path}`);
}

export interface DeliveryMemory {
  /**
   * Which of these recipients were accepted before.
   * @returns recipient key -> the next hop's reply text
   * @throws when the database cannot be asked: then nothing may be sent
   */
  recall(message: string, recipients: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Resolves once the acceptance is committed. */
  remember(message: string, recipient: string, reply: string): Promise<void>;
  /** Our own reply has reached Postfix: these will not be asked for again. Never throws, may happen later. */
  forget(message: string, recipients: readonly string[]): void;
  /** Removes what is older than the lifetime; returns the number of rows. */
  expire(): Promise<number>;
  /** Waits for what is being recorded, and for what `forget` still has to do; what had failed is tried once more. */
  close(): Promise<void>;
}

/**
 * Commits without waiting for the disk. A killed sealpost loses nothing by it; when PostgreSQL crashes or the power
 * fails, the last half second of acceptances may be delivered once more, as with Postfix's own marks in its queue files,
 * which are not flushed either. Waiting would cost every message a disk's latency.
 */
const WITHOUT_FLUSH = `(SELECT set_config('synchronous_commit', 'off', true))`;

/** How long removals wait for an acceptance to share a statement with. */
const FORGET_WITHIN_MS = 250;

/** Acceptances, and removals, that wait in memory for a database that is away: as many of each. */
const MOST_UNSAVED = 100_000;
/** How long they wait for the next attempt. */
const RETRY_MS = 2000;
/** Acceptances, or removals, that are tried again in one statement. */
const RETRIED_AT_ONCE = 500;

interface Row {
  readonly message: string;
  readonly recipient: string;
}

/** What one batch may be asked to do. */
type Step =
  | { readonly kind: 'recall'; readonly row: Row }
  | { readonly kind: 'remember'; readonly row: Row; readonly reply: string }
  | { readonly kind: 'forget'; readonly rows: readonly Row[] };

type Answer = { readonly reply: string | undefined } | { readonly error: unknown };

function idOf({ message, recipient }: Row): string {
  return `${message} ${recipient}`;
}

/** Message keys and recipient keys as two arrays, as `unnest` takes them. */
function columnsOf(rows: readonly Row[]): [string[], string[]] {
  return [rows.map((row) => row.message), rows.map((row) => row.recipient)];
}

/** Asks for message keys ($1) and recipient keys ($2). */
export const RECALL = `SELECT m AS message, r AS recipient, reply
                         FROM deliveries, unnest($1::text[], $2::text[]) AS asked(m, r)
                        WHERE message_key = decode(m, 'hex') AND recipient_key = decode(r, 'hex')`;

/** Removes these. @param messages the parameter, such as `$1`, with an array of keys; so is `recipients` */
export const forgetSql = (messages: string, recipients: string): string =>
  `DELETE FROM deliveries USING unnest(${messages}::text[], ${recipients}::text[]) AS told(m, r)
    WHERE message_key = decode(m, 'hex') AND recipient_key = decode(r, 'hex') AND ${WITHOUT_FLUSH} IS NOT NULL`;

/** All three read the table as it was before. */
export const ALL_STEPS = `WITH forgotten AS (
               ${forgetSql('$6', '$7')}
             ), remembered AS (
               INSERT INTO deliveries (message_key, recipient_key, reply)
               SELECT decode(m, 'hex'), decode(r, 'hex'), reply
                 FROM unnest($3::text[], $4::text[], $5::text[]) AS accepted(m, r, reply)
                WHERE ${WITHOUT_FLUSH} IS NOT NULL
                ON CONFLICT (message_key, recipient_key) DO NOTHING
             )
             ${RECALL}`;

/**
 * The memory over PostgreSQL. Look-ups, insertions and removals of concurrent transactions share statements: what comes
 * while one is under way goes out together with the next.
 * @param lifetimeMs how long an acceptance is remembered
 */
export function createDeliveryMemory(pool: Pool, lifetimeMs: number): DeliveryMemory {
  // Accepted downstream, but the database would not take it: known to this process at once, to others when it is written.
  const unsaved = new LRUCache<string, { readonly row: Row; readonly reply: string }>({
    // And not `max`, which would have memory made ready for all of them.
    maxSize: MOST_UNSAVED,
    sizeCalculation: () => 1,
    ttl: lifetimeMs,
    ttlAutopurge: false,
  });

  async function together(steps: readonly Step[]): Promise<readonly Answer[]> {
    const recalled = steps.flatMap((each) => (each.kind === 'recall' ? [each.row] : []));
    const remembered = steps.flatMap((each) => (each.kind === 'remember' ? [each] : []));
    const forgotten = steps.flatMap((each) => (each.kind === 'forget' ? each.rows : []));
    const [messages, recipients] = columnsOf(recalled);
    const found = await pool.query<Row & { reply: string }>(
      remembered.length + forgotten.length === 0
        ? { name: 'sealpost-recall', text: RECALL, values: [messages, recipients] }
        : {
            name: 'sealpost-memory',
            text: ALL_STEPS,
            values: [
              messages,
              recipients,
              ...columnsOf(remembered.map((each) => each.row)),
              remembered.map((each) => each.reply),
              ...columnsOf(forgotten),
            ],
          },
    );
    const replies = new Map(found.rows.map((row) => [idOf(row), row.reply]));
    for (const row of forgotten) replies.delete(idOf(row));
    return steps.map((each) => ({ reply: each.kind === 'recall' ? replies.get(idOf(each.row)) : undefined }));
  }

  const inBatches = createBatcher<Step, Answer>(async (steps) => {
    try {
      return await together(steps);
    } catch (error) {
      const recalls = steps.filter((each) => each.kind === 'recall');
      if (recalls.length === 0 || recalls.length === steps.length) throw error;
      // What cannot be written for one message must not keep another one from being asked for.
      const answers = [...(await together(recalls))];
      return steps.map((each) => (each.kind === 'recall' ? answers.shift() : undefined) ?? { error });
    }
  });

  async function step(wanted: Step): Promise<string | undefined> {
    const answer = await inBatches(wanted);
    if ('error' in answer) throw answer.error;
    return answer.reply;
  }

  /** Told to forget, not yet removed from the table: these count as unknown from now on. */
  const forgetting = new Map<string, Row>();
  /** Those of them that no batch has been given yet. */
  let untold: Row[] = [];
  /** Those whose batch failed: tried again after a while, and not with every acceptance. */
  let unremoved: Row[] = [];
  let timer: NodeJS.Timeout | undefined;
  let removing = Promise.resolve();
  let saving = Promise.resolve();
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  /** Gives the removals to the next batch. @returns when these and all earlier ones are done, or have failed */
  function removeForgotten(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const rows = untold.filter((row) => forgetting.get(idOf(row)) === row);
    untold = [];
    // Not in one statement with an acceptance of the same row, which it would not see.
    if (rows.length > 0)
      removing = Promise.all([removing, saving.then(() => remove(rows))]).then(() => undefined);
    return removing;
  }
  async function remove(rows: readonly Row[]): Promise<void> {
    try {
      await step({ kind: 'forget', rows });
      for (const row of rows) if (forgetting.get(idOf(row)) === row) forgetting.delete(idOf(row));
    } catch {
      // A row that stays would have the same message, sent once more, taken for a repetition.
      unremoved = [...unremoved, ...rows];
      for (const row of unremoved.splice(0, Math.max(0, unremoved.length - MOST_UNSAVED)))
        if (forgetting.get(idOf(row)) === row) forgetting.delete(idOf(row));
      tryAgain();
    }
  }

  /** Removes what could not be removed, the oldest first. @returns when that is done, or has failed again */
  function removeUnremoved(): Promise<void> {
    untold = [...unremoved.slice(0, RETRIED_AT_ONCE), ...untold];
    unremoved = unremoved.slice(RETRIED_AT_ONCE);
    return removeForgotten();
  }

  /** Writes what could not be written, the oldest first. @returns when that is done, or has failed again */
  function saveUnsaved(): Promise<void> {
    const ids = [...unsaved.rkeys()].slice(0, RETRIED_AT_ONCE);
    if (ids.length > 0) saving = Promise.all([saving, ...ids.map(save)]).then(() => undefined);
    return saving;
  }
  async function save(id: string): Promise<void> {
    const entry = unsaved.peek(id);
    if (entry === undefined) return;
    try {
      await step({ kind: 'remember', ...entry });
      if (unsaved.peek(id) === entry) unsaved.delete(id);
    } catch {
      // It stays for the next attempt.
    }
  }

  /** What has failed is tried again after a while, as long as anything waits. */
  function tryAgain(): void {
    if (closed || retry !== undefined) return;
    retry = setTimeout(() => {
      retry = undefined;
      void retryAll().then((done) => {
        if (!done) tryAgain();
      });
    }, RETRY_MS);
    retry.unref();
  }

  /** As long as it gets on. @returns whether nothing waits any more */
  async function retryAll(): Promise<boolean> {
    for (let before = Number.POSITIVE_INFINITY; ; ) {
      await saveUnsaved();
      await removeUnremoved();
      const left = unsaved.size + unremoved.length;
      if (left === 0 || left >= before) return left === 0;
      before = left;
    }
  }

  const inserting = new Set<Promise<unknown>>();
  async function keptInMind(insertion: Promise<unknown>): Promise<void> {
    inserting.add(insertion);
    try {
      await insertion;
    } finally {
      inserting.delete(insertion);
    }
  }

  return {
    async recall(message, recipients) {
      const replies = await Promise.all(
        recipients.map((recipient) => step({ kind: 'recall', row: { message, recipient } })),
      );
      const remembered = new Map<string, string>();
      recipients.forEach((recipient, index) => {
        const id = idOf({ message, recipient });
        const reply = replies[index] ?? unsaved.get(id)?.reply;
        if (reply !== undefined && !forgetting.has(id)) remembered.set(recipient, reply);
      });
      return remembered;
    },
    async remember(message, recipient, reply) {
      // PostgreSQL's text holds no NUL; a next hop's reply may hold anything.
      const text = reply.replaceAll('\0', '');
      const id = idOf({ message, recipient });
      const removed = removeForgotten();
      // The same message once more, after it was acknowledged: its row must not go with the old one's.
      if (forgetting.has(id)) await removed;
      // The old row could not be removed: it stands for this acceptance from now on.
      forgetting.delete(id);
      const entry = { row: { message, recipient }, reply: text };
      try {
        await keptInMind(step({ kind: 'remember', ...entry }));
      } catch (error) {
        unsaved.set(id, entry);
        tryAgain();
        throw error;
      }
    },
    forget(message, recipients) {
      for (const recipient of recipients) {
        const row = { message, recipient };
        forgetting.set(idOf(row), row);
        untold.push(row);
        unsaved.delete(idOf(row));
      }
      // The next acceptance takes them along.
      timer ??= setTimeout(() => void removeForgotten(), FORGET_WITHIN_MS);
    },
    async expire() {
      const result = await pool.query(
        `DELETE FROM deliveries WHERE accepted_at < now() - $1 * interval '1 millisecond'`,
        [lifetimeMs],
      );
      return result.rowCount ?? 0;
    },
    async close() {
      closed = true;
      clearTimeout(retry);
      await Promise.allSettled([...inserting]);
      await retryAll();
      await removeForgotten();
    },
  };
}

// The statements of the table `deliveries`: what concurrent transactions ask, write and remove goes out together, in one
// statement a batch.
import type { Pool } from 'pg';
import {
  type DirectoryVersion,
  refreshVersion,
  VERSION_SQL,
  type VersionTracker,
  versionOf,
} from '../database/directory-version.ts';
import { DatabaseUnavailable } from '../database/embedded/unavailable.ts';
import { createBatcher } from '../pacing/group-commit.ts';

/**
 * Commits without waiting for the disk. A killed sealpost loses nothing by it; when PostgreSQL crashes or the power
 * fails, the last half second of acceptances may be delivered once more, as with Postfix's own marks in its queue files,
 * which are not flushed either. Waiting would cost every message a disk's latency.
 */
const WITHOUT_FLUSH = `(SELECT set_config('synchronous_commit', 'off', true))`;

/** One acceptance: hashes in hexadecimal. */
export interface AcceptanceRow {
  readonly message: string;
  readonly recipient: string;
}

/** What one batch may be asked to do. */
export type Step =
  | { readonly kind: 'recall'; readonly row: AcceptanceRow }
  | { readonly kind: 'remember'; readonly row: AcceptanceRow; readonly reply: string }
  | { readonly kind: 'forget'; readonly rows: readonly AcceptanceRow[] };

type Answer = { readonly reply: string | undefined } | { readonly error: unknown };

export function idOf({ message, recipient }: AcceptanceRow): string {
  return `${message} ${recipient}`;
}

/** Message hashes and recipient hashes as two arrays, as `unnest` takes them. */
function columnsOf(rows: readonly AcceptanceRow[]): [string[], string[]] {
  return [rows.map((row) => row.message), rows.map((row) => row.recipient)];
}

/** Asks for message hashes ($1) and recipient hashes ($2). */
export const RECALL = `SELECT m AS message, r AS recipient, reply, NULL::text AS directory
                         FROM deliveries, unnest($1::text[], $2::text[]) AS asked(m, r)
                        WHERE message_key = decode(m, 'hex') AND recipient_key = decode(r, 'hex')`;

/** Removes these. @param messages the parameter, such as `$1`, with an array of hashes; so is `recipients` */
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

/** Both, with the version of the directory in a row of its own. */
const withVersion = (statement: string): string => `${statement}
             UNION ALL SELECT NULL, NULL, NULL, ${VERSION_SQL}`;

const RECALL_WITH_VERSION = withVersion(RECALL);
const ALL_STEPS_WITH_VERSION = withVersion(ALL_STEPS);

/** Does one step together with those that come at the same time. Rejects with what the database fails with. */
export type DoStep = (wanted: Step) => Promise<string | undefined>;

/** @returns what does a step; a recall gives the next hop's reply, or undefined */
export function createAcceptanceSteps(pool: Pool, versions: VersionTracker): DoStep {
  const inBatches = createBatcher<Step, Answer>(async (steps) => {
    try {
      return await together(pool, versions, steps);
    } catch (error) {
      const recalls = steps.filter((each) => each.kind === 'recall');
      if (recalls.length === 0 || recalls.length === steps.length) throw error;
      // What cannot be written for one message must not keep another one from being asked for.
      const answers = [...(await together(pool, versions, recalls))];
      return steps.map((each) => (each.kind === 'recall' ? answers.shift() : undefined) ?? { error });
    }
  });

  return async (wanted) => {
    const answer = await inBatches(wanted);
    if ('error' in answer) throw answer.error;
    return answer.reply;
  };
}

interface FoundRow extends AcceptanceRow {
  readonly reply: string;
  /** The version; null in every row but one. */
  readonly directory: string | null;
}

async function together(
  pool: Pool,
  versions: VersionTracker,
  steps: readonly Step[],
): Promise<readonly Answer[]> {
  const recalled = steps.flatMap((each) => (each.kind === 'recall' ? [each.row] : []));
  const remembered = steps.flatMap((each) => (each.kind === 'remember' ? [each] : []));
  const forgotten = steps.flatMap((each) => (each.kind === 'forget' ? each.rows : []));
  const [messages, recipients] = columnsOf(recalled);
  const asked = versions.known();
  const found = await pool.query<FoundRow>(
    remembered.length + forgotten.length === 0
      ? { name: 'sealpost-recall', text: RECALL_WITH_VERSION, values: [messages, recipients] }
      : {
          name: 'sealpost-memory',
          text: ALL_STEPS_WITH_VERSION,
          values: [
            messages,
            recipients,
            ...columnsOf(remembered.map((each) => each.row)),
            remembered.map((each) => each.reply),
            ...columnsOf(forgotten),
          ],
        },
  );
  const replies = new Map<string, string>();
  let seen: string | null = null;
  for (const row of found.rows) {
    if (row.directory !== null) seen = row.directory;
    else replies.set(idOf(row), row.reply);
  }
  const version = versionOf(seen);
  const isKnown = versions.hears(asked, version);
  if (!isKnown && recalled.length > 0) await learn(pool, versions, asked, version);
  for (const row of forgotten) replies.delete(idOf(row));
  return steps.map((each) => ({ reply: each.kind === 'recall' ? replies.get(idOf(each.row)) : undefined }));
}

/**
 * Whoever waits for an answer goes on after what it rests on has been dropped from the caches.
 * @throws DatabaseUnavailable where the server that answers now knows less than the one that was asked before
 */
async function learn(
  pool: Pool,
  versions: VersionTracker,
  asked: number,
  seen: DirectoryVersion,
): Promise<void> {
  await refreshVersion(pool, versions);
  if (!versions.hears(asked, seen))
    throw new DatabaseUnavailable('two database servers answer, and one does not know what the other does');
}

// What concurrent transactions ask and write of the memory of deliveries goes out together, in one statement a batch. What is
// written never waits behind what is asked: until it is written, a kill repeats a copy.
import type { Pool } from 'pg';
import {
  type DirectoryVersion,
  refreshVersion,
  type VersionTracker,
  versionOf,
} from '../database/directory-version.ts';
import { DatabaseUnavailable } from '../database/embedded/unavailable.ts';
import { createBatcher } from '../pacing/group-commit.ts';
import {
  RECALL_ALONE,
  RECALL_AMONG_NODES,
  RECALL_AND_CLAIM,
  WRITE,
  WRITE_AND_GIVE_UP,
} from './acceptance-sql.ts';
import type { Claimed } from './claim-rules.ts';
import { type Membership, NotJoined, type Term } from './membership.ts';

/** One acceptance: hashes in hexadecimal. */
export interface AcceptanceRow {
  readonly message: string;
  readonly recipient: string;
}

/** What a batch may be asked for. */
export interface Question {
  readonly row: AcceptanceRow;
  /** It is to be sent if nobody has it. */
  readonly claim: boolean;
}

/** What the database knows of one recipient. */
export interface Found {
  /** The next hop's reply, where it has accepted the message. */
  readonly reply: string | undefined;
  readonly claimed: Claimed;
  /** When it was claimed, for {@link Membership.mayFinish}. */
  readonly term: Term;
}

/** What a batch may be asked to write. */
export type Writing =
  | { readonly kind: 'remember'; readonly row: AcceptanceRow; readonly reply: string }
  /** The acceptances, and the claims. */
  | { readonly kind: 'forget'; readonly rows: readonly AcceptanceRow[] }
  /** The claims alone. */
  | { readonly kind: 'give up'; readonly rows: readonly AcceptanceRow[] };

/** Each does its step together with those that come at the same time, and rejects with what the database fails with. */
export interface AcceptanceSteps {
  ask(question: Question): Promise<Found>;
  write(writing: Writing): Promise<void>;
  /** Claims what is in hand already; it waits for nobody. */
  claimAll(rows: readonly AcceptanceRow[]): Promise<void>;
}

/** As many statements write at once: one that is slow holds up no other acceptance. */
const WRITES_AT_ONCE = 4;
/** Rows of one statement. */
const ROWS_AT_ONCE = 500;
/** A recall is asked anew where the nodes have changed meanwhile; they do not change as often as that. */
const ATTEMPTS = 5;

interface Context {
  readonly pool: Pool;
  readonly versions: VersionTracker;
  /** null: claims are not kept. */
  readonly membership: Membership | null;
}

export function createAcceptanceSteps(context: Context): AcceptanceSteps {
  const ask = createBatcher<Question, Found>((questions) => askTogether(context, questions), ROWS_AT_ONCE);
  const write = createBatcher<Writing, null>(
    async (writings) => {
      await writeTogether(context, writings);
      return writings.map(() => null);
    },
    ROWS_AT_ONCE,
    WRITES_AT_ONCE,
  );
  return {
    ask,
    async write(writing) {
      await write(writing);
    },
    async claimAll(rows) {
      for (let from = 0; from < rows.length; from += ROWS_AT_ONCE)
        await query(context, [], rows.slice(from, from + ROWS_AT_ONCE));
    },
  };
}

export function idOf({ message, recipient }: AcceptanceRow): string {
  return `${message} ${recipient}`;
}

/** What {@link idOf} made. */
export function acceptanceRowOf(id: string): AcceptanceRow {
  const [message = '', recipient = ''] = id.split(' ');
  return { message, recipient };
}

/** Message hashes and recipient hashes as two arrays, as `unnest` takes them. */
function columnsOf(rows: readonly AcceptanceRow[]): [string[], string[]] {
  return [rows.map((row) => row.message), rows.map((row) => row.recipient)];
}

interface AnswerRow {
  /** null in the row that tells of the directory and the nodes. */
  readonly message: string | null;
  readonly recipient: string | null;
  readonly reply: string | null;
  readonly claimed: Claimed | null;
  readonly directory: string | null;
  readonly nodes: string | null;
}

async function askTogether(context: Context, questions: readonly Question[]): Promise<readonly Found[]> {
  const { versions, membership } = context;
  const keeper = questions.some((each) => each.claim) ? membership : null;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const term = (await keeper?.joined()) ?? 0;
    const claiming = keeper?.claims() === true;
    const asked = versions.known();
    const rows = await query(
      context,
      questions.map(({ row }) => row),
      claiming ? questions.flatMap(({ row, claim }) => (claim ? [row] : [])) : keeper && [],
    );
    const told = rows.find((row) => row.directory !== null);
    const version = versionOf(told?.directory);
    if (!versions.hears(asked, version)) await learn(context, asked, version);
    if (keeper !== null && !keeper.saw(term, claiming, told?.nodes ?? null)) continue;
    return foundIn(rows, questions, term);
  }
  throw new NotJoined('the nodes have changed too often for an answer');
}

/** @param claim null: nobody keeps claims; none: this node is alone */
async function query(
  { pool, membership }: Context,
  recall: readonly AcceptanceRow[],
  claim: readonly AcceptanceRow[] | null,
): Promise<readonly AnswerRow[]> {
  const recalled = columnsOf(recall);
  if (claim === null || membership === null) {
    const alone = { name: 'sealpost-recall', text: RECALL_ALONE, values: recalled };
    return (await pool.query<AnswerRow>(alone)).rows;
  }
  const own = [membership.row.id, membership.row.node, membership.row.leaseMs];
  const asked =
    claim.length === 0
      ? { name: 'sealpost-recall-nodes', text: RECALL_AMONG_NODES, values: [...recalled, ...own] }
      : {
          name: 'sealpost-claim',
          text: RECALL_AND_CLAIM,
          values: [...recalled, ...own, ...columnsOf(claim)],
        };
  return (await pool.query<AnswerRow>(asked)).rows;
}

function foundIn(rows: readonly AnswerRow[], questions: readonly Question[], term: Term): readonly Found[] {
  const replies = new Map<string, string>();
  const claims = new Map<string, Claimed>();
  for (const { message, recipient, reply, claimed } of rows) {
    if (message === null || recipient === null) continue;
    const id = idOf({ message, recipient });
    if (claimed !== null) claims.set(id, claimed);
    else if (reply !== null) replies.set(id, reply);
  }
  return questions.map(({ row }) => ({
    reply: replies.get(idOf(row)),
    claimed: claims.get(idOf(row)) ?? 'alone',
    term,
  }));
}

async function writeTogether({ pool, membership }: Context, writings: readonly Writing[]): Promise<void> {
  const remembered = writings.flatMap((each) => (each.kind === 'remember' ? [each] : []));
  const told = writings.flatMap((each) =>
    each.kind === 'remember' ? [] : each.rows.map((row) => ({ row, forget: each.kind === 'forget' })),
  );
  const values = [
    ...columnsOf(remembered.map((each) => each.row)),
    remembered.map((each) => each.reply),
    ...columnsOf(told.map((each) => each.row)),
  ];
  // Where there was never another node, there is no claim.
  if (membership === null || !membership.hasMet()) {
    await pool.query({ name: 'sealpost-memory', text: WRITE, values });
    return;
  }
  await pool.query({
    name: 'sealpost-memory-claims',
    text: WRITE_AND_GIVE_UP,
    values: [...values, membership.row.id, told.map((each) => each.forget)],
  });
}

/**
 * Whoever waits for an answer goes on after what it rests on has been dropped from the caches.
 * @throws DatabaseUnavailable where the server that answers now knows less than the one that was asked before
 */
async function learn({ pool, versions }: Context, asked: number, seen: DirectoryVersion): Promise<void> {
  await refreshVersion(pool, versions);
  if (!versions.hears(asked, seen))
    throw new DatabaseUnavailable('two database servers answer, and one does not know what the other does');
}

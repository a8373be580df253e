// What an import changes of those who are here already is written first, in transactions of a few rows: somebody may be revoking
// just these keys, and waits for as long as the rows of their owners are held. Each transaction is whole, and a second run does
// what an interrupted one has left.
import { drizzle } from 'drizzle-orm/node-postgres';
import type pg from 'pg';
import { inTransaction } from '../database/transaction.ts';
import { nameActor } from '../keys/actor.ts';
import type { ApplyContext } from './context.ts';
import { type Draft, type DraftOwner, ownerId } from './draft.ts';
import type { KeyColumnsOf } from './key-columns.ts';
import { mergeKnown } from './merge-known.ts';
import { countSame, createTally, type TallyDraft, type Told, tell } from './outcome.ts';
import type { Plan } from './plan.ts';
import { copyName, type PlannedKey } from './planning.ts';
import { createWritten, updateUsers } from './write.ts';
import { writeKeys, writeMade } from './write-keys.ts';

/** Rows in one transaction, which holds their owners for a fraction of a second. */
const AT_ONCE = 100;

/** What was written, for the plan of the rest. */
export interface WrittenKnown {
  /** By {@link copyName}. */
  readonly keys: ReadonlySet<string>;
  readonly told: readonly Told[];
  /** Copies of known keys that brought no news. */
  readonly sameKeys: number;
}

/** @throws ChangeRefused where somebody else has just changed one of them */
export async function writeKnown(
  plan: Plan,
  context: ApplyContext,
  columns: KeyColumnsOf,
  onPiece: (count: number) => void,
): Promise<WrittenKnown> {
  const { database, source, options } = context;
  const inTurn = <T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> =>
    inTransaction(database.pool, async (client) => {
      await nameActor(drizzle(client), options.keys.actor);
      return work(client);
    });
  const users = [...plan.draft.users.values()].filter(({ changed }) => changed);
  for (const piece of pieces(users)) await inTurn((client) => updateUsers(client, piece, onPiece));
  const { fresh, again } = ofKnownOwners(plan);
  const made = new Map(plan.made.flatMap((row) => (row.kind === 'key' ? [[row.key, row] as const] : [])));
  for (const piece of pieces(fresh))
    await inTurn(async (client) => {
      const written = createWritten();
      const from = { draft: plan.draft, written, columns };
      const ids = await writeKeys(drizzle(client), piece, from, onPiece);
      const rows = piece.flatMap((key) => made.get(key) ?? []);
      await writeMade(client, source.name, rows, { written, keys: ids });
    });
  const tally = createTally();
  await mergeKnown((merge) => inTurn((client) => merge(drizzle(client))), { again, tally }, options, false);
  return {
    keys: new Set([...fresh, ...again].map(copyName)),
    told: [...toldOf(plan, fresh), ...tally.told],
    sameKeys: tally.counts.key.same ?? 0,
  };
}

function* pieces<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += AT_ONCE) yield all.slice(at, at + AT_ONCE);
}

/** A key that is also for somebody new is written with them: its row of the report tells of all of them. */
function ofKnownOwners({ fresh, again }: Plan): Pick<Plan, 'fresh' | 'again'> {
  const isKnown = ({ owner }: PlannedKey): boolean => owner === null || isHere(owner);
  const forNew = new Set<string>();
  for (const key of fresh) if (!isKnown(key) && key.isKeptDisabled !== true) forNew.add(key.fingerprint);
  const mine = (key: PlannedKey): boolean =>
    isKnown(key) && (key.isKeptDisabled === true || !forNew.has(key.fingerprint));
  const rank = ({ owner }: PlannedKey): string => (owner === null ? '' : (ownerId(owner) ?? ''));
  return {
    // In one order everywhere, as those who merge hold owners.
    fresh: fresh.filter(mine).sort((a, b) => rank(a).localeCompare(rank(b), 'en', { numeric: true })),
    again: again.filter(mine),
  };
}

function isHere(owner: DraftOwner): boolean {
  return (owner.kind === 'user' ? owner.user.id : ownerId(owner)) !== null;
}

function toldOf({ tally, draft }: Plan, fresh: readonly PlannedKey[]): readonly Told[] {
  const added = new Set(fresh.flatMap((key) => (key.isKeptDisabled === true ? [] : [key.fingerprint])));
  return tally.told.filter(({ kind, outcome, name }) =>
    kind === 'key'
      ? outcome === 'added' && added.has(name)
      : outcome === 'changed' && (kind === 'user' || (kind === 'setting' && isOfKnown(draft, name))),
  );
}

function isOfKnown(draft: Draft, name: string): boolean {
  if (name.startsWith('@')) return typeof draft.domains.get(name.slice(1))?.id === 'number';
  const found = draft.addresses.get(name);
  if (found === undefined || found.kind === 'alias') return false;
  return (found.kind === 'user' ? found.user.id : found.contact.id) !== null;
}

/** Tells in the report of the rest what was written before: of users it had found that nothing is left to do. */
export function tellWritten(tally: TallyDraft, { told, sameKeys }: WrittenKnown, draft: Draft): void {
  countSame(tally, 'key', sameKeys);
  for (const row of told) {
    const isUser =
      row.kind === 'user' || (row.kind === 'setting' && draft.addresses.get(row.name)?.kind === 'user');
    if (isUser) countSame(tally, row.kind, -1);
    tell(tally, row);
  }
}
